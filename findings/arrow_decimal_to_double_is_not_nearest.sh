#!/usr/bin/env bash
# pyarrow 25.0.1 with duckdb 2.0.0: an amount that is a decimal becomes another double in Arrow than in DuckDB or Python.
# Seen: of 20,000 amounts with two decimals in decimal128(18, 4), as lakes keep money, about 6,000 are cast to a double that
# is not the nearest: 5636.78 becomes 5636.780000000001. DuckDB's cast of the same column, and float() of each amount, give
# the nearest for all of them.
# Expected: one decimal is one double, whoever casts it, as it is where its text is read.
# It meets whoever evaluates a rule twice: `amount > 5636.78` holds for a payment of 5636.78 in the one and not in the other.
# What we do: rules read an amount by way of its text, or by float() (steps/scoring/apply_policy.py).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pyarrow==25.0.1 duckdb==2.0.0 numpy==2.4.6
cd "$folder"

"$folder/venv/bin/python" - <<'PYTHON'
import random
from decimal import Decimal

import duckdb
import pyarrow as pa

random.seed(1)
amounts = [Decimal(random.randrange(1, 10**6)).scaleb(-2) for _ in range(20_000)]
amounts_table = pa.table({"amount": pa.array(amounts, pa.decimal128(18, 4))})
nearest = [float(amount) for amount in amounts]
by_arrow = amounts_table["amount"].cast(pa.float64()).to_pylist()
by_duckdb = [row[0] for row in duckdb.sql("SELECT amount::DOUBLE FROM amounts_table").fetchall()]
others = sum(one != other for one, other in zip(by_arrow, nearest, strict=True))
print(f"pyarrow {pa.__version__}, duckdb {duckdb.__version__}: {len(amounts):,} amounts in decimal128(18, 4)")
print(f"not the nearest double: Arrow {others:,}, DuckDB {sum(a != b for a, b in zip(by_duckdb, nearest, strict=True))}")
one = pa.array([Decimal("5636.78")], pa.decimal128(18, 4))
as_double = one.cast(pa.float64())[0].as_py()
print(f"5636.78 as a double: Arrow {as_double!r}, Python {float(Decimal('5636.78'))!r}")
print(f"above 5636.78: Arrow {as_double > 5636.78}")
assert others > 5_000 and by_duckdb == nearest, "the behaviour changed"
assert as_double > 5636.78, "the behaviour changed"
PYTHON
