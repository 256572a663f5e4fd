#!/usr/bin/env bash
# DuckDB 2.0.0: a window aggregate sees rows that WHERE excludes.
# Seen: `max(x) OVER (PARTITION BY s)` over Parquet files in folders `day=N` takes the maximum of all days, although
# WHERE keeps days 1 and 2 only. The rows that come back are the right ones, so nothing looks wrong.
# Expected: WHERE comes before windows, so the maximum is that of days 1 and 2.
# What we do: `SET disabled_optimizers = 'window_self_join'` in each connection that reads the lake.

set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet duckdb==2.0.0
cd "$folder"

"$folder/venv/bin/python" - <<'PYTHON'
import pathlib

import duckdb

for day in (1, 2, 3):
    folder = pathlib.Path(f"lake/day={day}")
    folder.mkdir(parents=True)
    duckdb.execute(f"COPY (SELECT 'shop' AS s, {day} * 10 AS x) TO '{folder}/part.parquet'")

query = """
    SELECT x, max(x) OVER (PARTITION BY s) AS largest
    FROM read_parquet('lake/*/*.parquet', hive_partitioning = true) WHERE day < 3 ORDER BY x
"""
usual = duckdb.sql(query).fetchall()
duckdb.execute("SET disabled_optimizers = 'window_self_join'")
careful = duckdb.sql(query).fetchall()

print(f"DuckDB {duckdb.__version__}: rows (x, largest x) of days 1 and 2")
print(f"seen: {usual}; day 3, which WHERE excludes, gives the largest")
print(f"expected, and seen without the optimizer window_self_join: {careful}")
print("what we do: we disable that optimizer wherever we read the lake")
assert usual == [(10, 30), (20, 30)], "the behaviour changed"
assert careful == [(10, 20), (20, 20)], "the way out no longer works"
PYTHON
