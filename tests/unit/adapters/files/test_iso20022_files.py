"""ISO 20022: one row a transfer, by local names, in bounded memory; attacks and damage are refused."""

import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from counterfoil.adapters.files import iso20022_files
from counterfoil.adapters.files.input_files import InputFiles
from counterfoil.adapters.files.iso20022_handler import MOST_DEPTH, MOST_TEXT
from counterfoil.adapters.files.mapping_files import load_mapping
from counterfoil.domain.intake import iso20022
from counterfoil.domain.intake.cleaning import Cleaned, clean
from counterfoil.domain.intake.mapping import SourceMapping, parse_mapping
from counterfoil.domain.intake.raw import RawBatch
from counterfoil.errors import InputFileError, MappingError
from counterfoil.workspace.try_mapping import try_mapping

SAMPLES = Path(__file__).parent / "samples"
READER = InputFiles()
DECLARATION = '<?xml version="1.0"?>'
HEADER = "<GrpHdr><MsgId>M</MsgId><CreDtTm>2024-03-01T09:00:00Z</CreDtTm></GrpHdr>"


IDS = ["PAY-7|ZZAAFI2AXXX|P-1|I-1|E-1|1", "PAY-7|ZZAAFI2AXXX|P-1||E-2|2", "PAY-7||P-2||E-3|3"]
"""Of the transfers of pain001.xml: message, sender, payment information, instruction, end to end; its place."""


def everything() -> SourceMapping:
    """Return a mapping that reads every column."""
    identities = {"account": "debtor_account", "device": "creditor_account", "email": "debtor_name"}
    fields = "".join(f'{field} = "{column}"\n' for field, column in (identities | {"phone": "creditor_name"}).items())
    rest = "".join(f'own_{name} = "{name}"\n' for name in iso20022.COLUMNS if name not in iso20022.PERSONAL)
    text = f'[file]\nformat = "iso20022"\n[fields]\nevent_time = "created_at"\n{fields}[evidence.categorical]\n{rest}'
    return parse_mapping(text, "everything")


def transfer(inside: str = "", amount: str = "1.00") -> str:
    return f'<CdtTrfTxInf><IntrBkSttlmAmt Ccy="EUR">{amount}</IntrBkSttlmAmt>{inside}</CdtTrfTxInf>'


def message(*transfers: str, header: str = HEADER) -> str:
    body = "".join(transfers)
    return f"<Document><FIToFICstmrCdtTrf>{header}{body}</FIToFICstmrCdtTrf></Document>"


def read(path: Path, mapping: SourceMapping | None = None) -> list[RawBatch]:
    return list(READER.batches(path, mapping or everything()))


def read_text(folder: Path, content: str | bytes) -> list[RawBatch]:
    path = folder / "in.xml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read(path)


def rows(batches: list[RawBatch]) -> list[dict[str, Any]]:
    return [row for batch in batches for row in batch.table.to_pylist()]


def rejected(batches: list[RawBatch]) -> list[tuple[int, str]]:
    return [(row["source_line"], row["reason"]) for batch in batches for row in batch.rejected.to_pylist()]


def collected(path: Path, mapping: SourceMapping) -> Cleaned:
    (batch,) = read(path, mapping)
    return clean(batch.table, mapping, key=bytes(16), source=path.name, first_line=batch.lines, content_hash="c")


def refusal(folder: Path, content: str | bytes) -> str:
    with pytest.raises(InputFileError) as caught:
        read_text(folder, content)
    return str(caught.value)


