"""Records that are read one by one, gathered into batches of bounded size."""

from collections.abc import Sequence

import pyarrow as pa

from counterfoil.adapters.files.parts import Part
from counterfoil.domain.intake.cleaning import rejections
from counterfoil.domain.intake.mapping_model import SourceMapping
from counterfoil.domain.intake.raw import BadRecordError, RawBatch

ROWS = 16_384
_TEXT_LENGTH = 16 << 20


class Gathered:
    """The records of a part since the last batch, good and bad."""

    def __init__(self, part: Part, mapping: SourceMapping) -> None:
        self._part = part
        self._columns = mapping.source_columns
        self._nulls = set(mapping.file.null_values)
        self._clear()

    def add(self, line: int, texts: Sequence[str | None]) -> None:
        """Take in the texts of a record, in the order of the mapping's source columns."""
        self._lines.append(line)
        self._rows.append([None if text in self._nulls else text for text in texts])
        self._length += sum(map(len, filter(None, texts)))

    def refuse(self, line: int, why: BadRecordError) -> None:
        """Take in a record that is no row."""
        self._bad.append((line, why.reason, why.message))

    @property
    def is_full(self) -> bool:
        """Whether it is time to `take` the batch."""
        return len(self._rows) + len(self._bad) >= ROWS or self._length >= _TEXT_LENGTH

    def take(self) -> RawBatch:
        """Return what was gathered, and begin with nothing."""
        cells = list(zip(*self._rows, strict=True)) or [()] * len(self._columns)
        table = pa.table([pa.array(column, pa.string()) for column in cells], names=list(self._columns))
        lines, reasons, messages = zip(*self._bad, strict=True) if self._bad else ((), (), ())
        rejected = rejections(
            self._part.source,
            pa.array(lines, pa.int64()),
            pa.array(reasons, pa.string()),
            pa.array(messages, pa.string()),
        )
        batch = RawBatch(table, pa.array(self._lines, pa.int64()), rejected, self._part.source, self._part.member)
        self._clear()
        return batch

    def __len__(self) -> int:
        return len(self._rows) + len(self._bad)

    def _clear(self) -> None:
        self._lines: list[int] = []
        self._rows: list[list[str | None]] = []
        self._bad: list[tuple[int, str, str]] = []
        self._length = 0
