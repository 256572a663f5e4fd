"""Fold more payments than fit in memory: deal them out by entity, fold each part, join the features by row.

The payments lie sorted in an Arrow file; a chunk is one of its batches. For each column that entities begin with,
a payment goes to the part that the hash of its value names, so that a part has all payments of its entities, and with
them all pairs. A part's features are kept by chunk, so that a chunk's evidence is put together from a piece of each.
"""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc as ipc
import pyarrow.parquet as pq

from counterfoil.domain.arrays import Integers
from counterfoil.domain.features import windows
from counterfoil.domain.features.columns import PASSED_ON
from counterfoil.domain.features.fold import behaviour_of, columns_of, passed_on
from counterfoil.domain.features.payments import Payments
from counterfoil.domain.features.spec import FeatureSpec
from counterfoil.steps.lake.ahead import ahead

ROWS_PER_PART = 262_144
MOST_PARTS = 200
"""Each is an open file; beyond 50 million payments a part has more rows."""
MOST_THREADS = 4
"""Each holds a part in memory."""
ROWS_AT_ONCE = 65_536
"""As many payments' evidence is put together at once."""
ROW_GROUP = 32_768
"""Rows of a row group of evidence: a period is a run of them, and all are in the order of time."""

WANTED = "wanted"
"""The column of the sorted file that says whether a payment's evidence is asked for."""

_SOUGHT = ("transaction_id", "event_time", "known_at")
"""The columns by which row groups of evidence are left out when it is read: the least and the greatest are kept."""

_ROW = "row"
_SPILL = ipc.IpcWriteOptions()


