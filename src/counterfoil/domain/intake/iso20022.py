"""Which columns a credit transfer of an ISO 20022 message has: pacs.008 (between banks), pain.001 (from a customer).

Elements are named by the path of their local names below the message. A transfer's own elements begin with
`CdtTrfTxInf`, wherever the message puts it; what it does not say itself may be said by its payment information
(pain.001) or by the message's header.
"""

from collections.abc import Mapping, Sequence

MESSAGES = {"FIToFICstmrCdtTrf": "pacs.008", "CstmrCdtTrfInitn": "pain.001"}
"""The element that is the message -> what it is called."""

TRANSFER = "CdtTrfTxInf"
PAYMENT_INFORMATION = "PmtInf"
HEADER = "GrpHdr"

_T = f"{TRANSFER}/"
_P = f"{PAYMENT_INFORMATION}/"
_H = f"{HEADER}/"


def _both(path: str) -> tuple[str, str]:
    return f"{_T}{path}", f"{_P}{path}"


def _bank(agent: str) -> tuple[str, ...]:
    # BICFI was called BIC before 2012.
    paths = [f"{before}{agent}/FinInstnId/{name}" for before in (_T, _P, _H) for name in ("BICFI", "BIC")]
    return tuple(paths)


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
    "debtor_agent_bic": _bank("DbtrAgt"),
    "creditor_name": _both("Cdtr/Nm"),
    "creditor_country": _both("Cdtr/PstlAdr/Ctry"),
    "creditor_account": _account("Cdtr"),
    "creditor_agent_bic": _bank("CdtrAgt"),
    "instructing_agent_bic": _bank("InstgAgt"),
    "instructed_agent_bic": _bank("InstdAgt"),
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

COLUMNS = ("message_type", "payment_id", *_PATHS, *_CURRENCIES)
"""Every column that a mapping may name.

`payment_id` is what tells a transfer from all others: its UETR, else its transaction id, else the message's id and
the transfer's place in it. End-to-end ids are not: they may be NOTPROVIDED.
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
    found = _first(values, _PATHS[column])
    return None if found is None else values[found]


def _payment_id(values: Mapping[str, str], place: int) -> str | None:
    found = _first(values, (*_PATHS["uetr"], *_PATHS["transaction_id"]))
    if found is not None:
        return values[found]
    message = _first(values, _PATHS["message_id"])
    return None if message is None else f"{values[message]}/{place}"


def _first(values: Mapping[str, str], paths: Sequence[str]) -> str | None:
    return next((path for path in paths if values.get(path, "").strip()), None)
