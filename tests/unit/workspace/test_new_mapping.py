"""A guessed mapping reads the file that it was guessed from; what is not sure says so."""

import gzip
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from counterfoil.adapters.files.mapping_files import load_mapping
from counterfoil.cli import app
from counterfoil.domain.intake.mapping import SourceMapping, parse_mapping
from counterfoil.errors import InputFileError, MappingError
from counterfoil.workspace.new_mapping import new_mapping
from counterfoil.workspace.try_mapping import try_mapping

SFFSD = "Time,Source,Target,Amount,Location,Type,Labels\n" + "".join(
    f"{n},S{n % 7},T{n % 5},{n * 3.25:.2f},L{n % 4},TP{n % 3},{n % 3}\n" for n in range(40)
)
PAYSIM = (
    "step,type,amount,nameOrig,oldbalanceOrg,newbalanceOrig,nameDest,oldbalanceDest,newbalanceDest,isFraud,isFlaggedFraud\n"
    + "".join(f"{n // 9 + 1},CASH_OUT,{n}.5,C{n},10.0,0.0,M{n % 4},0.0,1.5,{int(n == 3)},0\n" for n in range(40))
)
TABFORMER = (
    "User,Card,Year,Month,Day,Time,Amount,Use Chip,Merchant Name,Merchant City,Merchant State,Zip,MCC,Errors?,"
    "Is Fraud?\n"
    + "".join(
        f"{n % 3},{n % 2},2019,{n % 12 + 1},{n % 28 + 1},{n % 24:02d}:07,${'-' if n == 5 else ''}{n}.10,Chip,"
        f"-{n}77,Town,OH,43085.0,5411,,{'Yes' if n == 3 else 'No'}\n"
        for n in range(40)
    )
)
AWS = (
    "EVENT_LABEL,EVENT_TIMESTAMP,LABEL_TIMESTAMP,EVENT_ID,ENTITY_TYPE,ENTITY_ID,card_bin,customer_name,ip_address,"
    "customer_email,billing_phone,user_agent,product_category,order_price,payment_currency,merchant\n"
    + "".join(
        f"{n % 2 if n < 20 else ''},2024-05-0{n % 9 + 1}T10:00:00Z,2024-06-01T00:00:00Z,e{n},customer,c{n % 5},"
        f"411111,Ann,192.0.2.{n},a{n}@example.org,+1-555-010{n % 10},Opera,web,{n}.99,EUR,shop {n % 6}\n"
        for n in range(40)
    )
)
REGISTRATIONS = "ip_address,email_address,EVENT_TIMESTAMP,EVENT_LABEL\n" + "".join(
    f"192.0.2.{n},a{n}@example.org,2024-05-01T10:00:{n:02d}Z,{'fraud' if n % 4 == 0 else 'legit'}\n" for n in range(40)
)


def guessed(path: Path, content: str) -> SourceMapping:
    path.write_text(content)
    text = new_mapping(path)
    mapping = path.with_suffix(".toml")
    mapping.write_text(text)
    report = try_mapping(str(mapping), path, 100, 1)
    assert report.accepted >= report.rows - 1, report.problems
    return parse_mapping(text, "x")


def test_s_ffsd(tmp_path: Path) -> None:
    mapping = guessed(tmp_path / "s.csv", SFFSD)
    assert mapping.fields.mapped() == {
        "event_time": "Time", "amount": "Amount", "account": "Source", "merchant": "Target", "category": "Type",
        "label": "Labels",
    }  # fmt: skip
    assert mapping.labels is not None
    assert (mapping.labels.fraud, mapping.labels.good, mapping.labels.unknown) == (("1",), ("0",), ("2",))
    assert "# UNSURE: what one step is" in (tmp_path / "s.toml").read_text()


