#!/usr/bin/env bash
# mt-940 5.1.1: the reversal of a credit is an amount above 0, so a statement does not add up.
# Seen: a debit (mark D) comes out negative, a reversed credit (mark RC) positive, though it takes money away as a debit
# does. The opening balance and the amounts do not give the closing balance.
# Expected: -30 for "RC30,00" and +7 for "RD7,00", so that the balances agree.
# What we do: mapping mt940 takes the direction from the mark (D and RC go out), and its tests compare sums with closing
# balances. Reversals are what a search for fraud most wants right.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet mt-940==5.1.1
cd "$folder"

"$folder/venv/bin/python" - <<'PYTHON'
from decimal import Decimal
from importlib.metadata import version

import mt940

STATEMENT = """:20:STATEMENT1
:25:NL91ABNA0417164300
:28C:1/1
:60F:C260105EUR1000,00
:61:2601060106C100,00NTRFNONREF
:61:2601060106D5,00NTRFNONREF
:61:2601060106RC30,00NTRFNONREF
:61:2601060106RD7,00NTRFNONREF
:62F:C260106EUR1072,00
"""
statement = mt940.parse(STATEMENT)
seen = [(entry.data["status"], entry.data["amount"].amount) for entry in statement]
moved = statement.data["final_closing_balance"].amount.amount - statement.data["final_opening_balance"].amount.amount
careful = [abs(amount) * (-1 if mark in ("D", "RC") else 1) for mark, amount in seen]

print(f"mt-940 {version('mt-940')}: amounts of a statement whose balance moves by {moved}")
print(f"seen: {[f'{mark} {amount}' for mark, amount in seen]}, together {sum(amount for _, amount in seen)}")
print(f"expected: amounts that add up to {moved}")
print(f"what we do: the sign of the mark gives {[str(a) for a in careful]}, together {sum(careful)}")
assert dict(seen) == {"C": 100, "D": -5, "RC": 30, "RD": 7}, "the behaviour changed"
assert sum(careful) == moved == Decimal("72.00"), "the way out no longer works"
PYTHON
