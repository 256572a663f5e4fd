"""Which columns an entry of an MT940 statement or an MT942 interim report has (SWIFT's messages to customers).

Field 61 is an entry, field 86 after it tells of it; fields 20, 25, 28C and 60 before them tell of the statement. An
interim report has a floor limit (34F) instead of the opening balance.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from counterfoil.domain.intake.mt940_information import read_information
from counterfoil.domain.intake.raw import BadRecordError
from counterfoil.domain.intake.swift import SwiftField, date_near, date_of, plain_amount
from counterfoil.domain.privacy.ibans import read_iban

COLUMNS = (
    "statement_reference", "statement_number", "opening_date", "account", "account_bank", "entry_id", "booking_id",
    "booked_at", "value_date", "amount", "currency", "direction", "reversal", "transaction_type", "customer_reference",
    "bank_reference", "supplementary", "business_code", "end_to_end_id", "mandate_id", "remittance", "information",
    "counterparty_name", "debtor_account", "debtor_bank", "creditor_account", "creditor_bank",
)  # fmt: skip
"""Every column that a mapping may name.

`debtor_*` is who the money comes from and `creditor_*` who it goes to: one of them is the statement's own account.
`direction` is CRDT or DBIT as the account sees it: a reversed credit (RC) is a DBIT. `entry_id` is the statement's
reference, number and opening date with the entry's place: banks write the same for several accounts, so it is an id
only where all statements are of one account. `booking_id` is the same in a report and in the statement that follows:
the bank's reference, value date, amount and sign. In a statement it begins with the entry_id if the bank gave no
reference; then a report has none.
"""

PERSONAL = frozenset({
    "account", "debtor_account", "creditor_account", "counterparty_name", "information", "remittance", "supplementary",
})  # fmt: skip
"""Columns that say who somebody is, so that they may be kept as keyed hashes only. Remittance may hold IBANs."""

_ENTRY = re.compile(
    r"(?P<value>\d{6})(?P<booking>\d{4})?(?P<mark>R?[CD]|E[CD])(?P<funds>[A-Z])?(?P<amount>\d[\d.,]*)"
    r"(?P<type>[A-Z][A-Z0-9]{3})(?P<reference>.*)",
    re.DOTALL,
)
_BALANCE = re.compile(r"[CD](?P<date>\d{6})(?P<currency>[A-Z]{3})\d[\d,.]*")
_IBAN_AND_CURRENCY = re.compile(r"(?P<iban>[A-Z]{2}\d{2}[A-Z0-9]{10,30})(?P<currency>[A-Z]{3})")
_FLOOR_LIMIT = re.compile(r"(?P<currency>[A-Z]{3})[CD]?\d[\d,.]*")
_CREDITS = ("C", "RD")
_NO_REFERENCE = "NONREF"


@dataclass
class Statement:
    """What fields before the entries say of all of them."""

    values: dict[str, str] = field(default_factory=dict)
    problem: BadRecordError | None = None
    entries: int = 0
    interim: bool = False
    bookings: Counter[str] = field(default_factory=Counter)

    def tell(self, known: SwiftField) -> None:
        """Take in a field of the statement; others than those that are needed are none of its business."""
        text = known.lines[0].strip()
        match known.tag:
            case "20":
                self._keep({"statement_reference": text}, known)
            case "25" | "25P":
                self._keep(_account(known.lines), known)
            case "28C" | "28":
                self._keep({"statement_number": text}, known)
            case "60F" | "60M" | "60":
                self._keep_balance(text, known)
            case "34F":
                self._keep_limit(text, known)

    def _keep_limit(self, text: str, known: SwiftField) -> None:
        limit = _FLOOR_LIMIT.fullmatch(text)
        self.interim = True
        self._keep({} if limit is None else {"currency": limit["currency"]}, known)

    def _keep(self, values: Mapping[str, str], known: SwiftField) -> None:
        self.values.update(values)
        self.problem = self.problem or known.problem

    def _keep_balance(self, text: str, known: SwiftField) -> None:
        balance = _BALANCE.fullmatch(text)
        opening = None if balance is None else date_of(balance["date"])
        if balance is None or opening is None:
            self.values.pop("currency", None)
            self.problem = BadRecordError("balance_unreadable", "the statement's opening balance (60) is none")
            return
        self._keep({"currency": balance["currency"], "opening_date": opening.isoformat()}, known)


def _account(lines: Sequence[str]) -> dict[str, str]:
    """`BIC/number`, `sort code/number`, or a number, to which some banks append the currency."""
    bank, slash, number = lines[0].strip().partition("/")
    if not slash:
        bank, number = "", bank
    bank = bank or (lines[1].strip() if len(lines) > 1 else "")
    with_currency = _IBAN_AND_CURRENCY.fullmatch(number)
    found = {"account": with_currency["iban"] if with_currency and _is_right_iban(with_currency["iban"]) else number}
    return found | ({"account_bank": bank} if bank else {})


def _is_right_iban(text: str) -> bool:
    iban = read_iban(text)
    return iban is not None and iban.sum_is_right


def entry_cells(
    statement: Statement,
    entry: SwiftField,
    information: SwiftField | None,
    columns: Sequence[str],
    *,
    with_reports: bool = False,
) -> list[str | None]:
    """Return the texts of an entry in these columns; of an interim report only `with_reports`.

    Raises BadRecordError if it cannot be booked.
    """
    statement.entries += 1
    if statement.interim and not with_reports:
        raise BadRecordError(
            "message_MT942",
            "the entry is of an interim report (MT942), which the statement tells again: the mapping mt942 reads both",
        )
    told = None if information is None else information.problem
    problem = statement.problem or entry.problem or told
    if problem is not None:
        raise problem
    if "currency" not in statement.values:
        raise BadRecordError(
            "balance_missing", "no opening balance (60) stands before the entry: its currency is unknown"
        )
    found = _ENTRY.fullmatch(entry.lines[0].strip())
    if found is None:
        raise BadRecordError("entry_unreadable", "field 61 is not date, mark, amount, type and reference")
    if found["mark"].startswith("E"):
        raise BadRecordError("entry_pending", f"the entry is expected (mark {found['mark']}), not booked")
    values = statement.values | _booked(found) | {"entry_id": _entry_id(statement)}
    values["booking_id"] = _booking_id(statement, values)
    values["supplementary"] = " ".join(line.strip() for line in entry.lines[1:])
    if information is not None:
        values |= read_information(information.lines)
    values |= _flow(values)
    return [values.get(column) or None for column in columns]


def _entry_id(statement: Statement) -> str:
    names = ("statement_reference", "statement_number", "opening_date")
    return "|".join([*(statement.values.get(name, "") for name in names), str(statement.entries)])


def _booking_id(statement: Statement, values: Mapping[str, str]) -> str:
    """Made of what a report and the statement tell alike; an entry that is told twice in one of them is two."""
    reference = values["bank_reference"]
    if not reference or reference.upper() == _NO_REFERENCE:
        if statement.interim:
            raise BadRecordError(
                "entry_reference_missing",
                "the bank's reference of the entry (after // in field 61) is missing, by which the statement's would "
                "be known as the same: it is taken from the statement (MT940)",
            )
        reference = values["entry_id"]
    amount = values["amount"].rstrip("0").rstrip(".") if "." in values["amount"] else values["amount"]
    signs = (values["direction"], values["reversal"], values["currency"])
    booking = "|".join([reference, values["value_date"], amount, *signs])
    statement.bookings[booking] += 1
    times = statement.bookings[booking]
    return f"{booking}|{times}" if times > 1 else booking


def _booked(found: re.Match[str]) -> dict[str, str]:
    valued, booked = _dates(found)
    amount = plain_amount(found["amount"])
    if amount is None:
        raise BadRecordError("amount_unreadable", "the amount in field 61 is no number")
    customer, _, bank = found["reference"].partition("//")
    return {
        "value_date": valued.isoformat(),
        "booked_at": booked.isoformat(),
        "amount": amount,
        "direction": "CRDT" if found["mark"] in _CREDITS else "DBIT",
        "reversal": "true" if found["mark"].startswith("R") else "false",
        "transaction_type": found["type"],
        "customer_reference": customer.strip(),
        "bank_reference": bank.strip(),
    }


def _dates(found: re.Match[str]) -> tuple[date, date]:
    """The value date, and the day of booking: in the year that brings it closest to the value date."""
    valued = date_of(found["value"])
    booked = valued if valued is None or found["booking"] is None else date_near(found["booking"], valued)
    if valued is None or booked is None:
        raise BadRecordError("time_unreadable", "a date in field 61 is none")
    return valued, booked


def _flow(values: Mapping[str, str]) -> dict[str, str]:
    """Money flows from debtor to creditor; the statement's account is one of them."""
    own, other = ("creditor", "debtor") if values["direction"] == "CRDT" else ("debtor", "creditor")
    parts = {
        f"{own}_account": values.get("account"),
        f"{own}_bank": values.get("account_bank"),
        f"{other}_account": values.get("counterparty_account"),
        f"{other}_bank": values.get("counterparty_bank"),
    }
    return {name: text for name, text in parts.items() if text}
