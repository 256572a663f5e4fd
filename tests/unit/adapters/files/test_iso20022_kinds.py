"""pacs.009, pacs.004 and pain.008: payments of their own kind, read by mappings of their own."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from counterfoil.adapters.files.input_files import InputFiles
from counterfoil.adapters.files.mapping_files import load_mapping
from counterfoil.domain.intake.cleaning import clean
from counterfoil.errors import InputFileError

HEADER = "<GrpHdr><MsgId>M</MsgId><CreDtTm>2026-01-02T09:00:00Z</CreDtTm></GrpHdr>"
IBANS = ("NL91ABNA0417164300", "DE89370400440532013000")


def agent(element: str, bic: str) -> str:
    return f"<{element}><FinInstnId><BICFI>{bic}</BICFI></FinInstnId></{element}>"


def account(element: str, iban: str) -> str:
    return f"<{element}><Id><IBAN>{iban}</IBAN></Id></{element}>"


def parties(debtor: str, creditor: str) -> str:
    return account("DbtrAcct", debtor) + account("CdtrAcct", creditor)


BANKS = (
    "<CdtTrfTxInf><PmtId><EndToEndId>E</EndToEndId><UETR>u-9</UETR></PmtId>"
    '<IntrBkSttlmAmt Ccy="JPY">5000000</IntrBkSttlmAmt>'
    f"{agent('Dbtr', 'ABNANL2A')}{agent('Cdtr', 'COBADEFF')}</CdtTrfTxInf>"
)
RETURN = (
    "<TxInf><RtrId>R1</RtrId><OrgnlUETR>u-8</OrgnlUETR>"
    '<OrgnlIntrBkSttlmAmt Ccy="EUR">10.00</OrgnlIntrBkSttlmAmt><RtrdIntrBkSttlmAmt Ccy="EUR">9.50</RtrdIntrBkSttlmAmt>'
    "<RtrRsnInf><Rsn><Cd>AC04</Cd></Rsn></RtrRsnInf><RtrRsnInf><Rsn><Cd>NARR</Cd></Rsn></RtrRsnInf>"
    f"<OrgnlTxRef><RmtInf><Ustrd>a</Ustrd><Ustrd>b</Ustrd></RmtInf>{parties(*IBANS)}</OrgnlTxRef></TxInf>"
)
COLLECTION = (
    f"<PmtInf><PmtInfId>P</PmtInfId><PmtTpInf><SeqTp>RCUR</SeqTp></PmtTpInf>{account('CdtrAcct', IBANS[1])}"
    '<DrctDbtTxInf><PmtId><EndToEndId>E</EndToEndId></PmtId><InstdAmt Ccy="KWD">1.234</InstdAmt>'
    f"{account('DbtrAcct', IBANS[0])}</DrctDbtTxInf></PmtInf>"
)
CASES = {
    "pacs009": ("FICdtTrf", BANKS),
    "pacs004": ("PmtRtr", RETURN),
    "pain008": ("CstmrDrctDbtInitn", COLLECTION),
    "pacs008": (
        "FIToFICstmrCdtTrf",
        '<CdtTrfTxInf><PmtId><UETR>u-8</UETR></PmtId><IntrBkSttlmAmt Ccy="EUR">10.00</IntrBkSttlmAmt>'
        f"{parties(*IBANS)}</CdtTrfTxInf>",
    ),
}


def message(kind: str, *, body: str | None = None) -> str:
    element, one = CASES[kind]
    return f"<Document><{element}>{HEADER}{one if body is None else body}</{element}></Document>"


def read(folder: Path, kind: str, text: str) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the transactions, and the reasons of what was rejected."""
    path, mapping = folder / "in.xml", load_mapping(f"iso20022-{kind}")
    path.write_text(text)
    rows, reasons = list[dict[str, Any]](), list[str]()
    for batch in InputFiles().batches(path, mapping):
        cleaned = clean(
            batch.table, mapping, key=bytes(16), source=batch.source, first_line=batch.lines, content_hash="c"
        )
        rows += cleaned.transactions.to_pylist()
        reasons += batch.rejected["reason"].to_pylist() + cleaned.rejected["reason"].to_pylist()
    return rows, reasons