def test_every_column_of_a_pacs008_is_read() -> None:
    full, _, _ = rows(read(SAMPLES / "pacs008.xml"))
    assert {name: value for name, value in full.items() if value is not None} == {
        "message_type": "pacs.008", "message_id": "MSG-1", "created_at": "2024-03-01T09:00:00+01:00",
        "payment_id": "00000000-0000-4000-8000-000000000001", "uetr": "00000000-0000-4000-8000-000000000001",
        "accepted_at": "2024-03-01T08:59:30.250+01:00", "accepted_or_created_at": "2024-03-01T08:59:30.250+01:00",
        "settlement_date": "2024-03-01", "instruction_id": "I-1", "end_to_end_id": "E-1", "transaction_id": "T-1",
        "settlement_amount": "100.10", "settlement_currency": "EUR",
        "instructed_amount": "1150.00", "instructed_currency": "SEK",
        "debtor_name": "Maija Example", "debtor_country": "FI", "debtor_account": "FI7600000000000001",
        "debtor_agent_bic": "ZZAAFI2AXXX", "creditor_name": "Shop & Söner", "creditor_country": "SE",
        "creditor_account": "BG 555-1", "creditor_agent_bic": "ZZBBSE2BXXX", "instructing_agent_bic": "ZZAAFI2AXXX",
        "charge_bearer": "SLEV", "purpose": "GDDS", "category_purpose": "SUPP", "remittance": "invoice 1 of March",
        "remittance_reference": "RF18", "debtor_bank": "ZZAAFI2AXXX", "creditor_bank": "ZZBBSE2BXXX",
        "instructing_bank": "ZZAAFI2AXXX",
    }  # fmt: skip


def test_a_pain001_says_some_things_for_several_transfers() -> None:
    names = ("payment_id", "debtor_account", "instructed_amount", "instructed_currency", "charge_bearer",
             "execution_date", "category_purpose", "creditor_account")  # fmt: skip
    assert [tuple(row[name] for name in names) for row in rows(read(SAMPLES / "pain001.xml"))] == [
        (IDS[0], "FI5400000000000009", "2500.00", "EUR", "SLEV", "2024-03-04", "SALA", "FI7600000000000001"),
        (IDS[1], "FI5400000000000009", "12.5", "USD", "DEBT", "2024-03-04", "SALA", None),
        (IDS[2], None, "1.00", "EUR", None, "2024-03-05", None, None),
    ]


def test_a_transfer_without_what_the_mapping_needs_is_rejected_and_its_neighbours_arrive() -> None:
    result = collected(SAMPLES / "pacs008.xml", load_mapping("iso20022-pacs008"))
    assert result.transactions["source_line"].to_pylist() == [1, 3]
    assert [(row["source_line"], row["reason"]) for row in result.rejected.to_pylist()] == [(2, "amount_missing")]
    first, last = result.transactions.to_pylist()
    assert (str(first["amount"]), first["currency"], first["category"]) == ("100.1000", "EUR", "GDDS")
    # Who is paid here pays there: one account has one hash.
    assert first["merchant_id"] == last["account_id"] is not None
    kept = repr(result.transactions.to_pylist() + result.rejected.to_pylist())
    for secret in ("Maija", "Example", "Söner", "BG 555", "0000000000000"):
        assert secret not in kept


def test_a_pain001_becomes_transactions() -> None:
    result = collected(SAMPLES / "pain001.xml", load_mapping("iso20022-pain001"))
    assert result.transactions["transaction_id"].to_pylist() == IDS
    assert result.rejected.num_rows == 0


def test_one_kind_of_message_does_not_pass_for_the_other() -> None:
    assert collected(SAMPLES / "pain001.xml", load_mapping("iso20022-pacs008")).transactions.num_rows == 0


def test_a_published_message_is_read_though_its_prefixes_are_never_used(shared_data: Path) -> None:
    result = collected(shared_data / "pacs.008.xml", load_mapping("iso20022-pacs008"))
    (row,) = result.transactions.to_pylist()
    assert (row["transaction_id"], str(row["amount"])) == ("b94458f8-1f27-40e9-bf74-b07cbb339439", "92406.0000")
    assert (row["event_time"].isoformat(), row["currency"]) == ("2023-05-05T20:20:45.837000+00:00", "USD")
    assert (row["category"], row["debtor_bank"], row["creditor_bank"]) == ("COMC", "WYHWUSSB", "DKBVCAVR")
    assert row["merchant_id"] is not None
    assert row["account_id"] is None


