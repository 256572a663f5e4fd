#!/usr/bin/env bash
# mt940 0.8.1 (the reader of bank statements): bookings over New Year land in the wrong year.
# Seen: field 61 gives the value date with its year and the booking date as month and day. Value 2025-12-31 booked on
# 2 January becomes a booking on 2025-01-02; value 2026-01-02 booked on 31 December becomes 2026-12-31.
# Expected: the year that brings the booking date closest to the value date: 2026-01-02 and 2025-12-31.
# What we do: mapping mt940 books in the year that is nearest to the value date; delays between value and booking, a sign
# of fraud, are else off by a year.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet mt940==0.8.1
cd "$folder"

"$folder/venv/bin/python" - <<'PYTHON'
from datetime import date
from importlib.metadata import version

import mt940

STATEMENT = """{1:F01BANKNL2AXXXX0000000000}{2:I940BANKNL2AXXXXN}{4:
:20:STATEMENT1
:25:NL91ABNA0417164300
:28C:1/1
:60F:C251231EUR1000,00
:61:2512310102C10,00NTRFNONREF
:61:2601021231D5,00NTRFNONREF
:62F:C260102EUR1005,00
-}
"""
with open("statement.txt", "w") as file:
    file.write(STATEMENT)

entries = mt940.MT940("statement.txt").statements[0].transactions
seen = [(str(entry.date), str(entry.booking)) for entry in entries]


def nearest(value, booking):
    years = (value.year - 1, value.year, value.year + 1)
    return min((booking.replace(year=year) for year in years), key=lambda day: abs(day - value))


careful = [(str(entry.date), str(nearest(entry.date, entry.booking))) for entry in entries]
print(f"mt940 {version('mt940')}: (value date, booking date) of two entries around New Year")
print(f"seen: {seen}")
print(f"expected: {careful}")
print("what we do: the year of the booking is set by the nearest date")
assert seen == [("2025-12-31", "2025-01-02"), ("2026-01-02", "2026-12-31")], "the behaviour changed"
assert careful == [("2025-12-31", "2026-01-02"), ("2026-01-02", "2025-12-31")], "the way out no longer works"
assert date(2026, 1, 2) == nearest(date(2025, 12, 31), date(2025, 1, 2))
PYTHON
