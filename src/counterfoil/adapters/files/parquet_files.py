"""Read Parquet files as batches of native types with the record number of every row, the first being 1."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from counterfoil.adapters.files.unreadable_text import without_unreadable
from counterfoil.domain.arrays import Flags
from counterfoil.domain.intake.mapping_model import SourceMapping
from counterfoil.domain.intake.raw import RawBatch, printable
from counterfoil.domain.schemas import REJECTED
from counterfoil.errors import InputFileError

ROWS = 65_536


def columns(path: Path) -> list[str]:
    """Return the names of the top-level columns. Raises InputFileError if the file is no Parquet."""
    with _opened(path) as file:
        return [str(name) for name in file.schema_arrow.names]


def batches(path: Path, mapping: SourceMapping) -> Iterator[RawBatch]:
    """Yield the rows of a file whose columns are known to fit the mapping. Raises InputFileError."""
    wanted = list(mapping.source_columns)
    first = 1
    with _opened(path) as file:
        for batch in file.iter_batches(batch_size=ROWS, columns=wanted):
            table = pa.Table.from_batches([batch]).select(wanted)
            lines = pa.array(np.arange(first, first + table.num_rows), pa.int64())
            first += table.num_rows
            unreadable = {name: rows for name in wanted if (rows := _no_text(batch.column(name))) is not None}
            yield without_unreadable(RawBatch(table, lines, REJECTED.empty_table(), printable(path.name)), unreadable)
        if first - 1 != file.metadata.num_rows:  # Arrow reads fewer from some damaged footers, and says nothing
            raise _damaged(path)


def _no_text(cells: pa.Array) -> Flags | None:
    """Which cells of a column of text are none (a writer may have put any bytes there); None if all are."""
    if not (pa.types.is_string(cells.type) or pa.types.is_large_string(cells.type)):
        return None
    raw = cells.cast(pa.large_binary())
    try:
        raw.cast(pa.large_string())
    except pa.ArrowInvalid:
        return np.array([not _is_text(cell) for cell in raw.to_pylist()], dtype=np.bool_)
    return None


def _is_text(cell: bytes | None) -> bool:
    try:
        if cell is not None:
            cell.decode()
    except UnicodeDecodeError:
        return False
    return True


@contextmanager
def _opened(path: Path) -> Iterator[pq.ParquetFile]:
    try:
        # Old writers' INT96 holds any day; as nanoseconds, which Arrow takes by default, 1515 becomes 2099.
        with pq.ParquetFile(path, coerce_int96_timestamp_unit="us") as file:
            yield file
    except FileNotFoundError:
        raise InputFileError(f"{printable(str(path))} does not exist") from None
    except (pa.ArrowException, OSError, ValueError, LookupError, OverflowError):  # a damaged schema raises any
        raise _damaged(path) from None


def _damaged(path: Path) -> InputFileError:
    return InputFileError(
        f"{printable(str(path))} cannot be read as Parquet: it is cut off, damaged or another format (file.format)"
    )
