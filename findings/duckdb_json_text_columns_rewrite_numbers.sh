#!/usr/bin/env bash
# DuckDB 2.0.0: a JSON number read into a column that is declared as text is not the text of the number.
# Seen: read_json with columns = {amount: 'VARCHAR'} gives '12.5' for 12.50, '100.0' for 1.0E2, and
# '1.2345678901234568e+16' for 12345678901234567.89: each number went through a double, so cents are lost.
# Expected: the text as it stands in the file, which is what one declares a text column for.
# What we do: JSON is parsed by Python with parse_float=str, and amounts become decimals from their own text.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet duckdb==2.0.0
cd "$folder"

"$folder/venv/bin/python" - <<'PYTHON'
import duckdb

written = ["12.50", "1.0E2", "12345678901234567.89", "12345678901234567890123"]
with open("payments.json", "w") as file:
    file.writelines(f'{{"amount": {number}}}\n' for number in written)
query = "SELECT amount FROM read_json('payments.json', format = 'newline_delimited', columns = {amount: 'VARCHAR'})"
seen = [amount for (amount,) in duckdb.sql(query).fetchall()]
print(f"duckdb {duckdb.__version__}: numbers of JSON in a column of text")
print(f"written:  {written}")
print(f"seen:     {seen}")
print("expected: the same; only the whole number beyond 64 bits is")
print("what we do: Python's parser with parse_float=str")
assert seen == ["12.5", "100.0", "1.2345678901234568e+16", "12345678901234567890123"], "the behaviour changed"
PYTHON
