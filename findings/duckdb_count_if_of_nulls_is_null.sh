#!/usr/bin/env bash
# DuckDB 2.0.0 with sqlglot 30.30.0: count_if over nulls is NULL, and sqlglot does not know.
# Seen: `count_if(flag)` of a group whose flags are all NULL, or of no rows, is NULL in DuckDB. sqlglot leaves
# `count_if` as it is when it translates Athena's or Trino's SQL to DuckDB's.
# Expected: 0, as any count has it, and as Trino and Athena count. A rate per group becomes NULL and falls out of
# comparisons on one engine only.
# What we do: no count_if in queries that run on both engines; `count(*) FILTER (WHERE flag)` is 0 where it must be.

set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet duckdb==2.0.0 sqlglot==30.30.0
cd "$folder"

"$folder/venv/bin/python" - <<'PYTHON'
import duckdb
import sqlglot

ROWS = "(VALUES ('a', true), ('a', NULL), ('b', NULL), ('b', NULL)) AS t (shop, flag)"
athena = f"SELECT shop, COUNT_IF(flag) FROM {ROWS} GROUP BY shop ORDER BY shop"
translated = sqlglot.transpile(athena, read="athena", write="duckdb")[0]
seen = duckdb.sql(translated).fetchall()
none = duckdb.sql("SELECT count_if(flag) FROM (SELECT true AS flag WHERE false)").fetchall()
careful = duckdb.sql(f"SELECT shop, count(*) FILTER (WHERE flag) FROM {ROWS} GROUP BY shop ORDER BY shop").fetchall()

print(f"DuckDB {duckdb.__version__}, sqlglot {sqlglot.__version__}: count_if")
print(f"seen: {seen} by shop, where shop b has only nulls; {none} over no rows")
print("expected: 0 for shop b and over no rows")
print(f"what we do: no count_if where two engines run a query; count(*) FILTER (WHERE flag) gives {careful}")
assert "COUNT_IF(flag)" in translated, "sqlglot's translation changed"
assert seen == [("a", 1), ("b", None)] and none == [(None,)], "the behaviour changed"
assert careful == [("a", 1), ("b", 0)], "the way out no longer works"
PYTHON
