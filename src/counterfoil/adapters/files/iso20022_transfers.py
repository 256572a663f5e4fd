"""Gather the payments of ISO 20022 messages from what an XML parser meets on its way."""

from collections.abc import Iterable, Mapping

from counterfoil.adapters.files.iso20022_handler import MessageHandler, Scope
from counterfoil.adapters.files.record_batches import Gathered
from counterfoil.domain.intake import iso20022, iso20022_messages
from counterfoil.domain.intake.iso20022 import HEADER, PAYMENT_INFORMATION, TRANSFER
from counterfoil.domain.intake.mapping_model import SourceMapping
from counterfoil.domain.intake.raw import BadRecordError

_SCOPES = (HEADER, PAYMENT_INFORMATION, TRANSFER)


class _Element:
    """An element that is on the way to one whose text is of interest, or has such a text itself (`wanted`)."""

    __slots__ = ("children", "path", "scope", "wanted")

    def __init__(self, path: str, scope: str) -> None:
        self.path = path
        self.scope = scope
        self.wanted = False
        self.children: dict[str, _Element] = {}

    def child(self, name: str) -> "_Element":
        """Return the element of this name in this one, made if it is new."""
        if name not in self.children:
            path = f"{self.path}/{name}" if self.path else name
            self.children[name] = _Element(path, self.scope or name)
        return self.children[name]


def _elements(wanted: Iterable[str]) -> _Element:
    root = _Element("", "")
    for path in wanted:
        element = root
        for name in path.split("/"):
            element = element.child(name)
        element.wanted = True
    return root


class Transfers(MessageHandler):
    """Adds a row at the end of each payment. Elements of no interest cost one look in a dictionary."""

    def __init__(self, mapping: SourceMapping, gathered: Gathered) -> None:
        super().__init__(gathered)
        self._kind = iso20022.KINDS[mapping.file.format]
        self.read = self._kind.messages
        self._columns = mapping.source_columns
        self._unfit = {
            element: iso20022_messages.wrong_message(name, mapping.required_columns)
            for element, name in self.read.items()
        }
        self._root = _elements(self._kind.wanted)
        self._payment = self._root.child(TRANSFER)
        self._root.children.pop(TRANSFER)
        self._nothing = _Element("", "")
        self._begin()

    def _begin(self) -> None:
        self._place = 0
        self._element = self._root
        self._outer: list[_Element] = []
        self._payment_depth = 0
        self._scopes = {name: Scope(iso20022.REPEATED) for name in _SCOPES}
        self._scope = self._scopes[HEADER]
        self._text: list[str] | None = None

    def begin_message(self, element: str) -> None:  # noqa: ARG002
        """See MessageHandler."""
        self._begin()

    def enter(self, local: str, attrs: Mapping[str, str]) -> None:
        """See MessageHandler."""
        outer = self._element
        self._outer.append(outer)
        if not self._payment_depth and local == self._kind.record:
            self._payment_depth = len(self._outer)
            self._scopes[TRANSFER] = Scope(iso20022.REPEATED)
            element = self._payment
        else:
            element = outer.children.get(local, self._nothing)
            if local == PAYMENT_INFORMATION and len(self._outer) == 1:
                self._scopes[PAYMENT_INFORMATION] = Scope(iso20022.REPEATED)
        self._element = element
        if not element.wanted:
            self._text = None
            return
        self._text = []
        self._scope = self._scopes[element.scope] if element.scope in self._scopes else self._scopes[HEADER]
        if "Ccy" in attrs and self._scope.has_room_for(attrs["Ccy"]):
            self._scope.keep(f"{element.path}/{iso20022.CURRENCY}", attrs["Ccy"])

    def characters(self, content: str) -> None:
        """See MessageHandler."""
        self.events += 1
        if self._text is not None and self._scope.has_room_for(content):
            self._text.append(content)

    def leave(self) -> bool:
        """See MessageHandler."""
        if not self._outer:
            self._require_payments()
            return True
        if self._text is not None:
            self._scope.keep(self._element.path, "".join(self._text).strip())
            self._text = None
        if len(self._outer) == self._payment_depth:
            self._payment_depth = 0
            self._end_payment()
        self._element = self._outer.pop()
        return False

    def _require_payments(self) -> None:
        unfit = self._unfit[str(self._message)]
        if unfit is not None and not self._place:  # or nothing would say that another mapping reads such messages
            self.refuse(unfit)
        elif self._kind.needs_records and not self._place:
            self.refuse(BadRecordError("message_without_payments", "the message lists no payment one by one"))

    def _end_payment(self) -> None:
        self._place += 1
        scopes = self._scopes.values()
        problem = self._unfit[str(self._message)]
        problem = problem or next((scope.problem for scope in scopes if scope.problem is not None), None)
        if problem is not None:
            self.refuse(problem)
            return
        header, information, payment = (self._scopes[name].values for name in _SCOPES)
        values = header | information | payment
        self.add(iso20022.cells(self._kind, values, str(self._message), self._place, self._columns))
