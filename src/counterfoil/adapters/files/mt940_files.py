"""Read MT940 statements, and MT942 interim reports: one row an entry (field 61), numbered by the line where it begins.

Our own, since no public reader was found that gives right signs and dates, costs an entry by itself that is bad, and
holds no whole file.
"""

from collections.abc import Iterator

from counterfoil.adapters.files.parts import Part
from counterfoil.adapters.files.record_batches import Gathered
from counterfoil.adapters.files.swift_fields import batches_of
from counterfoil.domain.intake import mt940
from counterfoil.domain.intake.mapping_model import FileFormat, SourceMapping
from counterfoil.domain.intake.raw import BadRecordError, RawBatch
from counterfoil.domain.intake.swift import Message, SwiftField

_STATEMENT_BEGINS = "20"
_OF_STATEMENTS = ("20", "60F", "60M")
_WITH_REPORTS = "mt942"


def columns(part: Part, style: FileFormat) -> list[str]:  # noqa: ARG001
    """Return the columns that an entry can have, whatever is in this file."""
    return list(mt940.COLUMNS)


def batches(part: Part, mapping: SourceMapping) -> Iterator[RawBatch]:
    """Yield the entries of all statements of a file. Raises InputFileError if it holds none of their fields."""
    nothing = "no MT940 statement: no line begins with :20:, :60F: or :61:"
    yield from batches_of(part, _Entries(mapping, Gathered(part, mapping)), mapping.file.encoding, nothing)


class _Entries:
    def __init__(self, mapping: SourceMapping, gathered: Gathered) -> None:
        self.gathered = gathered
        self.found = False
        self._columns = mapping.source_columns
        self._with_reports = mapping.file.format == _WITH_REPORTS
        self._statement = mt940.Statement()
        self._entry: SwiftField | None = None

    def tell(self, known: SwiftField | Message) -> None:
        """Take in the next field of the file."""
        if isinstance(known, SwiftField) and known.tag == "86" and self._entry is not None:
            self.end(known)
            return
        self.end()
        if isinstance(known, Message):
            self._statement = mt940.Statement()
        elif known.tag == "61":
            self._entry = known
            self.found = True
        else:
            self._begin_or_go_on(known)

    def _begin_or_go_on(self, known: SwiftField) -> None:
        self.found = self.found or known.tag in _OF_STATEMENTS
        if known.tag == _STATEMENT_BEGINS:
            self._statement = mt940.Statement()
        self._statement.tell(known)

    def end(self, information: SwiftField | None = None) -> None:
        """Book the entry that is open, if one is."""
        entry, self._entry = self._entry, None
        if entry is None:
            return
        try:
            cells = mt940.entry_cells(
                self._statement, entry, information, self._columns, with_reports=self._with_reports
            )
            self.gathered.add(entry.line, cells)
        except BadRecordError as why:
            self.gathered.refuse(entry.line, why)
