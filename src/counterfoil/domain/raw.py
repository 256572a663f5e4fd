"""Rows as a reader found them, before anything is made of them."""

from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True)
class RawBatch:
    """Some consecutive records of an input file.

    `table` has the source columns of the mapping (text from CSV, native types from Parquet); `lines` (int64)
    is the record number of each row; `rejected` (schemas.REJECTED) are the records that were no rows.
    """

    table: pa.Table
    lines: pa.Array
    rejected: pa.Table

    @property
    def records(self) -> int:
        """How many records of the file are accounted for here."""
        return int(self.table.num_rows) + int(self.rejected.num_rows)
