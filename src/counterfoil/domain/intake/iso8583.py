"""Which columns a card message of ISO 8583 has that was written as JSON: data elements by their numbers."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

from counterfoil.domain.intake.json_records import require_whole_text
from counterfoil.domain.intake.parsing_ids import NO_ID, TRUTH_VALUE
from counterfoil.domain.intake.raw import BadRecordError

COLUMNS = (
    "message_type", "kind", "payment_id", "card_number", "transmitted_at", "amount", "currency", "billing_amount",
    "billing_currency", "processing_code", "direction", "reversal", "trace_number", "expiry", "merchant_category",
    "acquirer_country", "entry_mode", "condition", "acquirer", "retrieval_reference", "authorisation_code",
    "response_code", "approved", "terminal", "merchant", "merchant_name",
)  # fmt: skip
"""Every column that a mapping may name.

`amount` and `billing_amount` are in the units of their currencies, by the digits of ISO 4217. `direction` is debit or
credit as the cardholder sees it: a refund is a credit, its reversal a debit. `terminal` and `merchant` have no blanks
at their ends, which writers pad. `transmitted_at` (7) has no year in it: it is the one that brings it closest to the
time at which the message was received, which stands beside the elements (`received_at`, `timestamp`, `logged_at`), in
ISO 8601 or counted from 1970. A reversal whose replacement amounts (95) say what is left reverses the rest only: its
`amount` is the difference, and nothing tells the `billing_amount`.
"""

PERSONAL = frozenset({"card_number", "expiry"})
"""Columns that say who somebody is, so that they may be kept as keyed hashes only."""

_KEY = re.compile(r"(?:de|df|f|field|bit|p|s|data_?element)?[ _.-]?0{0,2}(?P<number>\d{1,3})", re.IGNORECASE)
_TYPES = ("t", "mti", "messagetype", "message_type", "messagetypeindicator", "0")
_WITHIN = (
    "fields", "dataelements", "data_elements", "elements", "message", "body", "iso8583", "data", "bits", "isomsg",
    "field",
)  # fmt: skip
_RECEIVED = ("received_at", "receivedat", "timestamp", "@timestamp", "logged_at", "ingested_at", "time")
_MOST_DEPTH = 3
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MTI = re.compile(r"[0129][1-8][0-9][0-9]")
_KINDS = {
    "1": "authorisation", "2": "financial", "3": "file", "4": "reversal", "5": "reconciliation", "6": "administrative",
    "7": "fee", "8": "network",
}  # fmt: skip
_OF_PAYMENTS = ("authorisation", "financial", "reversal")
_REFUNDS = ("20", "21", "22", "23", "24", "25", "26", "27", "28", "29")
_INQUIRIES = "3"
"""The first digit of processing codes that ask for a balance or for funds and move no money."""
_APPROVED = ("00", "08", "10", "11", "85", "000", "001")
_RESPONSES = "13579"
"""The third digit of a message that answers another (or a notice of it): an answer is the same payment."""
_PLAIN = {
    "processing_code": 3, "trace_number": 11, "expiry": 14, "merchant_category": 18, "acquirer_country": 19,
    "entry_mode": 22, "condition": 25, "acquirer": 32, "retrieval_reference": 37, "authorisation_code": 38,
    "response_code": 39, "terminal": 41, "merchant": 42, "merchant_name": 43,
}  # fmt: skip
_REPEATS = "135"
"""The fourth digit of a message that was sent before: it says nothing new."""
_DAY = len("2026-03-01")
_CARD = "2"
_REPLACEMENT = 95
_REPLACED = 12
"""So many digits of the replacement amounts are the amount of the transaction."""
_UNIT_DIGITS = {10: 1, 13: 10**3, 16: 10**6, 19: 10**9}
"""How many digits a time of these years has that is counted from 1970 -> how many of its units are a second."""
_DIGITS = {"processing_code": 6, "trace_number": 6, "merchant_category": 4, "entry_mode": 3, "condition": 2}
"""Elements of digits: a writer of JSON numbers loses their leading zeros."""


def cells(record: Mapping[str, Any], columns: Sequence[str]) -> list[str | None]:
    """Return the texts of a message in these columns. Raises BadRecordError if it is no payment."""
    elements = dict(_elements(record, 0))
    values = _values(elements)
    return [values.get(column) or None for column in columns]


def _elements(record: Mapping[str, Any], depth: int) -> Iterator[tuple[str, str]]:
    """Yield the elements by number, the message's type as `t` and the time of its receipt as `received`."""
    for key, value in record.items():
        name = key.strip().lower()
        if isinstance(value, list) and name in _WITHIN:
            value = dict(_listed(value))
        if isinstance(value, Mapping) and name in _WITHIN:
            if depth < _MOST_DEPTH:
                yield from _elements(value, depth + 1)
            continue
        number = _KEY.fullmatch(name)
        if not isinstance(value, str):
            if number is not None:
                _require_other_than(value, str(int(number["number"])))
            continue
        if name in _TYPES:
            yield "t", value.strip()
        elif name in _RECEIVED:
            yield "received", value.strip()
        elif number is not None:
            element = str(int(number["number"]))
            require_whole_text(value, element)
            yield element, value


