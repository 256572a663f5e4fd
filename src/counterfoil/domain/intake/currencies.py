"""How many digits a currency has after its point, by ISO 4217 itself (others give digits for display, which differ)."""

from collections.abc import Mapping
from functools import cache

import pyarrow as pa
import pyarrow.compute as pc


def digits_of(codes: pa.Array, own: Mapping[str, int]) -> pa.Array:
    """Return the digits of each currency (int32): `own` ones before those of ISO 4217, null where none are known."""
    encoded = codes.dictionary_encode()
    known = iso_digits() | dict(own)
    each = pa.array([known.get(code) for code in encoded.dictionary.to_pylist()], pa.int32())
    return each.take(encoded.indices)


@cache
def iso_digits() -> dict[str, int]:
    """ISO 4217 code -> digits, for the currencies that have any number of them (not: gold, test codes)."""
    from iso4217 import Currency  # reads its table when it is imported

    return {one.code: one.exponent for one in Currency if one.exponent is not None}


def all_whole_units(codes: pa.Array) -> bool:
    """Whether all these currencies have no digits after the point, so that whole amounts say nothing."""
    found = pc.unique(codes).drop_null().to_pylist()
    return bool(found) and all(iso_digits().get(code) == 0 for code in found)
