"""Which columns an entry of an ISO 20022 report (camt.052), statement (camt.053) or notification (camt.054) has.

Elements are named by the path of their local names below the message; `Stmt` also stands for `Rpt` and `Ntfctn`. An
entry is what a bank booked; a batch's entry may tell its transactions one by one.
"""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation

from counterfoil.domain.intake.raw import BadRecordError

MESSAGES = {"BkToCstmrAcctRpt": "camt.052", "BkToCstmrStmt": "camt.053", "BkToCstmrDbtCdtNtfctn": "camt.054"}
"""The element that is the message -> what it is called. The same booking is often told by several of them."""

INTRADAY = "camt.052"
"""What tells bookings during the day, which the statement tells again."""

READ_BY = {INTRADAY: (INTRADAY, "camt.053"), "camt.053": ("camt.053",), "camt.054": ("camt.054",)}
"""By `file.format`, the messages that are read. Reports of a day and its statement are read together, or neither's
bookings were all there, or some were there twice."""

STATEMENTS = {"Stmt": "Stmt", "Rpt": "Stmt", "Ntfctn": "Stmt"}
"""The element that holds the entries of an account -> what it is called in paths."""

HEADER = "GrpHdr"
STATEMENT = "Stmt"
ENTRY = "Stmt/Ntry"
DETAILS = "Stmt/Ntry/NtryDtls/TxDtls"
SCOPES = frozenset({HEADER, STATEMENT, ENTRY, DETAILS})

CURRENCY = "@Ccy"
"""Stands for the attribute of an amount at the end of a path."""

CREDIT = "CRDT"
DEBIT = "DBIT"

_NOT_BOOKED = {"PDNG": "pending", "INFO": "for information", "FUTR": "in the future"}
_REASONS = {"PDNG": "entry_pending", "INFO": "entry_information", "FUTR": "entry_future"}

_S, _E, _D = f"{STATEMENT}/", f"{ENTRY}/", f"{DETAILS}/"
_NAMED = ("Cd", "Prtry")
_AMOUNT = f"{_E}Amt"
_DIRECTION = f"{_E}CdtDbtInd"
_OWN_AMOUNTS = (f"{_D}Amt", f"{_D}AmtDtls/TxAmt/Amt")
_OWN_DIRECTION = f"{_D}CdtDbtInd"
_REVERSAL = (f"{_E}RvslInd",)
_REFERENCE = f"{_E}AcctSvcrRef"
_ZONED_DAY = re.compile(r"^(\d{4}-\d\d-\d\d)(?:Z|[+-]\d\d:\d\d)$")
_NO_REFERENCES = ("NONREF", "NOTPROVIDED", "NOT PROVIDED")
_STATUS = (f"{_E}Sts/Cd", f"{_E}Sts/Prtry", f"{_E}Sts")
_INSTRUCTED = (f"{_D}AmtDtls/InstdAmt/Amt",)


def _account(before: str) -> tuple[str, ...]:
    return f"{before}Id/IBAN", f"{before}Id/Othr/Id"


def _bank(before: str) -> tuple[str, ...]:
    # BICFI was called BIC before 2012.
    return tuple(f"{before}FinInstnId/{name}" for name in ("BICFI", "BIC", "ClrSysMmbId/MmbId"))


def _of_party(party: str) -> dict[str, tuple[str, ...]]:
    parties = f"{_D}RltdPties/{party}"
    return {
        "name": (f"{parties}/Nm", f"{parties}/Pty/Nm"),
        "country": (f"{parties}/PstlAdr/Ctry", f"{parties}/Pty/PstlAdr/Ctry"),
        "account": _account(f"{parties}Acct/"),
        "bank": _bank(f"{_D}RltdAgts/{party}Agt/"),
    }


_PARTIES = {"Dbtr": _of_party("Dbtr"), "Cdtr": _of_party("Cdtr")}
_OWN = {"account": _account(f"{_S}Acct/"), "bank": _bank(f"{_S}Acct/Svcr/"), "name": (f"{_S}Acct/Ownr/Nm",)}

