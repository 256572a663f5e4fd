"""Which columns an entry of a NACHA file has (US ACH), by the places of its 94 characters."""

from collections.abc import Mapping, Sequence
from datetime import date

from counterfoil.domain.intake.raw import BadRecordError

COLUMNS = (
    "file_id", "created_at", "company_name", "company_id", "entry_class", "entry_description", "effective_date",
    "batch_number", "originating_bank", "trace_number", "payment_id", "transaction_code", "direction", "returned",
    "account_type", "amount", "currency", "receiver_bank", "receiver_account", "receiver_name", "receiver_id",
    "discretionary_data", "addenda", "return_reason", "debtor_account", "debtor_bank", "creditor_account",
    "creditor_bank",
)  # fmt: skip
"""Every column that a mapping may name.

Money flows from debtor to creditor. The company that sends the batch has no account in the file: its id stands for
one at its bank. `payment_id` is trace number, effective date, batch and company: a trace number comes again each day.
`amount` is in dollars, banks are eight digits, `addenda` says how many records follow the entry. `direction` is credit
or debit as the receiver sees it: a returned credit is a debit.
"""

PERSONAL = frozenset({
    "receiver_account", "receiver_name", "receiver_id", "debtor_account", "creditor_account", "company_name",
    "company_id",
})  # fmt: skip
"""Columns that say who somebody is, so that they may be kept as keyed hashes only."""

LENGTH = 94
FILE, BATCH, ENTRY, ADDENDUM, BATCH_END, FILE_END = "156789"

_CHECKING, _SAVINGS, _LEDGER, _LOAN = "2345"
_ACCOUNTS = {_CHECKING: "checking", _SAVINGS: "savings", _LEDGER: "ledger", _LOAN: "loan"}
_CREDIT_CODES, _DEBIT_CODES = "1234", "56789"
_RETURNS = ("1", "6")
_PRENOTES = ("3", "8")
_ZERO_DOLLARS = ("4", "9")
_RETURN_ADDENDUM, _CHANGE_ADDENDUM = "799", "798"
_FOREIGN = "IAT"


def _at(text: str, first: int, last: int) -> str:
    """Return what stands in places counted from 1, as the rules of NACHA count them."""
    return text[first - 1 : last].strip()


def _day(text: str) -> str:
    """Return YYMMDD as an ISO date; empty if it is none."""
    try:
        return date(2000 + int(text[:2]), int(text[2:4]), int(text[4:6])).isoformat() if text.isascii() else ""
    except ValueError:
        return ""


def file_values(record: str) -> dict[str, str]:
    """Return what the file's header (1) tells of all entries."""
    day, time = _day(_at(record, 24, 29)), _at(record, 30, 33)
    known_time = f"T{time[:2]}:{time[2:]}" if time.isdigit() and time.isascii() and len(time) == len("HHMM") else ""
    return {"file_id": _at(record, 34, 34), "created_at": f"{day}{known_time}" if day else ""}


def batch_values(record: str) -> dict[str, str]:
    """Return what a batch's header (5) tells of its entries; a foreign one (IAT) names its company elsewhere."""
    entry_class = _at(record, 51, 53)
    foreign = entry_class == _FOREIGN
    return {
        "company_name": "" if foreign else _at(record, 5, 20),
        "company_id": _at(record, 41, 50),
        "entry_class": entry_class,
        "entry_description": _at(record, 54, 63),
        "effective_date": _day(_at(record, 70, 75)),
        "originating_bank": _at(record, 80, 87),
        "batch_number": _at(record, 88, 94),
    }


def entry_values(record: str, outer: Mapping[str, str]) -> dict[str, str]:
    """Return what an entry (6) tells. Raises BadRecordError if it moves no money or cannot be read."""
    code, cents = _at(record, 2, 3), _at(record, 30, 39)
    if not (len(code) == len("22") and code[0] in _ACCOUNTS and code[1] in _CREDIT_CODES + _DEBIT_CODES):
        raise BadRecordError("transaction_code_unknown", "the entry's transaction code is neither a debit nor a credit")
    if not (cents.isdigit() and cents.isascii()):
        raise BadRecordError("amount_unreadable", "the entry's amount is not ten digits of cents")
    if code[1] in _PRENOTES:
        raise BadRecordError("entry_prenote", "the entry is a prenotification, which moves no money")
    if code[1] in _ZERO_DOLLARS:
        raise BadRecordError("entry_without_money", "the entry carries remittance data only, and no money")
    returned = code[1] in _RETURNS
    values = {
        "transaction_code": code,
        "direction": "credit" if (code[1] in _CREDIT_CODES) != returned else "debit",
        "returned": "true" if returned else "false",
        "account_type": _ACCOUNTS[code[0]],
        "amount": f"{int(cents) // 100}.{int(cents) % 100:02d}",
        "currency": "USD",
        "receiver_bank": _at(record, 4, 11),
        **_receiver(record, outer["entry_class"]),
        "trace_number": _at(record, 80, 94),
    }
    return values | _flow(values, outer) | {"payment_id": _payment_id(values, outer)}


def _receiver(record: str, entry_class: str) -> dict[str, str]:
    if entry_class == _FOREIGN:
        return {"receiver_account": _at(record, 40, 74)}
    return {
        "receiver_account": _at(record, 13, 29),
        "receiver_id": _at(record, 40, 54),
        "receiver_name": _at(record, 55, 76),
        "discretionary_data": _at(record, 77, 78),
    }


def _flow(values: Mapping[str, str], outer: Mapping[str, str]) -> dict[str, str]:
    """A credit goes from the company to the receiver, a debit from the receiver to the company.

    A return goes back; the receiver's bank has sent it, so the two banks have changed their places.
    """
    receiver, company = ("creditor", "debtor") if values["direction"] == "credit" else ("debtor", "creditor")
    banks = values["receiver_bank"], outer["originating_bank"]
    own, other = banks[::-1] if values["returned"] == "true" else banks
    return {
        f"{receiver}_account": values["receiver_account"],
        f"{receiver}_bank": own,
        f"{company}_account": outer["company_id"],
        f"{company}_bank": other,
    }


def _payment_id(values: Mapping[str, str], outer: Mapping[str, str]) -> str:
    # No company id: it may be a person's number.
    parts = (values["trace_number"], outer["effective_date"], outer["batch_number"], outer["file_id"])
    return "|".join((*parts, outer["created_at"]))


def addendum_values(record: str) -> dict[str, str]:
    """Return what an addendum (7) tells of its entry: why it comes back.

    Raises BadRecordError for a notification of change, which moves no money.
    """
    if record.startswith(_CHANGE_ADDENDUM):
        raise BadRecordError("entry_notification", "the entry is a notification of change, which moves no money")
    return {"return_reason": _at(record, 4, 6)} if record.startswith(_RETURN_ADDENDUM) else {}


def cells(values: Mapping[str, str], columns: Sequence[str]) -> list[str | None]:
    """Return the texts of an entry in these columns."""
    return [values.get(column) or None for column in columns]