def test_many_messages_in_a_file_are_read_in_order(tmp_path: Path) -> None:
    second = HEADER.replace(">M<", ">N<")
    wrapped = f"<All><AppHdr/>{message(transfer(), transfer())}<X>{message(transfer(), header=second)}</X></All>"
    assert [row["payment_id"] for row in rows(read_text(tmp_path, wrapped))] == ["M/1", "M/2", "N/1"]


@pytest.mark.parametrize("chunk", [1, 7, 100, 1 << 16])
@pytest.mark.parametrize(
    "between", ["", "\n", "\n<!-- next -->\n", '<?xml version="1.0"?>', '\n<?xml version="1.0"?>\n']
)
def test_documents_may_stand_one_after_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int, between: str
) -> None:
    monkeypatch.setattr(iso20022_files, "CHUNK_BYTES", chunk)
    monkeypatch.setattr(iso20022_files, "MOST_MARKUP_BYTES", 1000)
    documents = [message(transfer(), header=HEADER.replace(">M<", f">{name}<")) for name in "abc"]
    batches = read_text(tmp_path, between.join(documents))
    assert [row["payment_id"] for row in rows(batches)] == ["a/1", "b/1", "c/1"]
    assert [line for batch in batches for line in batch.lines.to_pylist()] == [1, 2, 3]


def test_a_prefix_and_a_default_namespace_are_alike(tmp_path: Path) -> None:
    plain = message(transfer())
    prefixed = plain.replace("</", "</p:").replace("<", "<p:").replace("<p:/p:", "</p:")
    spaced = plain.replace("<Document>", '<Document xmlns="urn:x">')
    found = [rows(read_text(tmp_path, content)) for content in (plain, prefixed, spaced)]
    assert found[0] == found[1] == found[2] != []


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ('<IntrBkSttlmAmt Ccy="EUR">2</IntrBkSttlmAmt>', "xml_element_doubled"),
        ("<PmtId><UETR>a</UETR></PmtId><PmtId><UETR>b</UETR></PmtId>", "xml_element_doubled"),
        (f"<Purp><Cd>{'x' * MOST_TEXT}</Cd></Purp>", "text_too_long"),
        (f"<RmtInf>{'<Ustrd>0123456789</Ustrd>' * (MOST_TEXT // 10)}</RmtInf>", "text_too_long"),
        (f'<InstdAmt Ccy="{"x" * (MOST_TEXT + 1)}">1</InstdAmt>', "text_too_long"),
    ],
)
def test_a_bad_transfer_costs_itself_only(tmp_path: Path, bad: str, reason: str) -> None:
    batches = read_text(tmp_path, message(transfer(), transfer(bad), transfer()))
    assert rejected(batches) == [(2, reason)]
    assert [line for batch in batches for line in batch.lines.to_pylist()] == [1, 3]


def test_a_bad_header_costs_its_own_message_only(tmp_path: Path) -> None:
    doubled = HEADER.replace("<CreDtTm>", "<MsgId>N</MsgId><CreDtTm>")
    wrapped = f"<All>{message(transfer(), header=doubled)}{message(transfer())}</All>"
    assert rejected(read_text(tmp_path, wrapped)) == [(1, "xml_element_doubled")]


