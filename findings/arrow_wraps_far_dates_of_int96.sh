#!/usr/bin/env bash
# pyarrow 25.0.1 (beside DuckDB 2.0.0): far dates in Parquet's INT96 wrap around without an error.
# Seen: Arrow reads INT96, which Hive, Impala and Spark write, as nanoseconds. The open end 9999-12-31 becomes a day
# in 1816, and 1515 becomes 2099. DuckDB reads the right days from the same file.
# Expected: the right time, or an error as Arrow raises in its own casts that overflow.
# What we do: we open Parquet files with coerce_int96_timestamp_unit="us".

set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pyarrow==25.0.1 duckdb==2.0.0
cd "$folder"

"$folder/venv/bin/python" - <<'PYTHON'
from datetime import datetime

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

valid = [datetime(1515, 1, 1), datetime(2026, 1, 1), datetime(9999, 12, 31)]
table = pa.table({"valid_to": pa.array(valid, pa.timestamp("us"))})
pq.write_table(table, "cards.parquet", use_deprecated_int96_timestamps=True)


def years(read):
    return [int(str(time)[:4]) for time in read.column(0).cast(pa.string()).to_pylist()]


seen = years(pq.read_table("cards.parquet"))
careful = years(pq.read_table("cards.parquet", coerce_int96_timestamp_unit="us"))
other = [row[0].year for row in duckdb.sql("SELECT valid_to FROM 'cards.parquet'").fetchall()]

print(f"pyarrow {pa.__version__}, DuckDB {duckdb.__version__}: years of {[str(time.date()) for time in valid]} in INT96")
print(f"seen: pyarrow reads {seen}, DuckDB reads {other}")
print("expected: the same years from both, or an error")
print(f'what we do: coerce_int96_timestamp_unit="us", which reads {careful}')
assert seen == [2099, 2026, 1816] and other == [1515, 2026, 9999], "the behaviour changed"
assert careful == [1515, 2026, 9999], "the way out no longer works"
PYTHON
