"""What readers of all ISO 20022 messages share: texts by path, other messages, depth."""

from abc import ABC, abstractmethod
from collections.abc import Container, Mapping

from counterfoil.adapters.files.record_batches import Gathered
from counterfoil.domain.intake import iso20022_messages
from counterfoil.domain.intake.raw import BadRecordError

MOST_DEPTH = 100
MOST_TEXT = 64 << 10
"""Of the wanted texts of one transfer, payment information, entry or header, in characters."""


class UnreadableXmlError(Exception):
    """What is wrong with the whole file, to be said after its name."""


class Scope:
    """The texts by path that a header, a payment information, an entry or a transfer has, and what is wrong with it."""

    def __init__(self, repeated: Container[str]) -> None:
        self._repeated = repeated
        self.values: dict[str, str] = {}
        self.problem: BadRecordError | None = None
        self._length = 0

    def has_room_for(self, text: str) -> bool:
        self._length += len(text)
        if self._length > MOST_TEXT:
            self.problem = BadRecordError("text_too_long", f"texts have more than {MOST_TEXT:,} characters together")
        return self._length <= MOST_TEXT

    def keep(self, path: str, text: str) -> None:
        if path in self.values and path in self._repeated:
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


class MessageHandler(ABC):
    """Gathers the records of messages that a kind of reader knows, numbered through the file from 1.

    Each transaction of another message is refused under a number of its own. `messages` counts the messages that
    are read, `others` names the other ones, `events` counts all that was met, `depth` the elements that are open.
    Raises UnreadableXmlError for elements that are too deep in one another.
    """

    read: Mapping[str, str] = {}
    """The element that is a message of this kind -> what it is called."""

    def __init__(self, gathered: Gathered) -> None:
        self.gathered = gathered
        self.messages = 0
        self.events = 0
        self.depth = 0
        self.others: dict[str, None] = {}
        self._other: OtherMessage | None = None
        self._namespace: str | None = None
        self._above: list[str] = []
        self._records = 0
        self._message: str | None = None

    @abstractmethod
    def begin_message(self, element: str) -> None:
        """Go into a message that is read."""

    @abstractmethod
    def enter(self, local: str, attrs: Mapping[str, str]) -> None:
        """Go into an element of a message that is read."""

    @abstractmethod
    def characters(self, content: str) -> None:
        """Take in a piece of text."""

    @abstractmethod
    def leave(self) -> bool:
        """Go out of an element; return whether it was the message itself."""

    def add(self, texts: list[str | None]) -> None:
        """Take in the next record of the file as a row."""
        self._records += 1
        self.gathered.add(self._records, texts)

    def refuse(self, why: BadRecordError) -> None:
        """Take in the next record of the file as one that is no row."""
        self._records += 1
        self.gathered.refuse(self._records, why)

    def start(self, name: str, attrs: Mapping[str, str]) -> None:
        """Take in the start of an element."""
        self.events += 1
        self.depth += 1
        if self.depth > MOST_DEPTH:
            raise UnreadableXmlError(f"has elements more than {MOST_DEPTH} deep in one another")
        local = name.rpartition(":")[2] if ":" in name else name
        if self._message is not None:
            self.enter(local, attrs)
        elif self._other is not None:
            self._other.enter(local)
        elif local in self.read:
            self.messages += 1
            self._message = local
            self.begin_message(local)
        else:
            self._begin_other(local, attrs)

    def end(self, name: str) -> None:  # noqa: ARG002
        """Take in the end of an element."""
        self.events += 1
        self.depth -= 1
        self._namespace = None
        if self._other is None and self._message is None:
            self._above.pop()
        if self._other is not None:
            self._leave_other(self._other)
        if self._message is not None and self.leave():
            self._message = None

    def _begin_other(self, local: str, attrs: Mapping[str, str]) -> None:
        """A message that is not read is known by its name, or as the child of a document of its namespace.

        Any other that has transactions is known by the element that they are in.
        """
        name = iso20022_messages.name_of(local, self._namespace)
        is_transaction = local in iso20022_messages.TRANSACTIONS
        if is_transaction:
            name = iso20022_messages.shown(self._above[-1] if self._above else "")
        if name is not None and (is_transaction or name not in self.read.values()):
            self._other = OtherMessage(name)
            self.others[name] = None
        else:
            self._above.append(local)
        is_document = local == iso20022_messages.DOCUMENT
        namespaces = [value for key, value in attrs.items() if key.startswith("xmlns")]
        self._namespace = namespaces[0] if is_document and namespaces else None

    def _leave_other(self, other: OtherMessage) -> None:
        for _ in range(other.leave()):
            self.refuse(iso20022_messages.other_message(other.name, tuple(self.read.values())))
        if other.is_over:
            self._other = None
