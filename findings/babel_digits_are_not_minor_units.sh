#!/usr/bin/env bash
# Babel 2.18.0 beside iso4217 1.16: the digits of a currency are those that people write, not those of its minor unit.
# Seen: Babel gives 0 digits for thirteen currencies that have 2 or 3 in ISO 4217, as IQD (3) and RSD, ALL, LBP (2).
# HUF, often named as the example, agrees by now.
# Expected: the exponent of ISO 4217, which card networks and ISO 8583 use for amounts without a point. With Babel's
# digits 1234567 of IQD is a payment of 1,234,567 and not of 1,234.567.
# What we do: we keep four decimals for every currency and derive no scale from its code. Who makes our files from
# amounts in minor units should take the exponents of ISO 4217.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet babel==2.18.0 iso4217==1.16.20260101
cd "$folder"

"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

from babel.numbers import get_currency_precision
from iso4217 import Currency

standard = {currency.code: currency.exponent for currency in Currency if currency.exponent is not None}
differ = {code: (digits, get_currency_precision(code)) for code, digits in standard.items()}
differ = {code: both for code, both in sorted(differ.items()) if both[0] != both[1]}

print(f"Babel {version('babel')}, iso4217 {version('iso4217')}: digits after the point")
print(f"seen: {len(differ)} currencies differ (ISO 4217, Babel): {differ}")
print("expected: the same digits, or a name that says that they are for display")
print("what we do: four decimals for every currency; exponents come from ISO 4217 where an amount has no point")
assert len(differ) == 13 and differ["IQD"] == (3, 0) and differ["RSD"] == (2, 0), "the behaviour changed"
assert get_currency_precision("HUF") == standard["HUF"] == 2, "the behaviour changed"
PYTHON