_PATHS: dict[str, tuple[str, ...]] = {
    "message_id": (f"{HEADER}/MsgId",),
    "created_at": (f"{HEADER}/CreDtTm",),
    "statement_id": (f"{_S}Id",),
    "statement_number": (f"{_S}ElctrncSeqNb", f"{_S}LglSeqNb"),
    "page": (f"{_S}StmtPgntn/PgNb", f"{_S}RptPgntn/PgNb", f"{_S}NtfctnPgntn/PgNb"),
    "account": _OWN["account"],
    "account_bank": _OWN["bank"],
    "entry_reference": (f"{_E}NtryRef",),
    "bank_reference": (f"{_D}Refs/AcctSvcrRef", _REFERENCE),
    "booked_at": (f"{_E}BookgDt/DtTm", f"{_E}BookgDt/Dt"),
    "booked_or_valued_at": (f"{_E}BookgDt/DtTm", f"{_E}BookgDt/Dt", f"{_E}ValDt/DtTm", f"{_E}ValDt/Dt"),
    "value_date": (f"{_E}ValDt/Dt", f"{_E}ValDt/DtTm"),
    "accepted_at": (f"{_D}RltdDts/AccptncDtTm", f"{_D}RltdDts/TxDtTm"),
    "status": _STATUS,
    "entry_amount": (_AMOUNT,),
    "uetr": (f"{_D}Refs/UETR",),
    "end_to_end_id": (f"{_D}Refs/EndToEndId",),
    "instruction_id": (f"{_D}Refs/InstrId",),
    "transaction_id": (f"{_D}Refs/TxId",),
    "mandate_id": (f"{_D}Refs/MndtId",),
    "instructed_amount": _INSTRUCTED,
    "purpose": tuple(f"{_D}Purp/{name}" for name in _NAMED),
    "return_reason": tuple(f"{_D}RtrInf/Rsn/{name}" for name in _NAMED),
    "remittance": (f"{_D}RmtInf/Ustrd",),
    "remittance_reference": (f"{_D}RmtInf/Strd/CdtrRefInf/Ref",),
}
"""Column -> elements, the first that is there counts."""

_CODE = tuple(f"BkTxCd/Domn/{part}" for part in ("Cd", "Fmly/Cd", "Fmly/SubFmlyCd"))
_CODES = {before: tuple(f"{before}{part}" for part in _CODE) for before in (_D, _E)}
_OWN_CODES = tuple(f"{before}BkTxCd/Prtry/Cd" for before in (_D, _E))

REPEATED = frozenset({*_PATHS["remittance"], *_PATHS["remittance_reference"]})
"""Elements that may stand several times; their texts are joined by a blank."""

_PARTY_PATHS = [paths for party in (*_PARTIES.values(), _OWN) for paths in party.values()]
WANTED = frozenset(
    path
    for paths in (
        *_PATHS.values(), *_PARTY_PATHS, *_CODES.values(), _OWN_CODES, _OWN_AMOUNTS, (_OWN_DIRECTION, _DIRECTION),
        _REVERSAL,
    )
    for path in paths
)  # fmt: skip
"""All elements whose text is of interest."""

_FLOW = {f"{side}_{part}" for side in ("debtor", "creditor") for part in ("account", "bank", "name", "country")}

COLUMNS = (
    "message_type", "payment_id", "booking_id", *_PATHS, "amount", "currency", "entry_currency", "instructed_currency",
    "direction", "reversal", "transaction_code", "batch", *sorted(_FLOW),
)  # fmt: skip
"""Every column that a mapping may name.

`debtor_*` is who the money comes from and `creditor_*` who it goes to: one of them is the statement's own account. In
a reversal both differ from those of the payment that is reversed. `direction` is CRDT or DBIT as the account sees it,
`reversal` is true or false, `batch` says how many transactions the entry tells one by one.

`payment_id` tells a booking from all others: the ids of its message, bank and statement, and its place there. It has
no account number in it, and it is no UETR, which a payment and its reversal share. `booking_id` is the same in every
message that tells a booking: the bank, its reference of the entry, day, direction and amount. In a statement it is the
payment_id if the bank gave no reference; then a report of the day has none.
"""

