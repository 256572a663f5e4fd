"""Rows as a reader found them, before anything is made of them."""

from dataclasses import dataclass, replace

import pyarrow as pa

from counterfoil.domain.privacy.card_numbers import without_card_number

BYTES_UNREADABLE = "bytes_unreadable"
"""The reason code of rows with bytes that are no text in the encoding that the mapping says."""


@dataclass(frozen=True)
class RawBatch:
    """Some consecutive records of an input file.

    `table` has the source columns of the mapping (native types from Parquet, text from all others); `lines`
    (int64) is the record number of each row, or the line it begins on; `rejected` (schemas.REJECTED) are the records
    that were no rows. `source` is what the tables call the file; `member` is the file's name in its archive, if it is
    in one. `numbers` are the rows' record numbers where `lines` are others: ids are derived from them.
    """

    table: pa.Table
    lines: pa.Array
    rejected: pa.Table
    source: str
    member: str | None = None
    numbers: pa.Array | None = None

    def first(self, rows: int) -> "RawBatch":
        """Return the first rows at most, and all rejected records."""
        numbers = None if self.numbers is None else self.numbers.slice(0, rows)
        return replace(self, table=self.table.slice(0, rows), lines=self.lines.slice(0, rows), numbers=numbers)

    def only(self, rows: pa.Array, rejected: pa.Table) -> "RawBatch":
        """Return the rows that are true in `rows`, and `rejected` instead of the rejected records."""
        numbers = None if self.numbers is None else self.numbers.filter(rows)
        table, lines = self.table.filter(rows), self.lines.filter(rows)
        return replace(self, table=table, lines=lines, rejected=rejected, numbers=numbers)

    @property
    def records(self) -> int:
        """How many records of the file are accounted for here."""
        return int(self.table.num_rows) + int(self.rejected.num_rows)


def printable(name: str) -> str:
    """Return a file's name as it may be shown and kept: on one line, as valid text, card numbers in it cut down.

    What cannot be printed is written as its escape.
    """
    shown = without_card_number(name)
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape", "surrogatepass").decode() for sign in shown
    )


class BadRecordError(Exception):
    """A record that is no row. `reason` is a stable code; `message` quotes nothing of the record."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(reason, message)
        self.reason = reason
        self.message = message
