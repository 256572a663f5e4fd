"""Gather the bookings of ISO 20022 statements from what an XML parser meets on its way."""

from collections import Counter
from collections.abc import Mapping
from decimal import Decimal

from counterfoil.adapters.files.iso20022_handler import MessageHandler, Scope
from counterfoil.adapters.files.record_batches import Gathered
from counterfoil.domain.intake import camt
from counterfoil.domain.intake.mapping_model import SourceMapping
from counterfoil.domain.intake.raw import BadRecordError

MOST_DETAILS = 100_000
"""Transactions of one entry that are told one by one; an entry with more is one payment. They are held at once."""


class _Details:
    """The transactions of an entry that were met so far, and what they add to its account together."""

    def __init__(self) -> None:
        self.count = 0
        self.first: dict[str, str] = {}
        self.rows: list[list[str | None]] = []
        self.sum: Decimal | None = Decimal(0)
        self.entry_texts: int | None = None

    def are_all_of(self, amount: Decimal | None) -> bool:
        """Whether they are told one by one and make up the entry's amount."""
        return self.count > 1 and len(self.rows) == self.count and self.sum is not None and self.sum == amount


class Bookings(MessageHandler):
    """Adds a row at the end of each entry: one, or one for each of its transactions if they make up its amount."""

    def __init__(self, mapping: SourceMapping, gathered: Gathered) -> None:
        super().__init__(gathered)
        read = camt.READ_BY[mapping.file.format]
        self.read = {element: name for element, name in camt.MESSAGES.items() if name in read}
        self._one_by_one = mapping.file.format != camt.INTRADAY
        self._columns = mapping.source_columns
        self._batch_column = self._columns.index("batch") if "batch" in self._columns else None
        self._booking_column = self._columns.index("booking_id") if "booking_id" in self._columns else None
        self._begin()

    def _begin(self) -> None:
        self._path = ""
        self._outer: list[str] = []
        self._scopes = {path: Scope(camt.REPEATED) for path in camt.SCOPES}
        self._inside = [camt.HEADER]
        self._details = _Details()
        self._text: list[str] | None = None
        self._statements = self._entries = 0
        self._bookings: Counter[str] = Counter()

    def begin_message(self, element: str) -> None:  # noqa: ARG002
        """See MessageHandler."""
        self._begin()

    def enter(self, local: str, attrs: Mapping[str, str]) -> None:
        """See MessageHandler."""
        self._outer.append(self._path)
        self._path = f"{self._path}/{local}" if self._path else camt.STATEMENTS.get(local, local)
        if self._path in camt.SCOPES:
            self._enter_scope()
        self._text = [] if self._path in camt.WANTED else None
        if self._text is not None and "Ccy" in attrs and self._scope.has_room_for(attrs["Ccy"]):
            self._scope.keep(f"{self._path}/{camt.CURRENCY}", attrs["Ccy"])

    def _enter_scope(self) -> None:
        self._inside.append(self._path)
        self._scopes[self._path] = Scope(camt.REPEATED)
        if self._path == camt.STATEMENT:
            self._statements += 1
            self._entries = 0
        elif self._path == camt.ENTRY:
            self._entries += 1
            self._details = _Details()
            self._scopes[camt.DETAILS] = Scope(camt.REPEATED)

    @property
    def _scope(self) -> Scope:
        return self._scopes[self._inside[-1]]

    def characters(self, content: str) -> None:
        """See MessageHandler."""
        self.events += 1
        if self._text is not None and self._scope.has_room_for(content):
            self._text.append(content)

    def leave(self) -> bool:
        """See MessageHandler."""
        if not self._outer:
            return True
        if self._text is not None:
            self._scope.keep(self._path, "".join(self._text).strip())
            self._text = None
        if self._path == camt.DETAILS:
            self._end_details()
        elif self._path == camt.ENTRY:
            self._end_entry()
        if self._path in camt.SCOPES:
            self._inside.pop()
        self._path = self._outer.pop()
        return False

    def _end_details(self) -> None:
        details, entry, own = self._details, self._scopes[camt.ENTRY], self._scopes[camt.DETAILS]
        details.count += 1
        details.entry_texts = len(entry.values) if details.entry_texts is None else details.entry_texts
        entry.problem = entry.problem or own.problem
        if details.count == 1:
            details.first = own.values
        part = camt.signed_part(entry.values, own.values)
        details.sum = None if part is None or details.sum is None else details.sum + part
        if details.sum is not None and details.count <= MOST_DETAILS:
            details.rows.append(self._cells(own.values, itemised=True))
        else:
            details.rows.clear()

    def _cells(self, details: dict[str, str], *, itemised: bool) -> list[str | None]:
        outer = (self._scopes[path].values for path in (camt.HEADER, camt.STATEMENT, camt.ENTRY))
        values = {path: text for scope in (*outer, details) for path, text in scope.items()}
        place = f"{self._statements}/{self._entries}"
        place = f"{place}/{self._details.count}" if itemised else place
        message = str(self._message)
        return camt.cells(values, message, place, self._columns, itemised=itemised)

    def _end_entry(self) -> None:
        details, entry = self._details, self._scopes[camt.ENTRY]
        problem = self._problem(entry)
        if problem is not None:
            self.refuse(problem)
        elif self._one_by_one and details.are_all_of(camt.signed_amount(entry.values)):
            occurrence = self._times_before(details.rows[0])
            for place, row in enumerate(details.rows, 1):
                self._add(row, details.count, f"/{place}" + occurrence)
        else:
            row = self._cells(details.first if details.count == 1 else {}, itemised=False)
            self._add(row, 1 if self._one_by_one else max(details.count, 1), self._times_before(row))

    def _times_before(self, row: list[str | None]) -> str:
        """What tells a booking from others of its message whose booking_id is the same."""
        booking = None if self._booking_column is None else row[self._booking_column]
        if booking is None:
            return ""
        self._bookings[booking] += 1
        return f"|{self._bookings[booking]}" if self._bookings[booking] > 1 else ""

    def _add(self, row: list[str | None], batch: int, which: str) -> None:
        if self._booking_column is not None and row[self._booking_column] is not None:
            row[self._booking_column] = f"{row[self._booking_column]}{which}"
        if self._batch_column is not None:
            row[self._batch_column] = str(batch)
        self.add(row)

    def _problem(self, entry: Scope) -> BadRecordError | None:
        outer = (self._scopes[path].problem for path in (camt.HEADER, camt.STATEMENT))
        found = entry.problem or next((problem for problem in outer if problem is not None), None)
        if found is None and self._details.entry_texts not in (None, len(entry.values)):
            found = BadRecordError("xml_out_of_order", "the entry says something of itself after its transactions")
        return (
            found
            or camt.not_booked(entry.values)
            or camt.direction_problem(entry.values)
            or camt.without_reference(entry.values, str(self._message))
        )
