#!/usr/bin/env bash
# DuckDB 2.0.0: ASOF JOIN gives another result in each run when keys tie.
# Seen: where several rows on the right share the latest time, ASOF JOIN takes one of them, and with two threads
# another one when the same query runs again over the same two tables in the same connection.
# Expected: some fixed choice among tied rows (the first or the last in the table), as pandas' merge_asof makes.
# What we do: no ASOF JOIN in what must come out the same twice (evidence, training). Who needs one should first
# reduce the right side to one row for each key and time.

set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet duckdb==2.0.0
cd "$folder"

"$folder/venv/bin/python" - <<'PYTHON'
import duckdb

RUNS = 20
database = duckdb.connect()
database.execute("SET threads = 2")
database.execute("CREATE TABLE payments AS SELECT range AS t FROM range(100_000)")
database.execute("CREATE TABLE rates AS SELECT range % 100_000 AS t, range AS rate FROM range(800_000)")


def different_sums(rates):
    query = f"SELECT sum(rate) FROM payments ASOF JOIN {rates} AS r ON payments.t >= r.t"
    return {database.execute(query).fetchone()[0] for _ in range(RUNS)}


tied = different_sums("rates")
reduced = different_sums("(SELECT t, max(rate) AS rate FROM rates GROUP BY t)")

print(f"DuckDB {duckdb.__version__}: ASOF JOIN, 8 rows on the right for each time, {RUNS} runs on two threads")
print(f"seen: {len(tied)} different sums of the same join: {sorted(tied)}")
print("expected: one sum, whichever of the tied rows it takes")
print(f"what we do: one row for each key and time before such a join; sums then: {sorted(reduced)}")
assert len(tied) > 1, "the behaviour changed"
assert len(reduced) == 1, "the way out no longer works"
PYTHON
