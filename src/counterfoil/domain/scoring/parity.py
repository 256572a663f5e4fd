"""Whether payments scored one by one have the evidence and the signal that the batch gives them."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from counterfoil.domain.arrays import Doubles, Flags

EVIDENCE_TOLERANCE = 1e-9
"""Sums of floats depend on their order; counts and whole numbers are equal or differ by one at least."""
SIGNAL_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Apart:
    """One column of two tables: in how many rows it differs, by how much at most, and a row where it does so.

    The largest difference is infinite where one side has no value; of texts it is 0.
    """

    name: str
    rows: int
    largest: float = 0.0
    example: str | None = None


def differences(one: pa.Table, other: pa.Table, tolerance: float = EVIDENCE_TOLERANCE) -> list[Apart]:
    """Compare the columns of `one` with those of `other`, which has the same rows in the same order.

    Both have `transaction_id`. Only columns that differ somewhere are returned, most rows first.
    """
    names = one["transaction_id"].to_pylist()
    if names != other["transaction_id"].to_pylist():
        raise ValueError("the two tables have other payments, or another order")
    found = [_compared(field, one[field.name], other[field.name], names, tolerance) for field in one.schema]
    return sorted((apart for apart in found if apart.rows), key=lambda apart: (-apart.rows, apart.name))


def _compared(field: pa.Field, one: pa.ChunkedArray, other: pa.ChunkedArray, names: list[str], limit: float) -> Apart:
    if not pa.types.is_floating(field.type):
        same = pc.fill_null(pc.equal(one, other), False).to_numpy()
        same |= pc.and_(pc.is_null(one), pc.is_null(other)).to_numpy()
        return _apart(field.name, ~same, np.zeros(len(names)), names)
    a, b = (np.asarray(column.to_numpy(zero_copy_only=False), np.float64) for column in (one, other))
    missing = np.isnan(a) ^ np.isnan(b)
    distance = np.where(missing, np.inf, np.nan_to_num(np.abs(a - b), nan=0.0, posinf=np.inf))
    allowed = limit * np.maximum(1.0, np.nan_to_num(np.maximum(np.abs(a), np.abs(b)), posinf=0.0))
    return _apart(field.name, distance > allowed, distance, names)


def _apart(name: str, differs: Flags, distance: Doubles, names: list[str]) -> Apart:
    places = np.flatnonzero(differs)
    if not len(places):
        return Apart(name, 0)
    worst = places[np.argmax(distance[places])]
    return Apart(name, len(places), float(distance[worst]), names[worst])
