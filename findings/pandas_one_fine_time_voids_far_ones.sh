#!/usr/bin/env bash
# pandas 3.1.1: one cell with nine decimals of a second makes far times of its whole column NaT, without a word.
# Seen: pandas 3 reads a column in microseconds, years to 9999 included. One cell with nanoseconds among them takes the column
# to datetime64[ns], which ends in 2262. With errors="coerce" every later time becomes NaT: a card valid until 2500, or
# 9999-12-31 for "open", is voided by another row, and is read again when that row is elsewhere.
# Expected: coerce voids a cell for what the cell holds, and a cell's value does not depend on its neighbours.
# Without coerce the column raises OutOfBoundsDatetime and names the far time, not the cell that narrowed the range.
# It meets whoever reads payments in batches: the same row is read in one batch and void in the next.
# What we do: digits finer than microseconds are cut off before the column is read (domain/intake/parsing_times.py).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pandas==3.1.1 numpy==2.4.6
cd "$folder"

"$folder/venv/bin/python" - <<'PYTHON'
import pandas as pd

coarse = ["2026-01-02T03:04:05Z", "2500-01-01T00:00:00Z", "9999-12-31T00:00:00Z"]
fine = "2026-01-02T03:04:05.123456789Z"


def read(cells: list[str]) -> pd.Series:
    return pd.to_datetime(pd.Series(cells), format="ISO8601", errors="coerce", utc=True)


alone, beside = read(coarse), read([*coarse, fine])
print(f"pandas {pd.__version__}")
print(f"three coarse times: {alone.dtype}, void: {int(alone.isna().sum())}")
print(f"the same beside one with nanoseconds: {beside.dtype}, void: {int(beside[:3].isna().sum())}")
assert alone.dtype == "datetime64[us, UTC]" and not alone.isna().any(), "the behaviour changed"
assert beside.dtype == "datetime64[ns, UTC]" and list(beside.isna()) == [False, True, True, False], "the behaviour changed"
PYTHON