PERSONAL = frozenset(
    {"account", *(f"{side}_{part}" for side in ("debtor", "creditor") for part in ("account", "name"))}
)
"""Columns that say who somebody is, so that they may be kept as keyed hashes only."""


def without_reference(entry: Mapping[str, str], message: str) -> BadRecordError | None:
    """Return why an entry of a day's report cannot be known again in the statement; None if it can, or need not."""
    if MESSAGES[message] != INTRADAY or _reference(entry) is not None:
        return None
    return BadRecordError(
        "entry_reference_missing",
        "the bank's reference of the entry (AcctSvcrRef) is missing, by which the statement's would be known as the "
        "same: it is taken from the statement (camt.053)",
    )


def _reference(entry: Mapping[str, str]) -> str | None:
    reference = entry.get(_REFERENCE)
    return None if not reference or reference.upper() in _NO_REFERENCES else reference


def not_booked(entry: Mapping[str, str]) -> BadRecordError | None:
    """Return why an entry counts in no balance; None if it is booked."""
    status = _first(entry, _STATUS)
    if status == "BOOK":
        return None
    if status is None:
        return BadRecordError("entry_status_missing", "the entry does not say whether it is booked (Sts)")
    if status in _REASONS:
        return BadRecordError(_REASONS[status], f"the entry is {_NOT_BOOKED[status]} (Sts {status}), not booked")
    return BadRecordError("entry_status_unknown", "the entry's status (Sts) is none of BOOK, PDNG, INFO and FUTR")


def direction_problem(values: Mapping[str, str]) -> BadRecordError | None:
    """Return why nobody knows whether the money came or went; None if that is clear."""
    if _first(values, (_DIRECTION,)) not in (CREDIT, DEBIT):
        return BadRecordError("direction_unreadable", "the entry's CdtDbtInd is neither CRDT nor DBIT")
    if _first(values, _REVERSAL) not in (None, "true", "false", "1", "0"):
        return BadRecordError("reversal_unreadable", "the entry's RvslInd is none of true, false, 1 and 0")
    return None


def signed_amount(entry: Mapping[str, str]) -> Decimal | None:
    """Return what an entry adds to its account; None if that is no number."""
    return _signed(entry.get(_AMOUNT), _first(entry, (_DIRECTION,)))


def signed_part(entry: Mapping[str, str], details: Mapping[str, str]) -> Decimal | None:
    """Return what one transaction of a batch adds to the account.

    None if it does not say so, or not in the entry's currency.
    """
    path = _own_amount(entry, details)
    if path is None:
        return None
    return _signed(details[path], _first(details, (_OWN_DIRECTION,)) or _first(entry, (_DIRECTION,)))


def _own_amount(entry: Mapping[str, str], details: Mapping[str, str]) -> str | None:
    currency = entry.get(f"{_AMOUNT}/{CURRENCY}")
    return next(
        (path for path in _OWN_AMOUNTS if path in details and details.get(f"{path}/{CURRENCY}") == currency), None
    )


def _signed(amount: str | None, direction: str | None) -> Decimal | None:
    if amount is None or direction not in (CREDIT, DEBIT):
        return None
    try:
        value = Decimal(amount)
    except InvalidOperation:
        return None
    if not value.is_finite():
        return None
    return value if direction == CREDIT else -value


def cells(
    values: Mapping[str, str], message: str, place: str, columns: Sequence[str], *, itemised: bool
) -> list[str | None]:
    """Return the texts of a booking in these columns.

    `values` are the texts by path, of its message, statement, entry and, if it is one, transaction; `place` is its
    place in the message. With `itemised` the amount and direction are those of the transaction. `batch` is 1: who reads
    the entry to its end knows better.
    """
    booking = _Booking(values, message, place, itemised=itemised)
    return [booking.cell(column) for column in columns]