def test_paysim(tmp_path: Path) -> None:
    mapping = guessed(tmp_path / "paysim.csv", PAYSIM)
    assert mapping.fields.mapped() == {
        "event_time": "step", "amount": "amount", "account": "nameOrig", "merchant": "nameDest", "category": "type",
        "label": "isFraud",
    }  # fmt: skip
    assert mapping.time.format == "relative_hours"
    assert "isFlaggedFraud" not in mapping.source_columns
    assert mapping.fields == load_mapping("paysim").fields


def test_tabformer(tmp_path: Path) -> None:
    mapping = guessed(tmp_path / "card.csv", TABFORMER)
    assert mapping.fields.event_time == ("Year", "Month", "Day", "Time")
    assert mapping.fields.account == ("User", "Card")
    assert (mapping.fields.merchant, mapping.fields.category) == ("Merchant Name", "MCC")
    assert (mapping.amount.symbols, mapping.amount.debits) == ({"$": "USD"}, "positive")
    assert mapping.labels is not None
    assert mapping.labels.fraud == ("Yes",)
    shipped = load_mapping("ibm-tabformer")
    assert (mapping.fields, mapping.time, mapping.labels) == (shipped.fields, shipped.time, shipped.labels)
    doubts = unsure((tmp_path / "card.toml").read_text())
    assert "which sign the payments have" in doubts


DATA = Path(os.environ.get("COUNTERFOIL_SHARED_DATA", "/nowhere"))
PUBLISHED = [
    ("S-FFSD.zip", "s-ffsd", ("what one step is", "that ['2'] mean a payment that nobody judged")),
    ("aws_transactions_2k.csv", "amazon-fraud-detector-transactions", ("it looks as if drawn at random",)),
    ("transactions_2019.csv.gz", "amazon-fraud-detector-transactions", ("it looks as if drawn at random",)),
    (
        "transactions_curation_2019_01.csv.gz",
        "amazon-fraud-detector-transactions-curation",
        ("it looks as if drawn at random",),
    ),
    ("aws_registrations_20k.csv", "amazon-fraud-detector-registrations", ("may stand for who pays",)),
]


def unsure(text: str) -> str:
    """Return the lines of a mapping that say what is not sure."""
    return "\n".join(line for line in text.splitlines() if line.startswith("# UNSURE"))


@pytest.mark.skipif(not DATA.exists(), reason="needs the shared data (COUNTERFOIL_SHARED_DATA)")
@pytest.mark.parametrize(("file", "name", "doubts"), PUBLISHED)
def test_a_published_file_is_guessed_as_its_shipped_mapping_reads_it(
    file: str, name: str, doubts: tuple[str, ...], tmp_path: Path
) -> None:
    path, text = tmp_path / "guessed.toml", new_mapping(DATA / file)
    path.write_text(text)
    guessed, shipped = parse_mapping(text, "x"), load_mapping(name)
    assert guessed.fields == shipped.fields
    assert (guessed.amount, guessed.file) == (shipped.amount, shipped.file)
    assert guessed.labels is not None
    assert shipped.labels is not None
    assert (guessed.labels.fraud, guessed.labels.good) == (shipped.labels.fraud, shipped.labels.good)
    assert all(doubt in unsure(text) for doubt in doubts)
    assert guessed.time == shipped.time or "what one step is" in unsure(text)
    report = try_mapping(str(path), DATA / file, 2_000, 1)
    assert (report.accepted, report.problems) == (report.rows, ())


def test_the_samples_of_aws(tmp_path: Path) -> None:
    mapping = guessed(tmp_path / "aws.csv", AWS)
    assert mapping.fields.mapped() == {
        "transaction_id": "EVENT_ID", "event_time": "EVENT_TIMESTAMP", "amount": "order_price",
        "currency": "payment_currency", "account": "ENTITY_ID", "merchant": "merchant", "source_ip": "ip_address",
        "email": "customer_email", "phone": "billing_phone", "category": "product_category", "card_bin": "card_bin",
        "label": "EVENT_LABEL", "label_time": "LABEL_TIMESTAMP",
    }  # fmt: skip
    assert mapping.labels is not None
    assert mapping.labels.unknown == ("",)
    other = guessed(tmp_path / "registrations.csv", REGISTRATIONS)
    assert other.labels is not None
    assert (other.labels.fraud, other.labels.good) == (("fraud",), ("legit",))


