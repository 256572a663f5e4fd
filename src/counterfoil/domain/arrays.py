"""Names for the array types that the domain passes around."""

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
    return np.asarray(pc.fill_null(values, False).to_numpy(zero_copy_only=False), dtype=np.bool_)


def unit_rows(matrix: Floats) -> Floats:
    """Scale each row to length 1; a row of zeros stays one."""
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
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
