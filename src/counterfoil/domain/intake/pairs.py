"""Evidence that a mapping makes of two numbers of a payment: their difference, or their ratio."""

import pyarrow as pa
import pyarrow.compute as pc


def difference(first: pa.Array, second: pa.Array) -> pa.Array:
    """The first less the second as float64; null where one is null, or no float holds it."""
    return _finite(pc.subtract(_numbers(first), _numbers(second)))


def ratio(first: pa.Array, second: pa.Array) -> pa.Array:
    """The first over the second as float64; null where one is null, the second is 0, or no float holds it."""
    return _finite(pc.divide(_numbers(first), _numbers(second)))


def _numbers(column: pa.Array) -> pa.Array:
    return pc.cast(column, pa.float64())


def _finite(values: pa.Array) -> pa.Array:
    return pc.if_else(pc.is_finite(values), values, pa.scalar(None, pa.float64()))