def test_a_transfer_in_a_transfer_is_a_part_of_it(tmp_path: Path) -> None:
    batches = read_text(tmp_path, message(transfer(transfer(amount="9.00"), amount="1.00")))
    assert [row["settlement_amount"] for row in rows(batches)] == ["1.00"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "holds no pacs.008 or pain.001 message"),
        ("id,time\n1,2\n", "is no XML, cut off or damaged"),
        (message(transfer())[:-20], "is no XML, cut off or damaged"),
        (message(transfer()) + "rubbish", "is no XML, cut off or damaged"),
        (message(transfer()) + "<Document>", "is no XML, cut off or damaged"),
        (message(transfer()).replace("EUR", "EU&R"), "an '&' that stands by itself"),
        (message(transfer("<Purp><Cd>&who;</Cd></Purp>")), "is no XML, cut off or damaged"),
        (message(transfer()).encode("utf-16")[:-7], "is no XML, cut off or damaged"),
        (b"<Document>\xff</Document>", "bytes that are no text in the file's encoding"),
        ('<?xml version="1.0" encoding="nothing"?>' + message(), "is no XML"),
        ("<Document><BkToCstmrStmt/></Document>", "holds no pacs.008 or pain.001 message"),
        ("<a>" * (MOST_DEPTH + 1), f"has elements more than {MOST_DEPTH} deep"),
        ('<!DOCTYPE d [<!ENTITY e "x">]>' + message(), "has a document type or entities"),
        ('<!DOCTYPE d SYSTEM "file:///etc/passwd">' + message(), "has a document type or entities"),
        ('<!DOCTYPE d [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><d>&b;</d>', "has a document type or entities"),
        ('<!DOCTYPE d [<!ENTITY % p SYSTEM "http://127.0.0.1/x">%p;]><d/>', "has a document type or entities"),
        (message() + "<!DOCTYPE d><d/>", "has a document type or entities"),
    ],
)
def test_a_file_that_cannot_be_trusted_is_refused_whole(tmp_path: Path, content: str | bytes, problem: str) -> None:
    assert problem in refusal(tmp_path, content)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1"])
def test_the_encoding_is_what_the_file_says(tmp_path: Path, encoding: str) -> None:
    text = f'<?xml version="1.0" encoding="{encoding}"?>' + message(transfer("<Purp><Prtry>Käse</Prtry></Purp>"))
    assert [row["purpose"] for row in rows(read_text(tmp_path, text.encode(encoding)))] == ["Käse"]


@pytest.mark.parametrize("before", ["\n", " \r\n\t", "\ufeff", "\ufeff\n"])
def test_blanks_before_the_declaration_say_nothing(tmp_path: Path, before: str) -> None:
    document = f'{before}<?xml version="1.0" encoding="UTF-8"?>{message(transfer(), transfer())}'
    assert len(rows(read_text(tmp_path, document))) == 2
    assert len(rows(read_text(tmp_path, f"{document}\n{document}"))) == 4


@pytest.mark.parametrize("name", ["utf-16", "UTF-16", "UTF-16LE"])
def test_a_declared_utf16_that_is_read_byte_by_byte_is_utf8(tmp_path: Path, name: str) -> None:
    document = f'<?xml version="1.0" encoding="{name}" ?>{message(transfer("<Dbtr><Nm>Zoë</Nm></Dbtr>"))}'
    content = document.encode()
    assert [row["debtor_name"] for row in rows(read_text(tmp_path, content * 2))] == ["Zoë"] * 2


@pytest.mark.parametrize("text", ["<![CDATA[{}]]>", "{}"])
def test_a_message_in_a_text_is_told(tmp_path: Path, text: str) -> None:
    inner = message(transfer())
    inner = inner if "CDATA" in text else inner.replace("<", "&lt;")
    problem = refusal(tmp_path, f"<Envelope><Body>{text.format(inner)}</Body></Envelope>")
    assert problem.endswith(
        "the text of one, in a CDATA section or with &lt; for <: take it out into a file of its own"
    )
    assert "CDATA" not in refusal(tmp_path, "<Envelope><Body>none</Body></Envelope>")


