"""Which columns a credit transfer of an ISO 20022 message has: pacs.008 (between banks), pain.001 (from a customer).

Elements are named by the path of their local names below the message. A transfer's own elements begin with
`CdtTrfTxInf`, wherever the message puts it; what it does not say itself may be said by its payment information
(pain.001) or by the message's header.
"""

import re
from collections.abc import Mapping, Sequence

MESSAGES = {"FIToFICstmrCdtTrf": "pacs.008", "CstmrCdtTrfInitn": "pain.001"}
"""The element that is the message -> what it is called."""

TRANSFER = "CdtTrfTxInf"
PAYMENT_INFORMATION = "PmtInf"
HEADER = "GrpHdr"

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
"""A UETR is a UUID, in capitals or not; another text in its place is told apart by its case."""

_T = f"{TRANSFER}/"
_P = f"{PAYMENT_INFORMATION}/"
_H = f"{HEADER}/"


_NAMED = ("Cd", "Prtry")


def _both(path: str) -> tuple[str, str]:
    return f"{_T}{path}", f"{_P}{path}"


def _bank(agent: str) -> tuple[str, ...]:
    # BICFI was called BIC before 2012.
    paths = [f"{before}{agent}/FinInstnId/{name}" for before in (_T, _P, _H) for name in ("BICFI", "BIC")]
    return tuple(paths)


def _member(agent: str) -> tuple[str, ...]:
    """An agent's number in a clearing system: Fedwire, FedNow, Pix, sort codes, BSB, IFSC."""
    return tuple(f"{before}{agent}/FinInstnId/ClrSysMmbId/MmbId" for before in (_T, _P, _H))


def _system(agent: str) -> tuple[str, ...]:
    """Which clearing system that is."""
    paths = [f"{before}{agent}/FinInstnId/ClrSysMmbId/ClrSysId/{name}" for before in (_T, _P, _H) for name in _NAMED]
    return tuple(paths)


def _issuer(party: str) -> tuple[str, ...]:
    return _both(f"{party}Acct/Id/Othr/Issr")


def _account(party: str) -> tuple[str, ...]:
    paths = [f"{before}{party}Acct/Id/{identifier}" for before in (_T, _P) for identifier in ("IBAN", "Othr/Id")]
    return tuple(paths)


_SETTLED = (f"{_T}IntrBkSttlmAmt",)
_INSTRUCTED = (f"{_T}InstdAmt", f"{_T}Amt/InstdAmt", f"{_T}Amt/EqvtAmt/Amt")

_PATHS: dict[str, tuple[str, ...]] = {
    "message_id": (f"{_H}MsgId",),
    "created_at": (f"{_H}CreDtTm",),
    "accepted_at": (f"{_T}AccptncDtTm",),
    "accepted_or_created_at": (f"{_T}AccptncDtTm", f"{_H}CreDtTm"),
    "settlement_date": (f"{_T}IntrBkSttlmDt", f"{_H}IntrBkSttlmDt"),
    "execution_date": (f"{_P}ReqdExctnDt/DtTm", f"{_P}ReqdExctnDt/Dt", f"{_P}ReqdExctnDt"),
    "payment_information_id": (f"{_P}PmtInfId",),
    "instruction_id": (f"{_T}PmtId/InstrId",),
    "end_to_end_id": (f"{_T}PmtId/EndToEndId",),
    "transaction_id": (f"{_T}PmtId/TxId",),
    "uetr": (f"{_T}PmtId/UETR",),
    "settlement_amount": _SETTLED,
    "instructed_amount": _INSTRUCTED,
    "debtor_name": _both("Dbtr/Nm"),
    "debtor_country": _both("Dbtr/PstlAdr/Ctry"),
    "debtor_account": _account("Dbtr"),
    "debtor_account_issuer": _issuer("Dbtr"),
    "debtor_agent_bic": _bank("DbtrAgt"),
    "debtor_agent_member": _member("DbtrAgt"),
    "debtor_agent_system": _system("DbtrAgt"),
    "creditor_name": _both("Cdtr/Nm"),
    "creditor_country": _both("Cdtr/PstlAdr/Ctry"),
    "creditor_account": _account("Cdtr"),
    "creditor_account_issuer": _issuer("Cdtr"),
    "creditor_agent_bic": _bank("CdtrAgt"),
    "creditor_agent_member": _member("CdtrAgt"),
    "creditor_agent_system": _system("CdtrAgt"),
    "instructing_agent_bic": _bank("InstgAgt"),
    "instructing_agent_member": _member("InstgAgt"),
    "instructing_agent_system": _system("InstgAgt"),
    "instructed_agent_bic": _bank("InstdAgt"),
    "instructed_agent_member": _member("InstdAgt"),
    "instructed_agent_system": _system("InstdAgt"),
    "charge_bearer": _both("ChrgBr"),
    "purpose": (f"{_T}Purp/Cd", f"{_T}Purp/Prtry"),
    "category_purpose": tuple(
        f"{before}PmtTpInf/CtgyPurp/{name}" for before in (_T, _P, _H) for name in ("Cd", "Prtry")
    ),
    "remittance": (f"{_T}RmtInf/Ustrd",),
    "remittance_reference": (f"{_T}RmtInf/Strd/CdtrRefInf/Ref",),
}
"""Column -> elements, the first that is there counts."""

