"""Gather the credit transfers of ISO 20022 messages from what an XML parser meets on its way."""

from xml.sax.handler import ContentHandler
from xml.sax.xmlreader import AttributesImpl

from counterfoil.adapters.files.record_batches import Gathered
from counterfoil.domain.intake import iso20022, iso20022_messages
from counterfoil.domain.intake.iso20022 import HEADER, PAYMENT_INFORMATION, TRANSFER
from counterfoil.domain.intake.mapping_model import SourceMapping
from counterfoil.domain.intake.raw import BadRecordError

MOST_DEPTH = 100
MOST_TEXT = 64 << 10
"""Of the wanted texts of one transfer, payment information or header, in characters."""


class UnreadableXmlError(Exception):
    """What is wrong with the whole file, to be said after its name."""


class _Scope:
    """The texts by path that a header, a payment information or a transfer has, and what is wrong with it."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.problem: BadRecordError | None = None
        self._length = 0

    def has_room_for(self, text: str) -> bool:
        self._length += len(text)
        if self._length > MOST_TEXT:
            self.problem = BadRecordError("text_too_long", f"texts have more than {MOST_TEXT:,} characters together")
        return self._length <= MOST_TEXT

    def keep(self, path: str, text: str) -> None:
        if path in self.values and path in iso20022.REPEATED:
            text = f"{self.values[path]} {text}"
        elif path in self.values:
            element = path.rpartition("/")[2]
            message = f"element {element} stands twice where one may stand"
            self.problem = BadRecordError("xml_element_doubled", message)
        self.values[path] = text


class OtherMessage:
    """A message that is not read: its transactions are only counted, or the message itself if it has none."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_over = False
        self._counted = 0
        self._path: list[tuple[str, int]] = []

    def enter(self, element: str) -> None:
        """Go into an element of the message."""
        self._path.append((element, self._counted))

    def leave(self) -> int:
        """Go out of an element, or of the message; return how many transactions end there."""
        if not self._path:
            self.is_over = True
            return int(self._counted == 0)
        element, counted_before = self._path.pop()
        if element not in iso20022_messages.TRANSACTIONS or self._counted > counted_before:
            return 0
        self._counted += 1
        return 1


class Transfers(ContentHandler):
    """Adds a row to `gathered` at the end of each transfer, numbered through the file from 1.

    Each transaction of another message is refused under a number of its own. `messages` counts the messages that
    are read, `others` names the other ones, `events` counts all that was met, `depth` the elements that are open.
    Raises UnreadableXmlError for elements that are too deep in one another.
    """

    def __init__(self, mapping: SourceMapping, gathered: Gathered) -> None:
        super().__init__()
        self.gathered = gathered
        self.messages = 0
        self.events = 0
        self.depth = 0
        self._columns = mapping.source_columns
        self._unfit = {
            element: iso20022_messages.wrong_message(name, mapping.required_columns)
            for element, name in iso20022.MESSAGES.items()
        }
        self._other: OtherMessage | None = None
        self.others: dict[str, None] = {}
        self._namespace: str | None = None
        self._transfers = 0
        self._begin_message(None)

    def _begin_message(self, name: str | None) -> None:
        self._message = name
        self._place = 0
        self._path: list[str] = []
        self._scopes = {name: _Scope() for name in (HEADER, PAYMENT_INFORMATION, TRANSFER)}
        self._text: list[str] | None = None

    def startElement(self, name: str, attrs: AttributesImpl) -> None:  # noqa: N802
        """See ContentHandler."""
        self.events += 1
        self.depth += 1
        if self.depth > MOST_DEPTH:
            raise UnreadableXmlError(f"has elements more than {MOST_DEPTH} deep in one another")
        local = name.rpartition(":")[2]
        if self._message is not None:
            self._enter(local, attrs)
        elif self._other is not None:
            self._other.enter(local)
        elif local in iso20022.MESSAGES:
            self.messages += 1
            self._begin_message(local)
        else:
            self._begin_other(local, attrs)

    def _begin_other(self, local: str, attrs: AttributesImpl) -> None:
        """A message that is not read is known by its name, or as the child of a document of its namespace."""
        name = iso20022_messages.name_of(local, self._namespace)
        if name is not None and name not in iso20022.MESSAGES.values():
            self._other = OtherMessage(name)
            self.others[name] = None
        is_document = local == iso20022_messages.DOCUMENT
        namespaces = [value for key, value in attrs.items() if key.startswith("xmlns")]
        self._namespace = namespaces[0] if is_document and namespaces else None

    def _enter(self, local: str, attrs: AttributesImpl) -> None:
        inside_transfer = TRANSFER in self._path
        self._path.append(local)
        if not inside_transfer and (local == TRANSFER or self._path == [PAYMENT_INFORMATION]):
            self._scopes[local] = _Scope()
        path = self._where()
        self._text = [] if path in iso20022.WANTED else None
        currency = attrs.get("Ccy")
        if self._text is not None and currency is not None and self._scope(path).has_room_for(currency):
            self._scope(path).keep(f"{path}/{iso20022.CURRENCY}", currency)

    def characters(self, content: str) -> None:
        """See ContentHandler."""
        self.events += 1
        if self._text is not None and self._scope(self._where()).has_room_for(content):
            self._text.append(content)

    def endElement(self, name: str) -> None:  # noqa: N802, ARG002
        """See ContentHandler."""
        self.events += 1
        self.depth -= 1
        self._namespace = None
        if self._other is not None:
            self._leave_other()
        if self._message is None:
            return
        if not self._path:
            self._begin_message(None)
            return
        if self._text is not None:
            path = self._where()
            self._scope(path).keep(path, "".join(self._text).strip())
            self._text = None
        if self._path.pop() == TRANSFER and TRANSFER not in self._path:
            self._end_transfer()

    def _leave_other(self) -> None:
        other = self._other
        if other is None:
            return
        for _ in range(other.leave()):
            self._transfers += 1
            why = iso20022_messages.other_message(other.name, tuple(iso20022.MESSAGES.values()))
            self.gathered.refuse(self._transfers, why)
        if other.is_over:
            self._other = None

    def _end_transfer(self) -> None:
        self._transfers += 1
        self._place += 1
        scopes = self._scopes.values()
        problem = self._unfit[str(self._message)]
        problem = problem or next((scope.problem for scope in scopes if scope.problem is not None), None)
        if problem is not None:
            self.gathered.refuse(self._transfers, problem)
            return
        values = {path: text for scope in scopes for path, text in scope.values.items()}
        texts = iso20022.cells(values, str(self._message), self._place, self._columns)
        self.gathered.add(self._transfers, texts)

    def _where(self) -> str:
        """The path of the current element below the message; a transfer's begins with the transfer."""
        start = self._path.index(TRANSFER) if TRANSFER in self._path else 0
        return "/".join(self._path[start:])

    def _scope(self, path: str) -> _Scope:
        return self._scopes[path.partition("/")[0]]
