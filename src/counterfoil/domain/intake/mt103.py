"""Which columns an MT103 has (SWIFT's customer transfer): one payment a message."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from counterfoil.domain.intake.raw import BadRecordError
from counterfoil.domain.intake.swift import SwiftField, date_of, plain_amount

COLUMNS = (
    "payment_id", "uetr", "sender_reference", "sender_bank", "receiver_bank", "value_date", "value_time", "amount",
    "currency", "instructed_amount", "instructed_currency", "exchange_rate", "operation", "charge_bearer",
    "debtor_account", "debtor_bank", "debtor_name", "creditor_account", "creditor_bank", "creditor_name", "remittance",
)  # fmt: skip
"""Every column that a mapping may name.

`value_time` is the value date. `debtor_bank` is field 52 or who sent the message, `creditor_bank` field 57 or who
received it: by BIC (A), else by the number in a clearing system (`SC123456`), else by name. `payment_id` is the UETR,
else the bank that sent it, its reference and the value date.
"""

PERSONAL = frozenset({"debtor_account", "debtor_name", "creditor_account", "creditor_name", "remittance"})
"""Columns that say who somebody is, so that they may be kept as keyed hashes only."""

_SENDER = re.compile(r"\{1:[A-Z]\d{2}(?P<bank>[A-Z0-9]{8})[A-Z0-9](?P<branch>[A-Z0-9]{3})")
_SENT = re.compile(r"\{2:I(?P<type>\d{3})(?P<bank>[A-Z0-9]{8})[A-Z0-9](?P<branch>[A-Z0-9]{3})")
_RECEIVED = re.compile(r"\{2:O(?P<type>\d{3})\d{10}(?P<bank>[A-Z0-9]{8})[A-Z0-9](?P<branch>[A-Z0-9]{3})")
_UETR = re.compile(r"\{121:(?P<uetr>[^}]+)\}")
_SETTLED = re.compile(r"(?P<date>\d{6})(?P<currency>[A-Z]{3})(?P<amount>[\d.,]+)")
_INSTRUCTED = re.compile(r"(?P<currency>[A-Z]{3})(?P<amount>[\d.,]+)")
_NAMED_LINE = re.compile(r"\d/(.*)")
_TYPE = "103"
BEGINS = "20"
"""The field that begins a message; a second one begins another, where messages stand without their blocks."""
_LINES = {"20": "sender_reference", "23B": "operation", "36": "exchange_rate", "71A": "charge_bearer"}


@dataclass
class Transfer:
    """A message while its fields are met; `line` is that of its first field or block."""

    line: int
    values: dict[str, str] = field(default_factory=dict)
    problem: BadRecordError | None = None
    has_begun: bool = False

    def begin(self, blocks: str) -> None:
        """Take in the blocks before the fields: who sent the message to whom, its type and UETR."""
        sent, received, own = _SENT.search(blocks), _RECEIVED.search(blocks), _SENDER.search(blocks)
        header = sent or received
        if header is not None and header["type"] != _TYPE:
            self.problem = BadRecordError(
                f"message_MT{header['type']}", f"the message is MT{header['type']}, not MT103"
            )
        sender, receiver = (received, own) if received is not None else (own, sent)
        self._keep("sender_bank", _bic(sender))
        self._keep("receiver_bank", _bic(receiver))
        uetr = _UETR.search(blocks)
        self._keep("uetr", "" if uetr is None else uetr["uetr"].strip().lower())

    def tell(self, known: SwiftField) -> None:
        """Take in a field."""
        self.has_begun = self.has_begun or known.tag == BEGINS
        self.problem = self.problem or known.problem
        first = known.lines[0].strip()
        if known.tag in _LINES:
            self._keep(_LINES[known.tag], first)
            return
        match known.tag:
            case "32A":
                self._settle(first)
            case "33B":
                self._instruct(first)
            case "50A" | "50F" | "50K":
                self._party("debtor", known)
            case "59" | "59A" | "59F":
                self._party("creditor", known)
            case "52A" | "52B" | "52C" | "52D":
                self._keep("debtor_bank", _bank(known))
            case "57A" | "57B" | "57C" | "57D":
                self._keep("creditor_bank", _bank(known))
            case "70":
                self._keep("remittance", " ".join(line.strip() for line in known.lines))

    def _keep(self, name: str, text: str) -> None:
        if text and name in self.values:
            self.problem = self.problem or BadRecordError("field_doubled", f"the message has {name} twice")
        if text:
            self.values[name] = text

    def _settle(self, text: str) -> None:
        found = _SETTLED.fullmatch(text)
        day = None if found is None else date_of(found["date"])
        amount = None if found is None else plain_amount(found["amount"])
        if found is None or day is None or amount is None:
            self.problem = BadRecordError("amount_unreadable", "field 32A is not date, currency and amount")
            return
        self._keep("value_date", day.isoformat())
        self._keep("amount", amount)
        self._keep("currency", found["currency"])

    def _instruct(self, text: str) -> None:
        found = _INSTRUCTED.fullmatch(text)
        if found is not None:
            self._keep("instructed_amount", plain_amount(found["amount"]) or "")
            self._keep("instructed_currency", found["currency"])

    def _party(self, side: str, known: SwiftField) -> None:
        lines = [line.strip() for line in known.lines]
        if lines[0].startswith("/"):
            self._keep(f"{side}_account", lines.pop(0).strip("/"))
        if lines and not known.tag.endswith("A"):
            named = _NAMED_LINE.fullmatch(lines[0]) if known.tag.endswith("F") else None
            self._keep(f"{side}_name", named[1] if named is not None else lines[0])

    def cells(self, columns: Sequence[str]) -> list[str | None]:
        """Return the texts of the payment in these columns. Raises BadRecordError if it is none."""
        if self.problem is not None:
            raise self.problem
        if "amount" not in self.values:
            raise BadRecordError("amount_missing", "the message has no field 32A: no date, currency and amount")
        values = _with_banks(self.values)
        return [values.get(column) or None for column in columns]


def _with_banks(told: Mapping[str, str]) -> dict[str, str]:
    values = {"debtor_bank": told.get("sender_bank", ""), "creditor_bank": told.get("receiver_bank", ""), **told}
    values["value_time"] = values["value_date"]
    parts = [values.get(name, "") for name in ("sender_bank", "sender_reference", "value_date")]
    if parts[1]:
        values["payment_id"] = "|".join(part.replace("%", "%25").replace("|", "%7C") for part in parts)
    return values | ({"payment_id": values["uetr"]} if "uetr" in values else {})


def _bic(found: re.Match[str] | None) -> str:
    if found is None:
        return ""
    branch = found["branch"]
    return found["bank"] if branch == "XXX" else f"{found['bank']}{branch}"


def _bank(known: SwiftField) -> str:
    """The BIC, after a line with an account if there is one; else the clearing number, which is first; else a name."""
    lines = [line.strip() for line in known.lines]
    if known.tag.endswith("A"):
        return lines[-1]
    if lines[0].startswith("//"):
        return lines[0].removeprefix("//")
    return next((line for line in lines if not line.startswith("/")), lines[0].strip("/"))
