"""Which columns a payment of an ISO 20022 message has, for each kind of message that is read.

Elements are named by the path of their local names below the message. A payment's own elements begin with
`CdtTrfTxInf`, whatever its element is called and wherever the message puts it; what it does not say itself may be said
by its payment information (pain) or by the message's header.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

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
"""Column of a credit transfer -> elements, the first that is there counts."""

REPEATED = frozenset({
    *_PATHS["remittance"], *_PATHS["remittance_reference"], f"{_T}OrgnlTxRef/RmtInf/Ustrd",
    *(f"{_T}RtrRsnInf/Rsn/{name}" for name in _NAMED),
})  # fmt: skip
"""Elements that may stand several times; their texts are joined by a blank."""

CURRENCY = "@Ccy"
"""Stands for the attribute of an amount at the end of a path."""

_BANKS = {
    "debtor_bank": "debtor_agent",
    "creditor_bank": "creditor_agent",
    "instructing_bank": "instructing_agent",
    "instructed_bank": "instructed_agent",
}
"""Column -> the agent that it names."""

PERSONAL = frozenset({"debtor_name", "creditor_name", "debtor_account", "creditor_account"})
"""Columns that say who somebody is, so that they may be kept as keyed hashes only."""


@dataclass(frozen=True)
class Kind:
    """Messages of one kind: the element that is the message -> its name; the element of a payment; its columns.

    `payment_id` is what tells a payment from all others: its UETR; else the ids of its message, of who sent it and of
    the payment together, since each of them alone may be shared. A merchant's Pix code gives all its payments one
    transaction id; end-to-end ids may be NOTPROVIDED. A return has an id of its own, not
    the UETR of the returned payment.

    `debtor_bank` and its like are the bank's number in its clearing system, after the system's code if that is told
    (USABA/011104238); else its BIC. An account's number is one at its bank only, and for Pix at its branch
    (`debtor_account_issuer`).
    """

    messages: Mapping[str, str]
    record: str
    paths: Mapping[str, tuple[str, ...]]
    currencies: Mapping[str, tuple[str, ...]]
    needs_records: bool = False
    """Whether a message without payments means some (a group's return), so that it is refused and counted."""

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Every column that a mapping may name."""
        return ("message_type", "payment_id", *self.paths, *_BANKS, *self.currencies)

    @cached_property
    def wanted(self) -> frozenset[str]:
        """All elements whose text is of interest."""
        return frozenset(path for paths in self.paths.values() for path in paths)


_CURRENCIES = {"settlement_currency": _SETTLED, "instructed_currency": _INSTRUCTED}


def _institution(party: str) -> dict[str, tuple[str, ...]]:
    """A bank that pays or is paid itself: it is its own agent, and its number stands for an untold account."""
    side, at = ("debtor", "Dbtr") if party == "Dbtr" else ("creditor", "Cdtr")
    return {
        f"{side}_name": (f"{_T}{at}/FinInstnId/Nm",),
        f"{side}_country": (f"{_T}{at}/FinInstnId/PstlAdr/Ctry",),
        f"{side}_agent_bic": _bank(at),
        f"{side}_agent_member": _member(at),
        f"{side}_agent_system": _system(at),
        f"{side}_account": (*_account(at), *_bank(at), *_member(at)),
    }


def _returning(side: str, party: str, original: str) -> dict[str, tuple[str, ...]]:
    """Who takes a side in a return: told by its chain, else by the returned payment, where it took the other side."""
    chain, there = f"{_T}RtrChain/{party}", f"{_T}OrgnlTxRef/{original}"
    agents = (f"{chain}Agt/FinInstnId/", f"{there}Agt/FinInstnId/")
    return {
        f"{side}_name": (f"{chain}/Pty/Nm", f"{chain}/Nm", f"{there}/Pty/Nm", f"{there}/Nm"),
        f"{side}_country": tuple(f"{who}{pty}/PstlAdr/Ctry" for who in (chain, there) for pty in ("/Pty", "")),
        f"{side}_account": tuple(f"{who}Acct/Id/{id_}" for who in (chain, there) for id_ in ("IBAN", "Othr/Id")),
        f"{side}_account_issuer": (f"{chain}Acct/Id/Othr/Issr", f"{there}Acct/Id/Othr/Issr"),
        f"{side}_agent_bic": tuple(f"{agent}{name}" for agent in agents for name in ("BICFI", "BIC")),
        f"{side}_agent_member": tuple(f"{agent}ClrSysMmbId/MmbId" for agent in agents),
        f"{side}_agent_system": tuple(f"{agent}ClrSysMmbId/ClrSysId/{name}" for agent in agents for name in _NAMED),
    }


_RETURNED = (f"{_T}RtrdIntrBkSttlmAmt",)
_ORIGINAL = (f"{_T}OrgnlIntrBkSttlmAmt", f"{_T}OrgnlTxRef/IntrBkSttlmAmt")
_RETURN = _PATHS | {
    "uetr": (),
    "instruction_id": (),
    "end_to_end_id": (),
    "transaction_id": (f"{_T}RtrId",),
    "original_message_id": (f"{_T}OrgnlGrpInf/OrgnlMsgId", "OrgnlGrpInf/OrgnlMsgId"),
    "original_uetr": (f"{_T}OrgnlUETR",),
    "original_end_to_end_id": (f"{_T}OrgnlEndToEndId",),
    "original_transaction_id": (f"{_T}OrgnlTxId",),
    "settlement_amount": _RETURNED,
    "original_amount": _ORIGINAL,
    "instructed_amount": (f"{_T}RtrdInstdAmt",),
    "return_reason": tuple(f"{_T}RtrRsnInf/Rsn/{name}" for name in _NAMED),
    "remittance": (f"{_T}OrgnlTxRef/RmtInf/Ustrd",),
    "remittance_reference": (),
    "category_purpose": tuple(f"{_T}OrgnlTxRef/PmtTpInf/CtgyPurp/{name}" for name in _NAMED),
    "purpose": tuple(f"{_T}OrgnlTxRef/Purp/{name}" for name in _NAMED),
} | _returning("debtor", "Dbtr", "Cdtr") | _returning("creditor", "Cdtr", "Dbtr")  # fmt: skip
_COLLECTION = _PATHS | {
    "collection_date": (f"{_P}ReqdColltnDt",),
    "mandate_id": (f"{_T}DrctDbtTx/MndtRltdInf/MndtId",),
    "mandate_signed": (f"{_T}DrctDbtTx/MndtRltdInf/DtOfSgntr",),
    "sequence": (f"{_T}PmtTpInf/SeqTp", f"{_P}PmtTpInf/SeqTp"),
    "local_instrument": tuple(f"{part}PmtTpInf/LclInstrm/{name}" for part in (_T, _P) for name in _NAMED),
}

KINDS: Mapping[str, Kind] = {
    "iso20022": Kind({"FIToFICstmrCdtTrf": "pacs.008", "CstmrCdtTrfInitn": "pain.001"}, TRANSFER, _PATHS, _CURRENCIES),
    "pacs.009": Kind(
        {"FICdtTrf": "pacs.009", "FinInstnCdtTrf": "pacs.009"},
        TRANSFER,
        _PATHS | _institution("Dbtr") | _institution("Cdtr"),
        _CURRENCIES,
    ),
    "pacs.004": Kind(
        {"PmtRtr": "pacs.004"},
        "TxInf",
        _RETURN,
        {
            "settlement_currency": _RETURNED,
            "original_currency": _ORIGINAL,
            "instructed_currency": _RETURN["instructed_amount"],
        },
        needs_records=True,
    ),
    "pain.008": Kind(
        {"CstmrDrctDbtInitn": "pain.008"}, "DrctDbtTxInf", _COLLECTION, {"instructed_currency": _INSTRUCTED}
    ),
}
"""By `file.format`."""

COLUMNS = KINDS["iso20022"].columns
"""Every column of a credit transfer that a mapping may name."""


def cells(kind: Kind, values: Mapping[str, str], message: str, place: int, columns: Sequence[str]) -> list[str | None]:
    """Return the texts of a payment in these columns.

    `values` are the texts by path; `message` is the element of the message; `place` is that of the payment in the
    message, from 1.
    """
    return [_cell(kind, values, message, place, column) for column in columns]


def _cell(kind: Kind, values: Mapping[str, str], message: str, place: int, column: str) -> str | None:
    paths = kind.paths.get(column)
    if paths is not None:
        return _first_text(values, paths)
    if column == "message_type":
        return kind.messages[message]
    if column == "payment_id":
        return _payment_id(kind, values, place)
    if column in kind.currencies:
        amount = _first(values, kind.currencies[column])
        return None if amount is None else values.get(f"{amount}/{CURRENCY}")
    return _bank_of(kind, values, _BANKS[column])


def _payment_id(kind: Kind, values: Mapping[str, str], place: int) -> str | None:
    """What tells a payment from all others, the same wherever its message is found.

    A payment with a transaction id is known wherever it stands; any other only by its place in the message.
    """
    uetr = _text(kind, values, "uetr")
    if uetr is not None:
        uetr = uetr.strip()
        return uetr.lower() if _UUID.fullmatch(uetr) else uetr
    message = _text(kind, values, "message_id")
    if message is None:
        return None
    sender = _bank_of(kind, values, "instructing_agent") or _bank_of(kind, values, "debtor_agent")
    own = [_text(kind, values, name) for name in ("payment_information_id", "instruction_id", "end_to_end_id")]
    transaction = _text(kind, values, "transaction_id")
    if not any((sender, *own, transaction)):
        return f"{_escaped(message)}/{place}"
    parts = [message, sender, *own, str(place) if transaction is None else transaction]
    return "|".join(_escaped(part) for part in parts)


def _escaped(part: str | None) -> str:
    """A part of an id, without the mark between the parts; none is empty."""
    return (part or "").strip().replace("%", "%25").replace("|", "%7C")


def _bank_of(kind: Kind, values: Mapping[str, str], agent: str) -> str | None:
    member, system = _text(kind, values, f"{agent}_member"), _text(kind, values, f"{agent}_system")
    if member is None:
        return _text(kind, values, f"{agent}_bic")
    return member if system is None else f"{system}/{member}"


def _text(kind: Kind, values: Mapping[str, str], column: str) -> str | None:
    return _first_text(values, kind.paths[column])


def _first_text(values: Mapping[str, str], paths: Sequence[str]) -> str | None:
    for path in paths:
        text = values.get(path)
        if text and not text.isspace():
            return text
    return None


def _first(values: Mapping[str, str], paths: Sequence[str]) -> str | None:
    return next((path for path in paths if values.get(path, "").strip()), None)
