"""Names for the array types that the domain passes around."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Labels = npt.NDArray[np.int8]
Flags = npt.NDArray[np.bool_]


def mask_of(values: pa.Array) -> Flags:
    """Return a Boolean Arrow array as numpy; null counts as false."""
    known = pc.fill_null(values, False) if values.null_count else values
    return np.asarray(known.to_numpy(zero_copy_only=False), dtype=np.bool_)


def rows_of(table: pa.Table) -> list[dict[str, Any]]:
    """Return the rows as `Table.to_pylist` does, column by column: value by value takes several times as long."""
    names = table.column_names
    columns = [values_of(column) for column in table.itercolumns()]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def values_of(column: pa.ChunkedArray | pa.Array) -> list[Any]:
    """Return the values as `Array.to_pylist` does; numbers and texts all at once."""
    if column.null_count == len(column):
        return [None] * len(column)
    is_number = pa.types.is_floating(column.type) or pa.types.is_integer(column.type)
    if not (pa.types.is_string(column.type) or (is_number and not column.null_count)):
        return list(column.to_pylist())
    return list(_whole(column).to_numpy(zero_copy_only=False).tolist())


def _whole(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    if not isinstance(column, pa.ChunkedArray):
        return column
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def which_hold(texts: pa.Array, piece: str) -> Flags:
    """Which texts hold a piece (one character or more); a null holds none.

    It looks through the bytes of all texts at once first: hardly a column holds what is looked for here.
    """
    return which_hold_any(texts, (piece,))


def which_hold_any(texts: pa.Array, pieces: Sequence[str]) -> Flags:
    """Which texts hold one of some pieces, as `which_hold` says it of one."""
    found = np.zeros(len(texts), dtype=np.bool_)
    if is_empty(texts):
        return found
    whole = bytes_of(texts)
    for piece in pieces:
        if piece.encode() in whole:
            found |= mask_of(pc.match_substring(texts, piece))
    return found


def is_empty(texts: pa.Array) -> bool:
    """Whether an array is one of texts and has none: what a payment that comes by itself leaves out is most columns."""
    return bool(texts.null_count == len(texts) and pa.types.is_string(texts.type))


def bytes_of(texts: pa.Array) -> bytes:
    """All texts (string or large_string) one after another, as UTF-8; what stands under nulls may be among them."""
    _, offsets, data = texts.buffers()
    if not len(texts) or data is None:
        return b""
    width = np.int64 if pa.types.is_large_string(texts.type) else np.int32
    ends = np.frombuffer(offsets, dtype=width)
    first, last = int(ends[texts.offset]), int(ends[texts.offset + len(texts)])
    return bytes(data.slice(first, last - first))


def unit_rows(matrix: Floats) -> Floats:
    """Scale each row to length 1; a row of zeros stays one."""
    lengths = np.sqrt(np.add.reduce(matrix * matrix, axis=1, keepdims=True))
    scaled: Floats = np.divide(matrix, lengths, out=np.zeros_like(matrix), where=lengths > 1e-12)
    return scaled


def frauds_and_first_good(labels: Labels, most: int) -> Integers:
    """Row positions, ascending, of all frauds and of the first `most` good payments.

    These are a fair sample where the rows' order has nothing to do with their content, as that of a hash.
    """
    return np.sort(np.concatenate([np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)[:most]]))


def last_of_runs(*keys: npt.NDArray[np.generic]) -> Integers:
    """Index of the last element of each run in which all of the equally long `keys` stay the same."""
    size = keys[0].size
    if size == 0:
        return np.empty(0, dtype=np.int64)
    changes = np.zeros(size - 1, dtype=bool)
    for key in keys:
        changes |= key[1:] != key[:-1]
    return np.append(np.flatnonzero(changes), size - 1)