@pytest.mark.parametrize("start", ["<!--", "<a b='", "<?a "])
def test_endless_markup_is_refused_in_bounded_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: str
) -> None:
    monkeypatch.setattr(iso20022_files, "MOST_MARKUP_BYTES", 1 << 18)
    assert "has a piece of markup of more than 262,144 bytes" in refusal(tmp_path, f"<d>{start}" + "x" * (1 << 20))


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    path, peaks = tmp_path / "in.xml", []
    for count in (500, 5_000):
        path.write_text(message(*[transfer("<RmtInf><Strd>" + "y" * 1000 + "</Strd></RmtInf>")] * count))
        tracemalloc.start()
        try:
            assert sum(batch.records for batch in READER.batches(path, load_mapping("iso20022-pacs008"))) == count
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert peaks[1] - peaks[0] < 3 << 20  # the file grew by 5 MB, the batch of rows is what grows here


def test_a_mapping_may_name_known_columns_only_and_personal_ones_as_hashes_only() -> None:
    file = '[file]\nformat = "iso20022"\n'
    with pytest.raises(MappingError, match=r"fields\.amount: no message has a column 'amt' \(known: message_type"):
        parse_mapping(f'{file}[fields]\nevent_time = "created_at"\namount = "amt"\n', "m")
    for personal in ('merchant = "creditor_name"', 'category = "debtor_account"', 'transaction_id = "debtor_name"'):
        with pytest.raises(MappingError, match="says who somebody is and may not be kept as it is"):
            parse_mapping(f'{file}[fields]\nevent_time = "created_at"\n{personal}\n', "m")
    with pytest.raises(MappingError, match=r"evidence\.textual\.who: column 'creditor_name' says who somebody is"):
        parse_mapping(f'{file}[fields]\nevent_time = "created_at"\n[evidence.textual]\nwho = "creditor_name"\n', "m")


def test_a_hashed_merchant_is_mapped_and_no_text() -> None:
    hashed = '[privacy]\nhashed = ["merchant"]\n'
    with pytest.raises(MappingError, match=r"privacy\.hashed: 'merchant' is not mapped"):
        parse_mapping(f'[fields]\nevent_time = "t"\n{hashed}', "m")
    with pytest.raises(MappingError, match=r"'merchant_id' is a keyed hash"):
        parse_mapping(
            f'[fields]\nevent_time = "t"\nmerchant = "m"\n{hashed}[evidence]\ntextual_fields = ["merchant_id"]\n', "m"
        )


def test_a_hashed_merchant_is_no_category_for_then_a_release_would_name_accounts() -> None:
    text = '[fields]\nevent_time = "t"\nmerchant = "m"\n[evidence]\ncategorical_fields = ["merchant_id"]\n'
    assert parse_mapping(text, "m").categorical == ("merchant_id",)
    with pytest.raises(MappingError, match=r"evidence\.categorical_fields: 'merchant_id' is an account"):
        parse_mapping(f'{text}[privacy]\nhashed = ["merchant"]\n', "m")


def test_columns_are_known_without_the_file() -> None:
    columns = READER.columns(SAMPLES / "pain001.xml", load_mapping("iso20022-pain001"))
    assert set(load_mapping("iso20022-pain001").source_columns) <= set(columns)


BANK = "<{0}Agt><FinInstnId><ClrSysMmbId>{1}<MmbId>{2}</MmbId></ClrSysMmbId></FinInstnId></{0}Agt>"
USABA = "<ClrSysId><Cd>USABA</Cd></ClrSysId>"


def party(who: str, bank: str, number: str, system: str = "", branch: str = "") -> str:
    issuer = f"<Issr>{branch}</Issr>" if branch else ""
    account = f"<{who}Acct><Id><Othr><Id>{number}</Id>{issuer}</Othr></Id></{who}Acct>"
    return account + BANK.format(who, system, bank)


def of_banks(folder: Path, *transfers: str) -> Cleaned:
    path = folder / "in.xml"
    path.write_text(message(*transfers))
    return collected(path, load_mapping("iso20022-pacs008"))


