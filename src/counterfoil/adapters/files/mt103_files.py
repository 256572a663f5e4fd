"""Read MT103 messages: one row a message, numbered by the line of its first field."""

from collections.abc import Iterator

from counterfoil.adapters.files.parts import Part
from counterfoil.adapters.files.record_batches import Gathered
from counterfoil.adapters.files.swift_fields import batches_of
from counterfoil.domain.intake import mt103
from counterfoil.domain.intake.mapping_model import FileFormat, SourceMapping
from counterfoil.domain.intake.raw import BadRecordError, RawBatch
from counterfoil.domain.intake.swift import Message, SwiftField


def columns(part: Part, style: FileFormat) -> list[str]:  # noqa: ARG001
    """Return the columns that a message can have, whatever is in this file."""
    return list(mt103.COLUMNS)


def batches(part: Part, mapping: SourceMapping) -> Iterator[RawBatch]:
    """Yield the messages of a file, each with its blocks or beginning with field 20. Raises InputFileError for none."""
    nothing = "no MT103: no line begins with a field such as :32A:"
    yield from batches_of(part, _Messages(mapping, Gathered(part, mapping)), mapping.file.encoding, nothing)


class _Messages:
    def __init__(self, mapping: SourceMapping, gathered: Gathered) -> None:
        self.gathered = gathered
        self.found = False
        self._columns = mapping.source_columns
        self._blocks: Message | None = None
        self._open: mt103.Transfer | None = None

    def tell(self, known: Message | SwiftField) -> None:
        """Take in what comes next in the file."""
        if isinstance(known, Message):
            self.end()
            self._blocks = known
            return
        if self._open is not None and known.tag == mt103.BEGINS and self._open.has_begun:
            self.end()
        if self._open is None:
            self._open = mt103.Transfer(known.line)
            self.found = True
            if self._blocks is not None:
                self._open.begin(self._blocks.blocks)
                self._blocks = None
        self._open.tell(known)

    def end(self) -> None:
        """Take in the message that is open, if one is."""
        message, self._open = self._open, None
        if message is None:
            return
        try:
            self.gathered.add(message.line, message.cells(self._columns))
        except BadRecordError as why:
            self.gathered.refuse(message.line, why)
