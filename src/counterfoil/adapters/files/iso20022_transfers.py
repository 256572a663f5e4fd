"""Gather the credit transfers of ISO 20022 messages from what an XML parser meets on its way."""

from xml.sax.xmlreader import AttributesImpl

from counterfoil.adapters.files.iso20022_handler import MessageHandler, Scope
from counterfoil.adapters.files.record_batches import Gathered
from counterfoil.domain.intake import iso20022, iso20022_messages
from counterfoil.domain.intake.iso20022 import HEADER, PAYMENT_INFORMATION, TRANSFER
from counterfoil.domain.intake.mapping_model import SourceMapping


class Transfers(MessageHandler):
    """Adds a row at the end of each transfer."""

    read = iso20022.MESSAGES

    def __init__(self, mapping: SourceMapping, gathered: Gathered) -> None:
        super().__init__(gathered)
        self._columns = mapping.source_columns
        self._unfit = {
            element: iso20022_messages.wrong_message(name, mapping.required_columns)
            for element, name in iso20022.MESSAGES.items()
        }
        self._begin()

    def _begin(self) -> None:
        self._place = 0
        self._path: list[str] = []
        self._scopes = {name: Scope(iso20022.REPEATED) for name in (HEADER, PAYMENT_INFORMATION, TRANSFER)}
        self._text: list[str] | None = None

    def begin_message(self, element: str) -> None:  # noqa: ARG002
        """See MessageHandler."""
        self._begin()

    def enter(self, local: str, attrs: AttributesImpl) -> None:
        """See MessageHandler."""
        inside_transfer = TRANSFER in self._path
        self._path.append(local)
        if not inside_transfer and (local == TRANSFER or self._path == [PAYMENT_INFORMATION]):
            self._scopes[local] = Scope(iso20022.REPEATED)
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

    def leave(self) -> bool:
        """See MessageHandler."""
        if not self._path:
            return True
        if self._text is not None:
            path = self._where()
            self._scope(path).keep(path, "".join(self._text).strip())
            self._text = None
        if self._path.pop() == TRANSFER and TRANSFER not in self._path:
            self._end_transfer()
        return False

    def _end_transfer(self) -> None:
        self._place += 1
        scopes = self._scopes.values()
        problem = self._unfit[str(self._message)]
        problem = problem or next((scope.problem for scope in scopes if scope.problem is not None), None)
        if problem is not None:
            self.refuse(problem)
            return
        values = {path: text for scope in scopes for path, text in scope.values.items()}
        self.add(iso20022.cells(values, str(self._message), self._place, self._columns))

    def _where(self) -> str:
        """The path of the current element below the message; a transfer's begins with the transfer."""
        start = self._path.index(TRANSFER) if TRANSFER in self._path else 0
        return "/".join(self._path[start:])

    def _scope(self, path: str) -> Scope:
        return self._scopes[path.partition("/")[0]]