def test_addresses_are_known_by_their_look_and_what_is_the_same_in_all_rows_is_left_out(tmp_path: Path) -> None:
    rows = "".join(f"2026-03-01T10:00:{n:02d}Z,192.0.2.{n},{n}.50,constant,{n}.{n}\n" for n in range(30))
    mapping = guessed(tmp_path / "x.csv", f"at,from where,amount,channel,rate\n{rows}")
    assert mapping.fields.source_ip == "from where"
    assert "channel" not in mapping.source_columns
    assert "rate" in mapping.source_columns


def test_a_german_export(tmp_path: Path) -> None:
    rows = "".join(f"{n % 28 + 1:02d}.03.2026;K{n % 3};Laden;-1.0{n:02d},50\n" for n in range(30))
    mapping = guessed(tmp_path / "umsatz.csv", f"Datum;Konto;Shop;Betrag\n{rows}")
    assert (mapping.file.delimiter, mapping.time.format) == (";", "%d.%m.%Y")
    assert (mapping.amount.decimal_mark, mapping.amount.thousands_mark, mapping.amount.debits) == (",", ".", "negative")


def test_json_parquet_and_packed_files(tmp_path: Path) -> None:
    lines = "".join(f'{{"id": "p{n}", "at": "2026-03-01T10:00:{n:02d}Z", "amount": {n}.5}}\n' for n in range(20))
    assert guessed(tmp_path / "events.jsonl", lines).file.format == "jsonl"
    table = pa.table({"id": ["a", "b"], "created": [1_772_359_200, 1_772_359_201], "amount": [1.5, 2.0]})
    pq.write_table(table, tmp_path / "p.parquet")
    assert parse_mapping(new_mapping(tmp_path / "p.parquet"), "x").time.format == "epoch_seconds"
    (tmp_path / "s.csv.gz").write_bytes(gzip.compress(SFFSD.encode()))
    assert parse_mapping(new_mapping(tmp_path / "s.csv.gz"), "x").fields.amount == "Amount"


STATEMENT = ":20:R\r\n:25:DE1\r\n:28C:1/1\r\n:60F:C251231EUR0,\r\n:61:2512311231C1,NTRFX\r\n:62F:C251231EUR1,\r\n-"
KNOWN = [
    (STATEMENT, "mt940"),
    ("{1:F01BANKBEBBAXXX0000000000}{2:I940BANKBEBBXXXXN}{4:\r\n" + STATEMENT + "}", "mt940"),
    (":20:R\r\n:25:DE1\r\n:28C:1/1\r\n:34F:EURD0,\r\n:61:2512311231C1,NTRFX\r\n", "mt942"),
    ("{1:F01BANKBEBBAXXX0000000000}{2:I103BANKDEFFXXXXN}{4:\r\n:20:R\r\n:32A:260102EUR1,\r\n-}", "mt103"),
    (f"101 076401251 0764012512601021530A094101{'BANK':<23}{'BANK':<31}\n", "nacha"),
    ('<?xml version="1.0"?><d:Document xmlns:d="urn:x"><d:BkToCstmrStmt><d:GrpHdr/>', "iso20022-camt053"),
    ("\ufeff<Envelope><Document><CstmrCdtTrfInitn>", "iso20022-pain001"),
    ("<Document><PmtRtr>", "iso20022-pacs004"),
    ('{"mti": "0100", "fields": {"2": "4", "3": "0", "4": "1", "7": "1", "11": "1", "49": "9"}}', "iso8583-json"),
    ('{"DE0": "0100", "DE002": "4", "DE3": "0", "DE4": "1", "DE007": "1", "DE11": "1", "DE49": "9"}', "iso8583-json"),
    ("fraud_bool,income,x", None),
    ("<html><body>", None),
    (":20 is no field,b\n1,2\n", None),
]  # fmt: skip


