"""Let rows with bytes that are no text join the rejected ones."""

from collections.abc import Callable, Mapping

import numpy as np
import pyarrow as pa

from counterfoil.domain.arrays import Flags
from counterfoil.domain.intake.cleaning import rejections
from counterfoil.domain.intake.raw import BYTES_UNREADABLE, RawBatch

NO_TEXT = "bytes that are no text"


def without_unreadable(
    batch: RawBatch, unreadable: Mapping[str, Flags], what: Callable[[str, int], str] = lambda _name, _row: NO_TEXT
) -> RawBatch:
    """Return the batch without the rows whose cell in some column is marked as no text.

    `what` says of a column and a row position what its cell holds instead.
    """
    messages = np.full(batch.table.num_rows, "", dtype=object)
    for name, rows in unreadable.items():
        for row in np.flatnonzero(rows):
            messages[row] = f"column {name!r} holds {what(name, int(row))}"
    wrong = messages != ""
    if not wrong.any():
        return batch
    refused = rejections(
        batch.source,
        batch.lines.filter(pa.array(wrong)),
        pa.repeat(pa.scalar(BYTES_UNREADABLE), int(wrong.sum())),
        pa.array(messages[wrong], pa.string()),
    )
    rejected = pa.concat_tables([batch.rejected, refused]).combine_chunks().sort_by("source_line")
    return batch.only(pa.array(~wrong), rejected)