class _Booking:
    def __init__(self, values: Mapping[str, str], message: str, place: str, *, itemised: bool) -> None:
        self._values = values
        self._message = message
        self._place = place
        own_amount = _own_amount(values, values) if itemised else None
        self._amount = _AMOUNT if own_amount is None else own_amount
        own_direction = _first(values, (_OWN_DIRECTION,)) if itemised else None
        self.direction = own_direction or _first(values, (_DIRECTION,))
        self.reversal = _first(values, _REVERSAL) in ("true", "1")

    def cell(self, column: str) -> str | None:
        """Return the text in a column."""
        if column in _PATHS:
            found = _first(self._values, _PATHS[column])
            # A day may be written with a zone, and is the bank's day all the same: an offset would move it to another.
            return found if found is None else _ZONED_DAY.sub(r"\1", found)
        if column in _FLOW:
            side, _, part = column.partition("_")
            return self._of_side(side, part)
        return self._made(column)

    def _made(self, column: str) -> str | None:
        values = self._values
        match column:
            case "message_type":
                return MESSAGES[self._message]
            case "amount":
                return values.get(self._amount)
            case "currency" | "entry_currency":
                return values.get(f"{_AMOUNT}/{CURRENCY}")
            case "instructed_currency":
                return values.get(f"{_INSTRUCTED[0]}/{CURRENCY}")
            case "direction":
                return self.direction
            case "reversal":
                return "true" if self.reversal else "false"
            case "transaction_code":
                return self._code()
            case "batch":
                return "1"
        return self._booking_id() if column == "booking_id" else self._payment_id()

    def _booking_id(self) -> str | None:
        values = self._values
        if _reference(values) is None:
            return None if MESSAGES[self._message] == INTRADAY else self._payment_id()
        day = _first(values, _PATHS["booked_or_valued_at"]) or ""
        bank, amount = _first(values, _OWN["bank"]), values.get(_AMOUNT, "")
        currency, direction = values.get(f"{_AMOUNT}/{CURRENCY}"), _first(values, (_DIRECTION,))
        # Zeros at the end of an amount, and the hour of a booking, are written in one message and not in the other.
        return _joined(bank, _reference(values), day[:10], direction, _plain(amount), currency)

    def _payment_id(self) -> str | None:
        message = _first(self._values, _PATHS["message_id"])
        if message is None:
            return None
        names = ("account_bank", "statement_id", "statement_number", "page")
        return _joined(message, *(_first(self._values, _PATHS[name]) for name in names), self._place)

    def _code(self) -> str | None:
        for before, paths in _CODES.items():
            if f"{before}{_CODE[0]}" in self._values:
                return "/".join(self._values.get(path, "") for path in paths)
        return _first(self._values, _OWN_CODES)

    def _of_side(self, side: str, part: str) -> str | None:
        """Money flows from debtor to creditor; the statement's account is one of them, another party the other."""
        own = "creditor" if self.direction == CREDIT else "debtor"
        if side == own:
            return _first(self._values, _OWN.get(part, ()))
        return _first(self._values, _PARTIES[self._other_party()][part])

    def _other_party(self) -> str:
        """A reversal names debtor and creditor as the payment did that is reversed; some banks turn them round."""
        likely = "Dbtr" if (self.direction == CREDIT) != self.reversal else "Cdtr"
        other = "Cdtr" if likely == "Dbtr" else "Dbtr"
        own = _first(self._values, _OWN["account"])
        account = _first(self._values, _PARTIES[likely]["account"])
        is_own = own is not None and account == own
        missing = not any(_first(self._values, paths) for paths in _PARTIES[likely].values())
        return other if is_own or missing else likely


def _joined(*parts: str | None) -> str:
    return "|".join((part or "").replace("%", "%25").replace("|", "%7C") for part in parts)


def _plain(amount: str) -> str:
    return amount.rstrip("0").rstrip(".") if "." in amount else amount


def _first(values: Mapping[str, str], paths: Sequence[str]) -> str | None:
    return next((values[path] for path in paths if values.get(path)), None)