_CURRENCIES = {"settlement_currency": _SETTLED, "instructed_currency": _INSTRUCTED}

REPEATED = frozenset({*_PATHS["remittance"], *_PATHS["remittance_reference"]})
"""Elements that may stand several times; their texts are joined by a blank."""

WANTED = frozenset(path for paths in _PATHS.values() for path in paths)
"""All elements whose text is of interest."""

CURRENCY = "@Ccy"
"""Stands for the attribute of an amount at the end of a path."""

_BANKS = {
    "debtor_bank": "debtor_agent",
    "creditor_bank": "creditor_agent",
    "instructing_bank": "instructing_agent",
    "instructed_bank": "instructed_agent",
}
"""Column -> the agent that it names."""

COLUMNS = ("message_type", "payment_id", *_PATHS, *_BANKS, *_CURRENCIES)
"""Every column that a mapping may name.

`payment_id` is what tells a transfer from all others: its UETR; else the ids of its message, of who sent it and of the
transfer together, since each of them alone may be shared. A merchant's Pix code gives all its payments one
transaction id; end-to-end ids may be NOTPROVIDED.

`debtor_bank` and its like are the bank's number in its clearing system, after the system's code if that is told
(USABA/011104238); else its BIC. An account's number is one at its bank only, and for Pix at its branch
(`debtor_account_issuer`).
"""

PERSONAL = frozenset({"debtor_name", "creditor_name", "debtor_account", "creditor_account"})
"""Columns that say who somebody is, so that they may be kept as keyed hashes only."""


def cells(values: Mapping[str, str], message: str, place: int, columns: Sequence[str]) -> list[str | None]:
    """Return the texts of a transfer in these columns.

    `values` are the texts by path; `message` is the element of MESSAGES; `place` is that of the transfer in the
    message, from 1.
    """
    return [_cell(values, message, place, column) for column in columns]


def _cell(values: Mapping[str, str], message: str, place: int, column: str) -> str | None:
    if column == "message_type":
        return MESSAGES[message]
    if column == "payment_id":
        return _payment_id(values, place)
    if column in _CURRENCIES:
        amount = _first(values, _CURRENCIES[column])
        return None if amount is None else values.get(f"{amount}/{CURRENCY}")
    return _bank_of(values, _BANKS[column]) if column in _BANKS else _text(values, column)


def _payment_id(values: Mapping[str, str], place: int) -> str | None:
    """What tells a transfer from all others, the same wherever its message is found.

    A transfer with a transaction id is known wherever it stands; any other only by its place in the message.
    """
    uetr = _text(values, "uetr")
    if uetr is not None:
        uetr = uetr.strip()
        return uetr.lower() if _UUID.fullmatch(uetr) else uetr
    message = _text(values, "message_id")
    if message is None:
        return None
    sender = _bank_of(values, "instructing_agent") or _bank_of(values, "debtor_agent")
    own = [_text(values, name) for name in ("payment_information_id", "instruction_id", "end_to_end_id")]
    transaction = _text(values, "transaction_id")
    if not any((sender, *own, transaction)):
        return f"{_escaped(message)}/{place}"
    parts = [message, sender, *own, str(place) if transaction is None else transaction]
    return "|".join(_escaped(part) for part in parts)


def _escaped(part: str | None) -> str:
    """A part of an id, without the mark between the parts; none is empty."""
    return (part or "").strip().replace("%", "%25").replace("|", "%7C")


def _bank_of(values: Mapping[str, str], agent: str) -> str | None:
    member, system = _text(values, f"{agent}_member"), _text(values, f"{agent}_system")
    if member is None:
        return _text(values, f"{agent}_bic")
    return member if system is None else f"{system}/{member}"


def _text(values: Mapping[str, str], column: str) -> str | None:
    found = _first(values, _PATHS[column])
    return None if found is None else values[found]


def _first(values: Mapping[str, str], paths: Sequence[str]) -> str | None:
    return next((path for path in paths if values.get(path, "").strip()), None)