def _require_other_than(value: Any, element: str) -> None:
    """Raise BadRecordError if what is no text stands for an element, or for the card, which would be lost silently."""
    if isinstance(value, bool):
        raise BadRecordError(TRUTH_VALUE, f"element {element} holds {NO_ID}")
    if value is not None and element == _CARD:
        raise BadRecordError("json_nested_value", f"element {element} holds an object or a list")


def _listed(elements: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    """Yield elements that are written as a list of `{"id": "2", "value": "..."}`."""
    for element in elements:
        if isinstance(element, Mapping) and isinstance(element.get("id"), str):
            yield element["id"], element.get("value")


def _values(elements: Mapping[str, str]) -> dict[str, str]:
    kind = _kind(elements)
    values = {name: elements.get(str(number), "").strip() for name, number in _PLAIN.items()}
    values |= {name: values[name].zfill(digits) for name, digits in _DIGITS.items() if values[name].isdigit()}
    if values["processing_code"].startswith(_INQUIRIES):
        raise BadRecordError("message_inquiry", "the message asks for a balance (processing code 3x): it is no payment")
    amount, currency = _money(elements, 4, 49)
    billed, billed_in = _money(elements, 6, 51) if "6" in elements else ("", "")
    reversal = kind == "reversal"
    left = _left_of(elements, currency) if reversal else Decimal(0)
    if left:
        amount, billed, billed_in = _without(amount, left), "", ""
    refund = values["processing_code"][:2] in _REFUNDS
    values |= {
        "message_type": elements["t"].zfill(4),
        "kind": kind,
        "card_number": elements.get(_CARD, "").strip(),
        "transmitted_at": _transmitted(elements),
        "amount": amount,
        "currency": currency,
        "billing_amount": billed,
        "billing_currency": billed_in,
        "direction": "credit" if refund != reversal else "debit",
        "reversal": "true" if reversal else "false",
        "approved": _approved(values["response_code"]),
    }
    return values | {"payment_id": _payment_id(values)}


def _kind(elements: Mapping[str, str]) -> str:
    mti = elements.get("t", "").zfill(4)
    if _MTI.fullmatch(mti) is None:
        raise BadRecordError("message_type_unreadable", "the message's type (MTI) is not four digits of ISO 8583")
    kind = _KINDS[mti[1]]
    if kind not in _OF_PAYMENTS:
        raise BadRecordError(f"message_{kind}", f"the message is of the kind {kind!r}, which is no payment")
    return kind


def _money(elements: Mapping[str, str], amount: int, currency: int) -> tuple[str, str]:
    """Return an amount in the units of its currency, and that currency's letters."""
    told, code = elements.get(str(amount), "").strip(), elements.get(str(currency), "").strip()
    if not told:
        return "", ""
    known = _currency(code)
    if known is None:
        raise BadRecordError("currency_unreadable", f"element {currency} is no currency of ISO 4217 with an amount")
    if not (told.isdigit() and told.isascii()):
        raise BadRecordError("amount_unreadable", f"element {amount} is not an amount in minor units: digits only")
    letters, digits = known
    text = told.zfill(digits + 1)
    return (f"{text[:-digits]}.{text[-digits:]}" if digits else text), letters


def _left_of(elements: Mapping[str, str], currency: str) -> Decimal:
    """What a reversal leaves of the amount, by its replacement amounts; nothing if it reverses all."""
    told = elements.get(str(_REPLACEMENT), "").strip()[:_REPLACED]
    if not told or not currency:
        return Decimal(0)
    if not (told.isdigit() and told.isascii() and len(told) == _REPLACED):
        raise BadRecordError("amount_unreadable", f"element {_REPLACEMENT} does not begin with {_REPLACED} digits")
    known = _currency(currency)
    return Decimal(told).scaleb(-known[1]) if known is not None else Decimal(0)


def _without(amount: str, left: Decimal) -> str:
    reversed_amount = Decimal(amount) - left
    if reversed_amount < 0:
        raise BadRecordError(
            "amount_unreadable", f"element {_REPLACEMENT} leaves more than the amount that is reversed"
        )
    return str(reversed_amount)


def _currency(code: str) -> tuple[str, int] | None:
    return _currencies().get(code.zfill(3) if code.isdigit() else code.upper())


@cache
def _currencies() -> dict[str, tuple[str, int]]:
    """Number and letters of a currency -> its letters and digits; only of those that amounts can be in."""
    from iso4217 import Currency  # reads its table when it is imported

    known = [(one.number, one.code, one.exponent) for one in Currency if one.exponent is not None]
    letters = {code: (code, digits) for _, code, digits in known if digits is not None}
    return letters | {f"{number:03d}": letters[code] for number, code, _ in known}


def _transmitted(elements: Mapping[str, str]) -> str:
    """The time in UTC: of element 7 with the year that brings it closest to the receipt, else the receipt itself."""
    received = _time_of(elements.get("received", ""))
    told = elements.get("7", "").strip().zfill(10)
    if received is None:
        raise BadRecordError(
            "time_missing",
            "element 7 has no year, and no received_at, timestamp or logged_at with a time stands beside it",
        )
    if "7" not in elements:
        return received.isoformat()
    years = (received.year - 1, received.year, received.year + 1)
    found = [time for year in years if (time := _in_year(told, year)) is not None]
    if not found:
        raise BadRecordError("time_unreadable", "element 7 is no time (MMDDhhmmss)")
    return min(found, key=lambda time: abs(time - received)).isoformat()


def _in_year(told: str, year: int) -> datetime | None:
    try:
        return datetime.strptime(f"{year}{told}", "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None


def _time_of(text: str) -> datetime | None:
    """The time in ISO 8601, or counted from 1970 in seconds, or in smaller units by its digits."""
    whole, _, fraction = text.partition(".")
    if whole.isdigit() and whole.isascii() and len(whole) in _UNIT_DIGITS and (not fraction or fraction.isdigit()):
        micros = Decimal(text) * 10**6 / _UNIT_DIGITS[len(whole)]
        return _EPOCH + timedelta(microseconds=int(micros))
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def _approved(response: str) -> str:
    return "" if not response else "true" if response in _APPROVED else "false"


def _payment_id(values: Mapping[str, str]) -> str:
    """Who acquired it, its retrieval reference and trace number, its type (a reversal is another message) and its time.

    No card number is in it. An answer has the id of what it answers, and a repeat that of what it repeats: it may be
    sent at a later time (7), so that with a retrieval reference, which stays, only the day counts.
    """
    reference = values["retrieval_reference"].strip("0")
    if not reference and not values["trace_number"]:
        return ""
    time = values["transmitted_at"][:_DAY] if reference else values["transmitted_at"]
    mti = values["message_type"]
    asked = f"{mti[:2]}{int(mti[2]) - (mti[2] in _RESPONSES)}{int(mti[3]) - (mti[3] in _REPEATS)}"
    parts = (*(values[name] for name in ("acquirer", "terminal", "retrieval_reference", "trace_number")), time)
    return "|".join([asked, *(part.replace("%", "%25").replace("|", "%7C") for part in parts)])