@pytest.mark.parametrize(("content", "shipped"), KNOWN)
def test_a_file_of_a_standard_is_sent_to_its_shipped_mapping(content: str, shipped: str | None, tmp_path: Path) -> None:
    path = tmp_path / "in"
    path.write_text(content)
    if shipped is not None:
        with pytest.raises(MappingError, match=f"needs no new mapping: the shipped '{shipped}' reads such files"):
            new_mapping(path)
    else:
        with pytest.raises((MappingError, InputFileError), match=r"no column|no rows|no message"):
            new_mapping(path)


def test_columns_that_a_shipped_mapping_reads_say_so(tmp_path: Path) -> None:
    path = tmp_path / "paysim.csv"
    path.write_text(PAYSIM)
    assert "# The shipped mapping 'paysim' reads these columns too." in new_mapping(path)
    wanted = load_mapping("bank-account-fraud").source_columns
    path.write_text(f"{','.join(wanted)}\n{','.join('1' for _ in wanted)}\n")
    with pytest.raises(MappingError, match="the shipped 'bank-account-fraud' reads such files"):
        new_mapping(path)


def test_a_table_below_other_lines_is_found(tmp_path: Path) -> None:
    rows = "".join(f"p{n};{n % 28 + 1:02d}.03.2026;{n},50\n" for n in range(30))
    mapping = guessed(tmp_path / "export.csv", f'Card:;"12**"\n\nFrom 01.03. to 31.03.2026\nid;Datum;Betrag\n{rows}')
    assert (mapping.file.skip_lines, mapping.file.delimiter) == (3, ";")
    plain = guessed(tmp_path / "plain.csv", f"sep=;\nid;Datum;Betrag\n{rows}")
    assert (plain.file.skip_lines, plain.fields) == (0, mapping.fields)
    blank = guessed(tmp_path / "blank.csv", f"\n\nid;Datum;Betrag\n{rows}")
    assert (blank.file.skip_lines, blank.fields) == (0, mapping.fields)


def test_a_time_of_day_in_a_column_of_its_own_is_joined(tmp_path: Path) -> None:
    rows = "".join(f"{n % 28 + 1:02d}.03.2026;10:{n:02d};Laden;K{n % 3};1.0{n:02d},50\n" for n in range(30))
    mapping = guessed(tmp_path / "kasse.csv", f"Datum;Uhrzeit;Händler;Kunde;Betrag\n{rows}")
    assert (mapping.fields.event_time, mapping.time.format) == (("Datum", "Uhrzeit"), "%d.%m.%Y %H:%M")
    assert (mapping.fields.merchant, mapping.fields.account) == ("Händler", "Kunde")
    rows = "".join(f"2026-03-{n % 28 + 1:02d},10:{n:02d}:05,{n}.50\n" for n in range(30))
    mapping = guessed(tmp_path / "paypal.csv", f"Date,Time,Gross\n{rows}")
    assert (mapping.fields.event_time, mapping.time.format) == (("Date", "Time"), "%Y-%m-%d %H:%M:%S")
    rows = "".join(f"{1772359200 + n},07:00,{n}.50\n" for n in range(30))
    assert guessed(tmp_path / "count.csv", f"created,Opening time,Gross\n{rows}").time.format == "epoch_seconds"
    rows = "".join(f"2026-03-{n % 28 + 1:02d} 10:{n:02d},07:00,{n}.50\n" for n in range(30))
    assert guessed(tmp_path / "one.csv", f"Date,Opening time,Gross\n{rows}").fields.event_time == "Date"


