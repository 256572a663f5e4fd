"""Rows as a reader found them, before anything is made of them."""

from dataclasses import dataclass

import pyarrow as pa

from counterfoil.domain.privacy.card_numbers import without_card_number

BYTES_UNREADABLE = "bytes_unreadable"
"""The reason code of rows with bytes that are no text in the encoding that the mapping says."""


@dataclass(frozen=True)
class RawBatch:
    """Some consecutive records of an input file.

    `table` has the source columns of the mapping (native types from Parquet, text from all others); `lines`
    (int64) is the record number of each row; `rejected` (schemas.REJECTED) are the records that were no rows.
    `source` is what the tables call the file; `member` is the file's name in its archive, if it is in one.
    """

    table: pa.Table
    lines: pa.Array
    rejected: pa.Table
    source: str
    member: str | None = None

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
