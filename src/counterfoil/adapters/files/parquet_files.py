"""Read Parquet files as batches of native types with the record number of every row, the first being 1."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from counterfoil.adapters.files.unreadable_text import without_unreadable
from counterfoil.domain.arrays import Flags
from counterfoil.domain.intake.mapping_model import SourceMapping
from counterfoil.domain.intake.raw import RawBatch, printable
from counterfoil.domain.schemas import REJECTED
from counterfoil.errors import InputFileError

ROWS = 65_536


def columns(path: Path) -> list[str]:
    """Return the names of the columns; in structs `a.b`. Raises InputFileError if the file is no Parquet."""
    with _opened(path) as file:
        own = [str(name) for name in file.schema_arrow.names]
        return [*own, *(name for name in _names(file.schema_arrow) if name not in own)]


def batches(path: Path, mapping: SourceMapping) -> Iterator[RawBatch]:
    """Yield the rows of a file whose columns are known to fit the mapping. Raises InputFileError."""
    wanted = list(mapping.source_columns)
    first = 1
    with _opened(path) as file:
        for batch in file.iter_batches(batch_size=ROWS, columns=wanted):
            table = pa.table({name: _without_view(_with_uuids_as_text(_cells(batch, name))) for name in wanted})
            lines = pa.array(np.arange(first, first + table.num_rows), pa.int64())
            first += table.num_rows
            unreadable = {name: rows for name in wanted if (rows := _no_text(table[name].combine_chunks())) is not None}
            raw = RawBatch(table, lines, REJECTED.empty_table(), printable(path.name))
            good = without_unreadable(raw, unreadable)
            yield replace(good, table=_as_text(good.table))
        if first - 1 != file.metadata.num_rows:  # Arrow reads fewer from some damaged footers, and says nothing
            raise _damaged(path)


def _names(fields: Iterable[pa.Field], before: str = "") -> Iterator[str]:
    for field in fields:
        yield before + field.name
        if pa.types.is_struct(field.type):
            yield from _names(field.type, f"{before}{field.name}.")


def _cells(batch: pa.RecordBatch, name: str) -> pa.Array:
    """The cells of a column, or those of a field in a struct by its dotted name; null where the struct is."""
    if name in batch.schema.names:
        return batch.column(name)
    first, _, rest = name.partition(".")
    while first not in batch.schema.names:
        more, _, rest = rest.partition(".")
        first = f"{first}.{more}"
    cells = batch.column(first)
    while rest:
        inner = {field.name for field in cells.type}
        part = next(name for name in sorted(inner, key=len, reverse=True) if f"{rest}.".startswith(f"{name}."))
        cells, rest = pc.struct_field(cells, [part]), rest.removeprefix(part).removeprefix(".")
    return cells


def _without_view(cells: pa.Array) -> pa.Array:
    """Make bytes of views, which few functions know; whether these are text is looked at after."""
    is_view = pa.types.is_string_view(cells.type) or pa.types.is_binary_view(cells.type)
    return pc.cast(cells, pa.large_binary()) if is_view else cells


def _with_uuids_as_text(cells: pa.Array) -> pa.Array:
    """Write UUIDs, which are kept as 16 bytes, as everybody writes them."""
    if not isinstance(cells.type, pa.UuidType):
        return cells
    return pa.array(
        [None if cell is None else str(UUID(bytes=cell)) for cell in cells.storage.to_pylist()], pa.string()
    )


def _is_binary(kind: pa.DataType) -> bool:
    """Text whose writer did not say that it is text, as Impala and old Spark do."""
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind))


def _as_text(table: pa.Table) -> pa.Table:
    """Make texts of binary columns."""
    for place, field in enumerate(table.schema):
        if _is_binary(field.type):
            binary = pc.cast(table[field.name], pa.large_binary())
            table = table.set_column(place, field.name, pc.cast(binary, pa.large_string()))
    return table


def _no_text(cells: pa.Array) -> Flags | None:
    """Which cells of a column of text are none (a writer may have put any bytes there); None if all are."""
    kind = cells.type
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    if not is_text and not _is_binary(kind):
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
