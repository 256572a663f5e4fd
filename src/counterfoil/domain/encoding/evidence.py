"""Which columns of an evidence table are used, and how they are read as arrays."""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import pyarrow as pa

from counterfoil.domain.arrays import Doubles
from counterfoil.domain.features.columns import CYCLES
from counterfoil.errors import MissingEvidenceError


@dataclass(frozen=True)
class EvidenceSchema:
    """Names of the evidence columns, by kind."""

    numeric: tuple[str, ...]
    categorical: tuple[str, ...] = ()
    textual: tuple[str, ...] = ()
    cyclic: tuple[str, ...] = CYCLES

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """All columns, each once."""
        return tuple(dict.fromkeys((*self.numeric, *self.cyclic, *self.categorical, *self.textual)))

    @cached_property
    def _needed(self) -> frozenset[str]:
        return frozenset(self.columns)

    def require(self, table: pa.Table) -> None:
        """Raise MissingEvidenceError, with all missing names, unless `table` has every column."""
        there = table.column_names
        if not self._needed.issubset(there):
            missing = [name for name in self.columns if name not in there]
            raise MissingEvidenceError(
                f"evidence is missing {', '.join(missing)} (columns: {', '.join(table.column_names)});"
                " build features with the mapping and specs of this release"
            )


def numbers(table: pa.Table, names: tuple[str, ...]) -> Doubles:
    """Columns as float64 of shape (rows, names); missing values and infinities are NaN."""
    chosen = table.select(list(names))
    if not chosen.schema.equals(_of_doubles(names)):
        chosen = chosen.cast(_of_doubles(names))
    matrix = np.empty((table.num_rows, len(names)), dtype=np.float64)
    start = 0
    for batch in chosen.to_batches() if names else []:
        matrix[start : start + batch.num_rows] = batch.to_tensor(null_to_nan=True).to_numpy()
        start += batch.num_rows
    matrix[~np.isfinite(matrix)] = np.nan
    return matrix


@lru_cache(maxsize=64)
def _of_doubles(names: tuple[str, ...]) -> pa.Schema:
    return pa.schema([pa.field(name, pa.float64()) for name in names])


def strings(table: pa.Table, name: str) -> np.ndarray:
    """A text column as an object array; missing values are None."""
    column = table.column(name)
    texts = column if column.type == pa.string() else column.cast(pa.string())
    return np.asarray(texts.to_numpy(zero_copy_only=False), dtype=object)
