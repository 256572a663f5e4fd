"""Reference sets: the labelled payments that are kept, as vectors."""

import hashlib
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from counterfoil.domain.schemas import MONEY, TIMESTAMP
from counterfoil.domain.scoring.overlay import OverlayReference

REFERENCE_FIELDS: tuple[pa.Field, ...] = (
    pa.field("reference_id", pa.string(), nullable=False),  # the transaction's id
    pa.field("label", pa.int8(), nullable=False),  # 1 fraud, 0 good
    pa.field("event_time", TIMESTAMP, nullable=False),
    pa.field("known_at", TIMESTAMP, nullable=False),
    pa.field("amount", MONEY),
    pa.field("currency", pa.string()),
    pa.field("merchant_id", pa.string()),
    pa.field("category", pa.string()),
)
"""What an analyst is shown of a precedent; `vector` (float32, unit length) comes after these columns."""


def reference_schema(dimensions: int) -> pa.Schema:
    """Schema of a reference table with vectors of `dimensions`."""
    vector = pa.field("vector", pa.list_(pa.float32(), dimensions), nullable=False)
    return pa.schema([*REFERENCE_FIELDS, vector])


def overlay_table(references: Sequence[OverlayReference], dimensions: int) -> pa.Table:
    """References of an overlay as a reference table, in their order."""
    columns = [pa.array([getattr(one, f.name) for one in references], f.type) for f in REFERENCE_FIELDS]
    stacked = np.concatenate([np.zeros(0, np.float32), *(one.vector for one in references)])
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(stacked, pa.float32()), dimensions)
    return pa.Table.from_arrays([*columns, vectors], schema=reference_schema(dimensions))


def vectors_of(references: pa.Table) -> np.ndarray:
    """Return the vectors as a float32 array of shape (rows, dimensions), without copying where possible."""
    column = references.column("vector").combine_chunks()
    width = column.type.list_size
    values = column.flatten().to_numpy(zero_copy_only=False)
    return np.asarray(values, dtype=np.float32).reshape(-1, width)


def in_canonical_order(references: pa.Table) -> pa.Table:
    """Frauds first, then by reference id: the order in which a base is stored, read and hashed."""
    return references.sort_by([("label", "descending"), ("reference_id", "ascending")])


def checksum(references: pa.Table) -> str:
    """SHA-256 (hex) of a reference table's content, whatever the order of its rows and chunks."""
    ordered = in_canonical_order(references).combine_chunks()
    digest = hashlib.sha256()
    for name in ("reference_id", "label", "event_time", "known_at"):
        column = ordered.column(name).cast(pa.string())
        digest.update("\x1f".join(column.to_pylist()).encode())
        digest.update(b"\x1e")
    digest.update(np.ascontiguousarray(vectors_of(ordered), dtype="<f4").tobytes())
    return digest.hexdigest()


def distinct_rows(vectors: np.ndarray) -> np.ndarray:
    """Positions of the first of each group of equal vectors (to about 1e-6), ascending."""
    mixer = np.random.default_rng(0).normal(size=(vectors.shape[1], 2))
    keys = np.round(vectors.astype(np.float64) @ mixer, 6)
    _, first = np.unique(keys, axis=0, return_index=True)
    return np.sort(first)


def condense(vectors: np.ndarray, size: int) -> np.ndarray:
    """Choose at most `size` good payments to keep: positions, ascending.

    Duplicates go first: they would only crowd the precedents. The rows are expected in an order that has
    nothing to do with their content (of a hash of their ids), so that the first `size` are a fair sample.
    """
    tried = 2 * size
    chosen = distinct_rows(vectors[:tried])
    while len(chosen) < size and tried < len(vectors):
        tried *= 2
        chosen = distinct_rows(vectors[:tried])
    return chosen[:size]


def reference_table(payments: pa.Table, vectors: np.ndarray) -> pa.Table:
    """References from evidence rows (`transaction_id`, `label`, ...) and their unit vectors, in canonical order."""
    flat = pa.array(np.ascontiguousarray(vectors, dtype=np.float32).reshape(-1))
    columns = [payments.column("transaction_id")]
    columns += [payments.column(field.name) for field in REFERENCE_FIELDS[1:]]
    columns += [pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])]
    schema = reference_schema(vectors.shape[1])
    cast = [column.cast(field.type) for column, field in zip(columns[:-1], schema, strict=False)]
    return in_canonical_order(pa.Table.from_arrays([*cast, columns[-1]], schema=schema))