def test_the_same_number_at_two_banks_is_two_accounts(tmp_path: Path) -> None:
    made = of_banks(
        tmp_path,
        transfer(party("Dbtr", "011104238", "1234", USABA) + party("Cdtr", "021040078", "5678", USABA)),
        transfer(party("Dbtr", "021040078", "1234", USABA) + party("Cdtr", "011104238", "1234", USABA)),
        transfer(party("Dbtr", "021040078", "5678", USABA) + party("Cdtr", "011104238", "5678", USABA)),
        transfer(party("Dbtr", "011104238", "1234") + party("Cdtr", "011104238", "1", branch="0001")),
        transfer(party("Dbtr", "011104238", "1", branch="0002")),
    ).transactions
    payers, paid = made["account_id"].to_pylist(), made["merchant_id"].to_pylist()
    assert payers[0] == paid[1]
    assert payers[2] == paid[0]
    assert len({*payers, *paid} - {None}) == 7
    assert made["debtor_bank"].to_pylist()[:2] == ["USABA/011104238", "USABA/021040078"]


def test_an_id_that_transfers_share_is_none(tmp_path: Path) -> None:
    def pix(end_to_end: str, uetr: str = "") -> str:
        ids = f"<PmtId><EndToEndId>{end_to_end}</EndToEndId><TxId>MERCHANT042</TxId>{uetr}</PmtId>"
        return transfer(ids + party("Dbtr", "00000001", "111", branch="0001"))

    shared = "<UETR>8A562C67-ca16-48ba-b074-65581be6f001</UETR>"
    made = of_banks(tmp_path, pix("E1"), pix("E2"), pix("E2|x"), pix("E3", shared)).transactions["transaction_id"]
    assert made.to_pylist() == [
        "M|00000001|||E1|MERCHANT042", "M|00000001|||E2|MERCHANT042", "M|00000001|||E2%7Cx|MERCHANT042",
        "8a562c67-ca16-48ba-b074-65581be6f001",
    ]  # fmt: skip


def test_a_transfer_keeps_its_id_wherever_its_message_is_found(tmp_path: Path) -> None:
    def read_ids(*messages: str) -> list[str]:
        return [row["payment_id"] for row in rows(read_text(tmp_path, "<F>" + "".join(messages) + "</F>"))]

    known = transfer("<PmtId><EndToEndId>E1</EndToEndId><TxId>T1</TxId></PmtId>")
    salary = transfer("<PmtId><EndToEndId>SALARY MARCH</EndToEndId></PmtId>")
    batch = message(known, salary, salary)
    first = read_ids(batch)
    assert len(set(first)) == 3
    assert read_ids(message(known)) == first[:1]
    assert read_ids(message(known, header=HEADER.replace(">M<", ">N<")), batch)[1:] == first


OTHERS = {
    "pacs.009": "<FICdtTrf><CdtTrfTxInf/><CdtTrfTxInf/></FICdtTrf>",
    "pacs.004": "<PmtRtr><GrpHdr/><TxInf><OrgnlTxRef/></TxInf></PmtRtr>",
    "pain.008": "<CstmrDrctDbtInitn><PmtInf><DrctDbtTxInf/><DrctDbtTxInf/></PmtInf></CstmrDrctDbtInitn>",
    "camt.053": "<BkToCstmrStmt><Stmt><Ntry><NtryDtls><TxDtls/><TxDtls/></NtryDtls></Ntry></Stmt></BkToCstmrStmt>",
    "pacs.002": "<FIToFIPmtStsRpt><GrpHdr/></FIToFIPmtStsRpt>",
}
TRANSACTIONS = {"pacs.009": 2, "pain.008": 2}