def parts_for(rows: int) -> int:
    """Into how many parts that many payments are dealt out."""
    return min(max(-(-rows // ROWS_PER_PART), 1), MOST_PARTS)


@dataclass(frozen=True)
class Partitions:
    """The evidence of payments that lie in `folder`, dealt out into `parts` parts for each column.

    What does not fit in memory is written to the folder too.
    """

    folder: Path
    parts: int
    specs: tuple[FeatureSpec, ...]
    label_delay: timedelta
    own_columns: tuple[str, ...]
    by_currency: bool

    @property
    def path(self) -> Path:
        """The Arrow file of the payments, with the columns of `columns`, in the order of time and id."""
        return self.folder / "sorted.arrow"

    def keep(self, payments: pa.RecordBatchReader) -> None:
        """Write `path`: a batch is a chunk, so none may be larger than ROWS_AT_ONCE."""
        with ipc.new_file(str(self.path), payments.schema, options=_SPILL) as writer:
            for batch in payments:
                writer.write_batch(batch)

    @contextmanager
    def _opened(self, columns: Sequence[str] | None = None) -> Iterator[pa.ipc.RecordBatchFileReader]:
        """The file of the payments, to read some of its columns, or all."""
        with pa.OSFile(str(self.path)) as source:
            file = ipc.open_file(source)
            if columns is None:
                yield file
            else:
                chosen = sorted(file.schema.get_field_index(name) for name in columns)
                yield ipc.open_file(source, options=ipc.IpcReadOptions(included_fields=chosen))

    def columns(self, wanted: str) -> str:
        """What `path` has of `transactions`, as SQL; the condition `wanted` says whose evidence is asked for."""
        read = columns_of(self.specs, by_currency=self.by_currency)
        names = dict.fromkeys([*PASSED_ON, "label_time", "amount", *self.own_columns, *read])
        del names["known_at"]
        parts = [
            f"CASE WHEN {name} IS NOT NULL THEN CAST(hash({name}) % {self.parts} AS INTEGER) END AS {_part_of(name)}"
            for name in self._first_columns
        ]
        return ", ".join([*names, *parts, f"{wanted} AS {WANTED}"])

    def write(self, target: Path) -> int:
        """Write the evidence of the payments that are wanted, in order, and return how many there are."""
        with self._opened() as payments:
            schema = self._joined(payments.schema.empty_table(), []).schema
        texts = [field.name for field in schema if pa.types.is_string(field.type)]
        layout = {
            "compression": "snappy",
            "use_dictionary": [name for name in texts if name != "transaction_id"],  # no two are alike
            "write_statistics": list(_SOUGHT),
        }
        rows = 0
        with pq.ParquetWriter(target, schema, **layout) as writer:
            for evidence in _gathered(ahead(self._chunks()), ROWS_AT_ONCE):
                writer.write_table(evidence, row_group_size=ROW_GROUP)
                rows += evidence.num_rows
        return rows

    def _chunks(self) -> Iterator[pa.Table]:
        """Each chunk's evidence. The first comes when all parts are folded."""
        with ThreadPoolExecutor(min(os.cpu_count() or 1, MOST_THREADS)) as pool:
            dealt = list(pool.map(self._deal, self._first_columns))
            folded = list(pool.map(self._fold, *zip(*(task for tasks in dealt for task in tasks), strict=True)))
        with ExitStack() as stack, self._opened() as payments:
            sources = [ipc.open_file(stack.enter_context(pa.OSFile(str(path)))) for path in folded]
            for chunk in range(len(self._starts) - 1):
                yield self._joined(_table(payments, chunk), [source.get_batch(chunk) for source in sources])

    @property
    def _first_columns(self) -> list[str]:
        """The columns that payments are dealt out by: a part has all payments of its entities."""
        return list(dict.fromkeys(spec.entity.columns[0] for spec in self.specs))

    @cached_property
    def _starts(self) -> Integers:
        """Where each chunk begins, and the last ends."""
        with pa.memory_map(str(self.path)) as source:  # of which only the batches' headers are read
            payments = ipc.open_file(source)
            sizes = [payments.get_batch(number).num_rows for number in range(payments.num_record_batches)]
        return np.cumsum([0, *sizes])

    def _of(self, column: str) -> dict[int, FeatureSpec]:
        return {n: spec for n, spec in enumerate(self.specs) if spec.entity.columns[0] == column}

    def _deal(self, column: str) -> list[tuple[str, Path]]:
        """Write the payments' parts by their value in `column`; return the column and the file of each."""
        columns = [*columns_of(tuple(self._of(column).values()), by_currency=self.by_currency), WANTED]
        paths = [self.folder / f"{column}-{part}.arrow" for part in range(self.parts)]
        with ExitStack() as stack, self._opened([*columns, _part_of(column)]) as payments:
            schema = pa.schema([*(payments.schema.field(name) for name in columns), pa.field(_ROW, pa.int64())])
            writers = [stack.enter_context(ipc.new_file(str(path), schema, options=_SPILL)) for path in paths]
            for chunk, start in enumerate(self._starts[:-1]):
                table = _table(payments, chunk)
                part = table[_part_of(column)].fill_null(-1).to_numpy().astype(np.int16)  # which numpy sorts by radix
                order = np.argsort(part, kind="stable")
                ends = np.searchsorted(part[order], np.arange(self.parts + 1))
                sorted_rows = table.select(columns).append_column(_ROW, pa.array(start + np.arange(len(part))))
                sorted_rows = sorted_rows.take(pa.array(order[ends[0] :]))
                for writer, first, end in zip(writers, ends[:-1], ends[1:], strict=True):
                    if end > first:
                        writer.write_table(sorted_rows.slice(first - ends[0], end - first))
        return [(column, path) for path in paths]

    def _fold(self, column: str, path: Path) -> Path:
        """Fold a part; write the features of what is wanted, one batch for each chunk, and return the new file."""
        with pa.OSFile(str(path)) as source:
            table = ipc.open_file(source).read_all()
        path.unlink()
        specs = self._of(column)
        wanted = table[WANTED].to_numpy()
        values = behaviour_of(
            Payments(table, self.label_delay), tuple(specs.values()), by_currency=self.by_currency, wanted=wanted
        )
        rows = table[_ROW].to_numpy()
        ends = np.searchsorted(rows, self._starts)
        folded = path.with_suffix(".folded")
        schema = pa.schema([(_ROW, pa.int32()), *((str(number), pa.float64()) for number in specs)])
        with ipc.new_file(str(folded), schema, options=_SPILL) as writer:
            for start, first, end in zip(self._starts, ends[:-1], ends[1:], strict=False):
                chosen = first + np.flatnonzero(wanted[first:end])
                places = pa.array((rows[chosen] - start).astype(np.int32))
                features = [pa.array(value[chosen]) for value in values]
                writer.write_batch(pa.record_batch([places, *features], schema=schema))
        return folded

    def _joined(self, payments: pa.Table, pieces: Sequence[pa.RecordBatch]) -> pa.Table:
        """A chunk's evidence, of its payments and of the parts' features for them."""
        values = np.full((len(self.specs), payments.num_rows), np.nan)
        for piece in pieces:
            rows = piece.column(0).to_numpy()
            for name, value in zip(piece.schema.names[1:], piece.columns[1:], strict=True):
                windows.put(rows, value.to_numpy(), values[int(name)])
        wanted = payments[WANTED]
        if not pc.all(wanted).as_py():
            payments, values = payments.filter(wanted), values[:, wanted.to_numpy()]
        columns = passed_on(payments, self.label_delay, self.own_columns)
        for spec, value in zip(self.specs, values, strict=True):
            columns[spec.name] = pa.array(value, from_pandas=True)
        return pa.table(columns)


def _table(payments: pa.ipc.RecordBatchFileReader, chunk: int) -> pa.Table:
    return pa.Table.from_batches([payments.get_batch(chunk)])


def _gathered(tables: Iterator[pa.Table], rows: int) -> Iterator[pa.Table]:
    """The same rows, in tables of at least so many; the last may have fewer."""
    held: list[pa.Table] = []
    for table in tables:
        held.append(table)
        if sum(each.num_rows for each in held) >= rows:
            yield pa.concat_tables(held)
            held = []
    if held:
        yield pa.concat_tables(held)


def _part_of(column: str) -> str:
    """The column that says which part a payment belongs to by its value in `column`; null: to none."""
    return f"part_of_{column}"
