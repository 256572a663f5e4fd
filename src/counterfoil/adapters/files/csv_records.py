"""Count the records of a CSV file as Arrow hands them over: their numbers, their lines, and those that are no rows."""

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

from counterfoil.adapters.files.csv_quotes import UNCLOSED
from counterfoil.adapters.files.parts import Part
from counterfoil.adapters.files.physical_lines import PhysicalLines
from counterfoil.domain.arrays import Integers
from counterfoil.domain.intake.cleaning import rejections

_HEADER_LINE = 1
_QUOTE_UNCLOSED = (
    "quote_unclosed",
    'a quoted value is never closed: the line is cut off, or write file.quote = "" if the writer never quotes',
)


@dataclass
class CsvRecords:
    """Which records have been seen: the next one's number, and the ragged ones that were not yet reported."""

    part: Part
    next_number: int
    physical: PhysicalLines
    good: int = 0
    before: int = 0
    """Lines above the header of the table, which Arrow does not see."""
    ragged: dict[int, tuple[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.before = self.next_number - _HEADER_LINE - 1

    def on_ragged(self, row: pacsv.InvalidRow) -> str:
        """Note a record with another number of cells than the header; Arrow leaves it out."""
        number = row.number + self.before
        if row.text == UNCLOSED:
            self.ragged[number] = _QUOTE_UNCLOSED
        else:
            message = f"expected {row.expected_columns} columns, got {row.actual_columns}"
            self.ragged[number] = ("ragged_row", message)
        return "skip"

    def take(self, rows: int) -> tuple[pa.Array, pa.Array, pa.Table]:
        """Return the record numbers and the lines of the next good rows, and the ragged records among them."""
        # Arrow parses a block before it hands it over, so every ragged record before these rows is known.
        span = np.arange(self.next_number, self.next_number + rows + len(self.ragged))
        numbers = span[~np.isin(span, list(self.ragged))][:rows]
        last = int(numbers[-1]) if rows else self.next_number - 1
        places, why = self._ragged_up_to(last)
        lines = self.physical.of(span[: rows + len(places)])
        ragged = np.isin(span[: len(lines)], places)
        self.next_number = last + 1
        self.good += rows
        return pa.array(numbers, pa.int64()), pa.array(lines[~ragged], pa.int64()), self._refused(lines[ragged], why)

    def rest(self) -> pa.Table:
        """Return the ragged records after the last good row."""
        places, why = self._ragged_up_to(None)
        return self._refused(self.physical.of(np.array(places, dtype=np.int64)), why)

    def _ragged_up_to(self, last: int | None) -> tuple[list[int], list[tuple[str, str]]]:
        """Take out the ragged records up to a number (None: all)."""
        taken = sorted(number for number in self.ragged if last is None or number <= last)
        return taken, [self.ragged.pop(number) for number in taken]

    def _refused(self, lines: Integers, why: list[tuple[str, str]]) -> pa.Table:
        return rejections(
            self.part.source,
            pa.array(lines, pa.int64()),
            pa.array([reason for reason, _ in why], pa.string()),
            pa.array([message for _, message in why], pa.string()),
        )