@pytest.mark.parametrize("name", OTHERS)
def test_transactions_of_another_message_are_counted_and_refused_by_its_name(tmp_path: Path, name: str) -> None:
    count = TRANSACTIONS.get(name, 1)
    content = f"<Batch>{message(transfer())}<Document>{OTHERS[name]}</Document>{message(transfer())}</Batch>"
    batches = read_text(tmp_path, content)
    assert [line for batch in batches for line in batch.lines.to_pylist()] == [1, count + 2]
    refused = [row for batch in batches for row in batch.rejected.to_pylist()]
    assert [(row["source_line"], row["reason"]) for row in refused] == [
        (line, f"message_{name}") for line in range(2, count + 2)
    ]
    told = f"the message is {name}, of which nothing is read: pacs.008 and pain.001 are"
    assert refused[0]["message"].startswith(told)
    with pytest.raises(InputFileError, match=f"holds no pacs.008 or pain.001 message, but {name}"):
        read_text(tmp_path, f"<Document>{OTHERS[name]}</Document>")


def test_a_message_that_nobody_knows_is_named_by_its_namespace(tmp_path: Path) -> None:
    other = '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:auth.012.001.02"><MnyMkt><X/></MnyMkt></Document>'
    (batch,) = read_text(tmp_path, f"<Batch>{other}{message(transfer())}</Batch>")
    assert batch.rejected["reason"].to_pylist() == ["message_auth.012"]
    assert batch.lines.to_pylist() == [2]


def test_a_wrapper_in_a_document_is_no_message(tmp_path: Path) -> None:
    inner = message(transfer()).replace("<Document>", "<Payload>").replace("</Document>", "</Payload>")
    for namespace in ("", ' xmlns="urn:iso:std:iso:20022:tech:xsd:pacs.008.001.08"'):
        (batch,) = read_text(tmp_path, f"<Document{namespace}><Header/>{inner}</Document>")
        assert (batch.lines.to_pylist(), batch.rejected.num_rows) == ([1], 0)


@pytest.mark.parametrize(("shipped", "other"), [("iso20022-pacs008", "pain.001")])
def test_a_message_that_lacks_what_the_mapping_needs_is_told_by_name(tmp_path: Path, shipped: str, other: str) -> None:
    path = tmp_path / "in.xml"
    path.write_text(
        "<Document><CstmrCdtTrfInitn><GrpHdr><MsgId>M</MsgId></GrpHdr><PmtInf>"
        '<CdtTrfTxInf><Amt><InstdAmt Ccy="EUR">1</InstdAmt></Amt></CdtTrfTxInf></PmtInf></CstmrCdtTrfInitn></Document>'
    )
    (batch,) = read(path, load_mapping(shipped))
    (found,) = batch.rejected.to_pylist()
    assert found["reason"] == f"message_{other}"
    assert "has no 'settlement_amount': use a mapping for it, as the shipped iso20022-pain001" in found["message"]


def test_such_a_message_without_payments_is_told_by_name_too(tmp_path: Path) -> None:
    path = tmp_path / "in.xml"
    path.write_text("<Document><CstmrCdtTrfInitn><PmtInf><PmtInfId>P</PmtInfId></PmtInf></CstmrCdtTrfInitn></Document>")
    report = try_mapping("iso20022-pacs008", path, 10, 1)
    [problem] = report.problems
    assert "the message is pain.001" in problem
    assert "as the shipped iso20022-pain001" in problem
    report = try_mapping("iso20022-pain001", path, 10, 1)
    assert report.suggestions[0] == "the file has no payment to try the mapping on"
    assert not any("is not used" in suggestion for suggestion in report.suggestions)


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        (b"Smith & Sons", "line 1: an '&' that stands by itself: write &amp; instead"),
        (b"Smith&Sons", "line 1: an '&' that stands by itself: write &amp; instead"),
        ("Müller".encode("latin-1"), "line 1: bytes that are no text in the file's encoding"),
        (b"x\x01y", "not well-formed"),
    ],
)
def test_a_common_mistake_of_writers_is_named(tmp_path: Path, bad: bytes, problem: str) -> None:
    with pytest.raises(InputFileError) as caught:
        read_text(tmp_path, message(transfer("<Dbtr><Nm>NAME</Nm></Dbtr>")).encode().replace(b"NAME", bad))
    assert problem in str(caught.value)
    assert "Smith" not in str(caught.value)