@pytest.mark.parametrize("seconds", ["", ":30"])
@pytest.mark.parametrize("half", ["AM", "PM"])
def test_an_american_clock_is_joined_to_its_date(tmp_path: Path, seconds: str, half: str) -> None:
    rows = "".join(f"03/{n + 1:02d}/2024,{n % 12 + 1:02d}:05{seconds} {half},{n}.5,USD,c{n % 5}\n" for n in range(28))
    mapping = guessed(tmp_path / "us.csv", "date,time,amt,cur,card\n" + rows.replace(",USD,c1", ",CAD,c1"))
    assert mapping.fields.event_time == ("date", "time")
    assert mapping.time.format == f"%m/%d/%Y %I:%M{seconds and ':%S'} %p"
    assert mapping.fields.currency == "cur"


@pytest.mark.parametrize(
    ("start", "end", "records"),
    [
        ('{"count": 9, "data": [', "]}", "data"),
        ('{"took": 1, "hits": {"total": {"v": 2}, "hits": [', "]}}\n", "hits.hits"),
        ('{"Records": [', "]}", ""),
    ],
)
def test_the_array_in_one_object_of_json_is_found(tmp_path: Path, start: str, end: str, records: str) -> None:
    rows = [f'{{"id": "p{n}", "at": "2024-03-01T00:00:{n:02d}Z", "amount": {n}.25, "who": "a"}}' for n in range(40)]
    assert guessed(tmp_path / "in.json", start + ",\n".join(rows) + end).file.records == records
    lines = "".join(row.replace('"who"', '"lines": [{"x": 1}], "who"') + "\n" for row in rows)
    assert guessed(tmp_path / "lines.json", lines).file.records == ""


def test_days_of_a_spreadsheet_are_a_time(tmp_path: Path) -> None:
    mapping = guessed(
        tmp_path / "x.csv", "id,paid_on,amount\n" + "".join(f"p{n},46023.{n:02d},{n}.5\n" for n in range(9))
    )
    assert (mapping.fields.event_time, mapping.time.format) == ("paid_on", "excel_serial")


def test_dates_and_card_numbers_are_no_numeric_evidence(tmp_path: Path) -> None:
    rows = "".join(
        f"{n % 28 + 1:02d}.01.26;{n % 28 + 2:02d}.01.26;-{n},50;411111******{n:04d};1.5\n" for n in range(30)
    )
    mapping = guessed(tmp_path / "umsatz.csv", f"Buchungstag;Valutadatum;Betrag;Card Number;Rate\n{rows}")
    assert (mapping.fields.event_time, mapping.numeric) == ("Buchungstag", ())
    assert (mapping.fields.card_number, mapping.fields.account) == ("Card Number", "Card Number")
    numbers = "".join(f"2026-03-01T10:00:{n:02d}Z,{n}.50,{4111111111111111 + n},{n}\n" for n in range(30))
    assert guessed(tmp_path / "p.csv", f"at,amount,reference x,rate\n{numbers}").numeric == ("rate",)


def test_whole_amounts_and_one_account_for_all_are_doubted(tmp_path: Path) -> None:
    rows = "".join(f"2026-03-01T10:00:{n:02d}Z,{n}50,acme\n" for n in range(30))
    guessed(tmp_path / "x.csv", f"at,amount,account\n{rows}")
    doubts = unsure((tmp_path / "x.toml").read_text())
    assert "if they count cents" in doubts
    assert "all payments have the same" in doubts


def test_what_cannot_be_guessed_is_said(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("a,b\n1,x\n")
    with pytest.raises(MappingError, match="no column looks like a time"):
        new_mapping(path)
    path.write_text("a,b\n")
    with pytest.raises(InputFileError, match="no rows"):
        new_mapping(path)


def test_the_command_prints_or_writes_and_never_overwrites(tmp_path: Path) -> None:
    path, out = tmp_path / "s.csv", tmp_path / "out.toml"
    path.write_text(SFFSD)
    run = CliRunner().invoke
    printed = run(app, ["mapping", "new", str(path)])
    assert printed.stdout.startswith('name = "s"')
    assert run(app, ["mapping", "new", str(path), "--out", str(out)]).exit_code == 0
    assert out.read_text() == printed.stdout
    assert run(app, ["mapping", "new", str(path), "--out", str(out)]).exit_code != 0