def test_money_between_banks_is_theirs(tmp_path: Path) -> None:
    (row,), reasons = read(tmp_path, "pacs009", message("pacs009"))
    assert (row["amount"], row["currency"], row["debtor_bank"], reasons) == (Decimal(5000000), "JPY", "ABNANL2A", [])
    assert row["account_id"] not in (None, row["merchant_id"])


def test_a_return_flows_back_and_has_an_id_of_its_own(tmp_path: Path) -> None:
    (back,), reasons = read(tmp_path, "pacs004", message("pacs004"))
    (there,), _ = read(tmp_path, "pacs008", message("pacs008"))
    assert (back["account_id"], back["merchant_id"]) == (there["merchant_id"], there["account_id"])
    assert (back["amount"], back["return_reason"], reasons) == (Decimal("9.50"), "AC04 NARR", [])
    assert back["transaction_id"] == "M|||||R1"
    assert there["transaction_id"] == "u-8"


def test_the_chain_of_a_return_says_best_who_gets_it(tmp_path: Path) -> None:
    chain = f"<RtrChain>{agent('DbtrAgt', 'ABNANL2A')}</RtrChain>"
    text = message("pacs004").replace("<OrgnlTxRef>", f"{chain}<OrgnlTxRef>{agent('CdtrAgt', 'COBADEFF')}")
    (row,), _ = read(tmp_path, "pacs004", text)
    assert row["debtor_bank"] == "ABNANL2A"


def test_a_return_of_a_whole_group_is_counted(tmp_path: Path) -> None:
    text = message("pacs004", body="<OrgnlGrpInf><OrgnlMsgId>O</OrgnlMsgId></OrgnlGrpInf>")
    assert read(tmp_path, "pacs004", text) == ([], ["message_without_payments"])


def test_a_collection_is_paid_by_the_debtor(tmp_path: Path) -> None:
    (row,), reasons = read(tmp_path, "pain008", message("pain008"))
    (there,), _ = read(tmp_path, "pacs008", message("pacs008"))
    assert (row["account_id"], row["merchant_id"]) == (there["account_id"], there["merchant_id"])
    assert (row["amount"], row["currency"], row["sequence"], reasons) == (Decimal("1.234"), "KWD", "RCUR", [])
    assert row["transaction_id"] == "M||P||E|1"


@pytest.mark.parametrize("kind", CASES)
def test_each_kind_refuses_the_others_one_by_one(tmp_path: Path, kind: str) -> None:
    others = [other for other in CASES if other != kind]
    text = message(kind) + "".join(map(message, others))
    rows, reasons = read(tmp_path, kind, text)
    assert len(rows) == 1
    assert reasons == [f"message_{other[:4]}.{other[4:]}" for other in others]
    with pytest.raises(InputFileError, match="message, but"):
        read(tmp_path, kind, message(others[0]))


OLD = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.02"


@pytest.mark.parametrize(
    ("other", "name"),
    [
        ("<Document><pacs.008.001.01>{}</pacs.008.001.01></Document>", "pacs.008.001.01"),
        (f'<Document xmlns="{OLD}"><pain.001.001.02>{{}}</pain.001.001.02></Document>', "pain.001.001.02"),
        ("<Own><Payments><PmtInf>{}</PmtInf></Payments></Own>", "Payments"),
        ("<Own><n-1>{}</n-1></Own>", "unknown"),
    ],
)
def test_transactions_of_messages_that_nobody_knows_are_counted(tmp_path: Path, other: str, name: str) -> None:
    text = other.format("<GrpHdr/><CdtTrfTxInf><Amt/></CdtTrfTxInf><CdtTrfTxInf/>")
    rows, reasons = read(tmp_path, "pacs008", f"<All>{message('pacs008')}{text}{message('pacs008')}</All>")
    assert (len(rows), reasons) == (2, [f"message_{name}"] * 2)
    with pytest.raises(InputFileError, match=f"message, but {name}"):
        read(tmp_path, "pacs008", text)
