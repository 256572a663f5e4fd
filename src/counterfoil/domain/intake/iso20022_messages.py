"""ISO 20022 messages that are no credit transfers of customers: what they are called, and what their transactions are.

Also which columns a credit transfer of one message cannot have, though that of another may.
"""

import re
from collections.abc import Sequence

from counterfoil.domain.intake.raw import BadRecordError

OTHERS = {
    "FIToFICstmrCdtTrf": "pacs.008", "CstmrCdtTrfInitn": "pain.001",
    "FICdtTrf": "pacs.009", "FinInstnCdtTrf": "pacs.009", "PmtRtr": "pacs.004", "FIToFICstmrDrctDbt": "pacs.003",
    "FIToFIPmtStsRpt": "pacs.002", "FIToFIPmtRvsl": "pacs.007", "FIDrctDbt": "pacs.010", "FIToFIPmtStsReq": "pacs.028",
    "CstmrPmtStsRpt": "pain.002", "CstmrPmtRvsl": "pain.007", "CstmrDrctDbtInitn": "pain.008",
    "CdtrPmtActvtnReq": "pain.013", "CdtrPmtActvtnReqStsRpt": "pain.014", "BkToCstmrAcctRpt": "camt.052",
    "BkToCstmrStmt": "camt.053", "BkToCstmrDbtCdtNtfctn": "camt.054", "CstmrPmtCxlReq": "camt.055",
    "FIToFIPmtCxlReq": "camt.056", "RsltnOfInvstgtn": "camt.029",
}  # fmt: skip
"""The element that is the message -> what it is called; a reader refuses those that it does not know."""

DOCUMENT = "Document"

TRANSACTIONS = frozenset({
    "CdtTrfTxInf", "DrctDbtTxInf", "TxInf", "TxInfAndSts", "OrgnlPmtInfAndSts", "Ntry", "PmtInf", "CdtInstr", "DrctDbt",
})  # fmt: skip
"""Elements that are transactions, of which the innermost count."""

_WITH_MAPPINGS = {"pacs.008", "pacs.009", "pacs.004", "pain.001", "pain.008", "camt.052", "camt.053", "camt.054"}

_NAMESPACE = re.compile(r"urn:iso:std:iso:20022:tech:xsd:([a-z]{4}\.\d{3})\.\d{3}\.\d{2}")

_SHOWABLE = re.compile(r"[A-Za-z][A-Za-z0-9.]{1,40}")

_CANNOT_HAVE = {
    "pain.001": {
        "accepted_at", "settlement_date", "transaction_id", "settlement_amount", "settlement_currency",
        "instructing_agent_bic", "instructed_agent_bic",
    },
    "pacs.008": {"execution_date", "payment_information_id"},
}  # fmt: skip


def name_of(element: str, namespace: str | None) -> str | None:
    """Return what a message is called, by its element, else by its document's namespace; None if neither says it."""
    if element in OTHERS:
        return OTHERS[element]
    found = None if namespace is None else _NAMESPACE.fullmatch(namespace)
    return None if found is None else found[1]


def shown(element: str) -> str:
    """Return what an unknown message is called: its element, as `pain.001.001.02` was once; or `unknown`."""
    return element if _SHOWABLE.fullmatch(element) else "unknown"


def other_message(name: str, read: Sequence[str]) -> BadRecordError:
    """Return why a transaction of a message is refused that is none of those that are `read`."""
    way_out = f": use a mapping for it, as the shipped {_shipped(name)}" if name in _WITH_MAPPINGS else ""
    return BadRecordError(
        f"message_{name}", f"the message is {name}, of which nothing is read: {' and '.join(read)} are{way_out}"
    )


def _shipped(name: str) -> str:
    return f"iso20022-{name.replace('.', '')}"


def wrong_message(name: str, required: Sequence[str]) -> BadRecordError | None:
    """Return why no transfer of a message fits a mapping that requires these columns; None if one may."""
    missing = [column for column in required if column in _CANNOT_HAVE.get(name, ())]
    if not missing:
        return None
    columns = ", ".join(map(repr, missing))
    return BadRecordError(
        f"message_{name}",
        f"the message is {name}, which has no {columns}: use a mapping for it, as the shipped {_shipped(name)}",
    )
