"""Count the records of a CSV file: the rows that Arrow reads, and those that have more or fewer cells than the header.

A row whose cells beyond the header's names are all empty loses nothing without them, so it is read.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from counterfoil.adapters.files.csv_layout import SURPLUS, Layout
from counterfoil.adapters.files.csv_quotes import UNCLOSED
from counterfoil.adapters.files.parts import Part
from counterfoil.adapters.files.physical_lines import PhysicalLines
from counterfoil.domain.arrays import Integers, mask_of
from counterfoil.domain.intake.cleaning import rejections
from counterfoil.domain.intake.mapping_model import FileFormat
from counterfoil.domain.intake.raw import RawBatch

_HEADER_LINE = 1
_RAGGED = "ragged_row"
_QUOTE_UNCLOSED = (
    "quote_unclosed",
    'a quoted value is never closed: the line is cut off, or write file.quote = "" if the writer never quotes',
)
_MOST_CELL = 64 << 20
"""More than a record may have; Python's own limit of a cell is smaller."""


@dataclass
class Records:
    """Which records have been seen: the next one's number, and those not yet told that have another width."""

    part: Part
    layout: Layout
    wanted: Sequence[str]
    next_number: int = field(init=False)
    before: int = field(init=False)
    """Lines above the header of the table, which Arrow does not see."""
    ragged: dict[int, tuple[str, str]] = field(default_factory=dict)
    fitted: dict[int, list[str]] = field(default_factory=dict)
    """Rows that have all named cells, and only empty ones beyond."""
    physical: PhysicalLines = field(init=False)

    def __post_init__(self) -> None:
        self.next_number = self.layout.first_record
        self.physical = PhysicalLines(self.next_number - 1, self.layout.header_line)
        self.before = self.next_number - _HEADER_LINE - 1

    def on_ragged(self, row: pacsv.InvalidRow) -> str:
        """Take the row that Arrow cannot, and have it go on."""
        number = row.number + self.before
        if row.text == UNCLOSED:
            self.ragged[number] = _QUOTE_UNCLOSED
            return "skip"
        cells = self._named_cells(row.text)
        if cells is None:
            self.ragged[number] = (_RAGGED, f"expected {row.expected_columns} columns, got {row.actual_columns}")
        else:
            self.fitted[number] = cells
        return "skip"

    def batch(self, rows: pa.Table) -> RawBatch:
        """Return the next rows that Arrow read, with the others among them."""
        # Arrow parses a block before it hands it over, so every other record before these rows is known.
        others = [*self.ragged, *self.fitted]
        span = np.arange(self.next_number, self.next_number + len(rows) + len(others))
        numbers = span[~np.isin(span, others)][: len(rows)]
        if not len(rows):
            return self._with_others(rows, numbers, 0)
        self.next_number = int(numbers[-1]) + 1
        return self._with_others(rows, numbers, int(numbers[-1]))

    def rest(self) -> Iterator[RawBatch]:
        """Yield the records after the last row that Arrow read, if there are any."""
        last = max([*self.ragged, *self.fitted], default=None)
        if last is not None:
            nothing = pa.table({name: pa.array([], pa.string()) for name in self.wanted})
            yield self._with_others(nothing, np.array([], np.int64), last)

    def _with_others(self, rows: pa.Table, numbers: Integers, last: int) -> RawBatch:
        fitted, ragged = (
            sorted(number for number in others if number <= last) for others in (self.fitted, self.ragged)
        )
        every = np.sort(np.concatenate([numbers, fitted, ragged]).astype(np.int64))
        lines = self.physical.of(every)
        if fitted:
            rows = pa.concat_tables([rows, self._table([self.fitted.pop(number) for number in fitted])])
            numbers = np.concatenate([numbers, fitted])
            order = np.argsort(numbers)
            rows, numbers = rows.take(pa.array(order)), numbers[order]
        return RawBatch(
            rows,
            pa.array(lines[np.isin(every, numbers)], pa.int64()),
            self._refused(ragged, lines[np.isin(every, ragged)]),
            self.part.source,
            self.part.member,
            pa.array(numbers, pa.int64()),
        )

    def _refused(self, ragged: list[int], lines: Integers) -> pa.Table:
        why = [self.ragged.pop(number) for number in ragged]
        return rejections(
            self.part.source,
            pa.array(lines, pa.int64()),
            pa.array([reason for reason, _ in why], pa.string()),
            pa.array([message for _, message in why], pa.string()),
        )

    def _named_cells(self, text: str) -> list[str] | None:
        """The cells of a row that have a name; None if one is missing, or a cell beyond them holds something."""
        style = self.layout.style
        cells = _quoted_cells(text, style) if style.may_quote else text.split(style.delimiter)
        named = len(self.layout.names) - len(self.layout.surplus)
        return cells[:named] if len(cells) >= named and not any(cells[named:]) else None

    def _table(self, rows: list[list[str]]) -> pa.Table:
        nulls = self.layout.style.null_values
        columns = {}
        for name in self.wanted:
            place = None if name.startswith(SURPLUS) else self.layout.names.index(name)
            cells = ["" if place is None else row[place] for row in rows]
            columns[name] = pa.array([None if cell in nulls else cell for cell in cells], pa.string())
        return pa.table(columns)


def _quoted_cells(text: str, style: FileFormat) -> list[str]:
    before = csv.field_size_limit(_MOST_CELL)
    try:
        return next(csv.reader([text], delimiter=style.delimiter, quotechar=style.quote or '"'), [])
    finally:
        csv.field_size_limit(before)


def without_longer(batch: RawBatch, surplus: tuple[str, ...]) -> RawBatch:
    """Take out the columns without a name, and the rows that have something there."""
    filled = [mask_of(pc.not_equal(batch.table[name].combine_chunks(), "")) for name in surplus]
    longer = pa.array(np.logical_or.reduce(filled))
    message = "the row has a cell for which the header has no name"
    lines = batch.lines.filter(longer)
    reasons = [pa.repeat(pa.scalar(text, pa.string()), len(lines)) for text in (_RAGGED, message)]
    refused = pa.concat_tables([batch.rejected, rejections(batch.source, lines, *reasons)])
    kept = batch.only(pc.invert(longer), refused.combine_chunks().sort_by("source_line"))
    return replace(kept, table=kept.table.drop_columns(list(surplus)))
