"""Let rows with bytes that are no text join the rejected ones."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from counterfoil.domain.arrays import Flags
from counterfoil.domain.intake.cleaning import rejections
from counterfoil.domain.intake.raw import RawBatch


def without_unreadable(batch: RawBatch, unreadable: Mapping[str, Flags]) -> RawBatch:
    """Return the batch without the rows whose cell in some column is marked as no text."""
    messages = np.full(batch.table.num_rows, "", dtype=object)
    for name, rows in unreadable.items():
        messages[rows] = f"column {name!r} holds bytes that are no text"
    wrong = messages != ""
    if not wrong.any():
        return batch
    refused = rejections(
        batch.source,
        batch.lines.filter(pa.array(wrong)),
        pa.repeat(pa.scalar("bytes_unreadable"), int(wrong.sum())),
        pa.array(messages[wrong], pa.string()),
    )
    rejected = pa.concat_tables([batch.rejected, refused]).combine_chunks().sort_by("source_line")
    good = pa.array(~wrong)
    return RawBatch(batch.table.filter(good), batch.lines.filter(good), rejected, batch.source, batch.member)
