"""camt.053, camt.054 and MT940: what is booked meets the closing balance, which the writer of the file knows."""

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from bank_statements import DIGITS, Entry, Statement, as_camt, as_mt940
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from counterfoil.adapters.files import camt_entries
from counterfoil.adapters.files.input_files import InputFiles
from counterfoil.adapters.files.mapping_files import load_mapping
from counterfoil.domain.intake.cleaning import clean
from counterfoil.domain.intake.mapping import SourceMapping
from counterfoil.domain.intake.mt940_information import read_information
from counterfoil.errors import InputFileError

KEY = bytes(16)
READER = InputFiles()
MAPPINGS = {name: load_mapping(name) for name in ("iso20022-camt053", "iso20022-camt054", "mt940")}
WRITERS: dict[str, tuple[str, Callable[[Statement], str]]] = {
    "camt.053 of 2009, true": ("iso20022-camt053", lambda statement: as_camt(statement, new=False)),
    "camt.053 of 2009, 1": ("iso20022-camt053", lambda statement: as_camt(statement, new=False, true="1")),
    "camt.053 of 2019, true": ("iso20022-camt053", as_camt),
    "camt.053 of 2019, 1": ("iso20022-camt053", lambda statement: as_camt(statement, true="1")),
    "camt.054": ("iso20022-camt054", lambda statement: as_camt(statement, message="BkToCstmrDbtCdtNtfctn")),
    "MT940": ("mt940", as_mt940),
}
each_writer = pytest.mark.parametrize("name", WRITERS)
NEW_YEAR = Statement(
    opening=100_000,
    entries=(
        Entry(1000, booked=date(2026, 1, 2), valued=date(2025, 12, 31)),
        Entry(500, credit=False, booked=date(2025, 12, 31), valued=date(2026, 1, 2)),
        Entry(3000, credit=False, reversal=True, booked=date(2026, 1, 2), valued=date(2026, 1, 2)),
        Entry(700, reversal=True, booked=date(2026, 1, 2), valued=date(2026, 1, 2)),
        Entry(99, credit=False, status="PDNG", booked=date(2026, 1, 2), valued=date(2026, 1, 2)),
        Entry(600, booked=date(2026, 1, 2), valued=date(2026, 1, 2), parts=(100, 200, 300)),
    ),
)


def read(folder: Path, text: str | bytes, mapping: SourceMapping) -> tuple[pa.Table, pa.Table]:
    """Return the transactions and the rejected rows that a file becomes."""
    path = folder / "statement"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    batches = list(READER.batches(path, mapping))
    cleaned = [
        clean(batch.table, mapping, key=KEY, source=batch.source, first_line=batch.lines, content_hash="c")
        for batch in batches
    ]
    rejected = [batch.rejected for batch in batches] + [one.rejected for one in cleaned]
    return pa.concat_tables(one.transactions for one in cleaned), pa.concat_tables(rejected)


def moved(transactions: pa.Table) -> Decimal:
    """Return what bookings add to their account together."""
    rows = zip(transactions["amount"].to_pylist(), transactions["direction"].to_pylist(), strict=True)
    return sum((amount if direction == "CRDT" else -amount for amount, direction in rows), Decimal(0))


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    valued = date(2025, 12, 28) + timedelta(days=draw(st.integers(0, 8)))
    booked = valued + timedelta(days=draw(st.integers(-5, 5)))
    parts = tuple(draw(st.lists(st.integers(1, 10**9), max_size=4)))
    credit = draw(st.booleans())
    amount = sum(parts) if parts else draw(st.integers(0, 10**9))
    signed_parts = tuple(part if credit else -part for part in parts)
    status = draw(st.sampled_from(["BOOK", "BOOK", "BOOK", "PDNG"]))
    return Entry(amount, credit, draw(st.booleans()), booked, valued, status, signed_parts)


STATEMENTS = st.builds(
    Statement,
    st.sampled_from(sorted(DIGITS)),
    st.integers(-(10**10), 10**10),
    st.lists(entries(), min_size=1, max_size=8).map(tuple),
)
QUICK = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@each_writer
@QUICK
@given(statement=STATEMENTS)
def test_booked_sums_meet_the_closing_balance(tmp_path: Path, name: str, statement: Statement) -> None:
    mapping, write = WRITERS[name]
    transactions, rejected = read(tmp_path, write(statement), MAPPINGS[mapping])
    unit = Decimal(1).scaleb(-DIGITS[statement.currency])
    assert statement.opening * unit + moved(transactions) == statement.closing * unit
    pending = [entry for entry in statement.entries if entry.status == "PDNG"]
    assert rejected["reason"].to_pylist() == ["entry_pending"] * len(pending)
    assert set(transactions["currency"].to_pylist()) <= {statement.currency}
    booked = {entry.booked for entry in statement.entries if entry.status == "BOOK"}
    assert {time.date() for time in transactions["event_time"].to_pylist()} == booked


@each_writer
def test_over_new_year_every_booking_keeps_its_day_and_sign(tmp_path: Path, name: str) -> None:
    mapping, write = WRITERS[name]
    transactions, rejected = read(tmp_path, write(NEW_YEAR), MAPPINGS[mapping])
    parts = 1 if name == "MT940" else 3
    days = [time.date().isoformat() for time in transactions["event_time"].to_pylist()]
    assert days == ["2026-01-02", "2025-12-31", "2026-01-02", "2026-01-02", *["2026-01-02"] * parts]
    assert transactions["reversal"].to_pylist() == ["false", "false", "true", "true", *["false"] * parts]
    assert transactions["direction"].to_pylist() == ["CRDT", "DBIT", "DBIT", "CRDT", *["CRDT"] * parts]
    assert rejected["reason"].to_pylist() == ["entry_pending"]
    assert moved(transactions) == Decimal("-12.00")


@each_writer
def test_money_flows_from_debtor_to_creditor_in_reversals_too(tmp_path: Path, name: str) -> None:
    mapping, write = WRITERS[name]
    transactions, _ = read(tmp_path, write(NEW_YEAR), MAPPINGS[mapping])
    goes_out = pc.equal(transactions["direction"], "DBIT")
    mine = set(transactions.filter(goes_out)["account_id"].to_pylist())
    theirs = set(transactions["merchant_id"].to_pylist()) & mine
    assert len(mine) == 1
    assert theirs == mine  # what comes in is paid to the same account
    assert len(set(transactions["account_id"].to_pylist())) == 2
    assert None not in transactions["account_id"].to_pylist()


def camt_entry(inside: str, amount: str = "10.00", status: str = "<Sts>BOOK</Sts>") -> str:
    start = f'<Ntry><Amt Ccy="EUR">{amount}</Amt><CdtDbtInd>DBIT</CdtDbtInd>'
    return f"{start}{status}<BookgDt><Dt>2026-01-02</Dt></BookgDt>{inside}</Ntry>"


def camt(*inside: str) -> str:
    header = "<GrpHdr><MsgId>M</MsgId></GrpHdr>"
    return f"<Document><BkToCstmrStmt>{header}<Stmt><Id>S</Id>{''.join(inside)}</Stmt></BkToCstmrStmt></Document>"


def part(amount: str, currency: str = "EUR") -> str:
    return f'<TxDtls><Amt Ccy="{currency}">{amount}</Amt></TxDtls>'


@pytest.mark.parametrize(
    "parts",
    [
        part("4.00") + part("5.00"),  # 1.00 of charges is told elsewhere
        part("4.00") + part("6.00", "USD"),
        part("4.00") + "<TxDtls/>",
        part("4.00") + part("six"),
        part("10.00") + part("NaN"),
        "",
        part("11.00"),
    ],
)
def test_a_batch_that_does_not_make_up_its_entry_is_one_payment(tmp_path: Path, parts: str) -> None:
    text = camt(camt_entry(f"<NtryDtls>{parts}</NtryDtls>"))
    transactions, rejected = read(tmp_path, text, MAPPINGS["iso20022-camt053"])
    assert (transactions["amount"].to_pylist(), rejected.num_rows) == ([Decimal("10.00")], 0)


def test_a_batch_of_both_directions_is_told_one_by_one(tmp_path: Path) -> None:
    back = '<TxDtls><Amt Ccy="EUR">2.00</Amt><CdtDbtInd>CRDT</CdtDbtInd></TxDtls>'
    text = camt(camt_entry(f"<NtryDtls>{part('12.00')}</NtryDtls><NtryDtls>{back}</NtryDtls>"))
    transactions, _ = read(tmp_path, text, MAPPINGS["iso20022-camt053"])
    assert transactions["direction"].to_pylist() == ["DBIT", "CRDT"]
    assert (moved(transactions), transactions["batch"].to_pylist()) == (Decimal("-10.00"), [2.0, 2.0])


def test_a_large_batch_is_one_payment_and_holds_no_more_than_it_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(camt_entries, "MOST_DETAILS", 3)
    text = camt(camt_entry(part("2.50") * 4), camt_entry(part("5.00") * 2))
    transactions, _ = read(
        tmp_path,
        text.replace("<TxDtls>", "<NtryDtls><TxDtls>").replace("</TxDtls>", "</TxDtls></NtryDtls>"),
        MAPPINGS["iso20022-camt053"],
    )
    assert [float(amount) for amount in transactions["amount"].to_pylist()] == [10.0, 5.0, 5.0]


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (camt_entry("", status="<Sts><Cd>PDNG</Cd></Sts>"), "entry_pending"),
        (camt_entry("", status="<Sts>INFO</Sts>"), "entry_information"),
        (camt_entry("", status="<Sts><Cd>FUTR</Cd></Sts>"), "entry_future"),
        (camt_entry("", status="<Sts><Prtry>X</Prtry></Sts>"), "entry_status_unknown"),
        (camt_entry("", status=""), "entry_status_missing"),
        (camt_entry("").replace("DBIT", "OUT"), "direction_unreadable"),
        (camt_entry("<RvslInd>maybe</RvslInd>"), "reversal_unreadable"),
        (camt_entry("<CdtDbtInd>CRDT</CdtDbtInd>"), "xml_element_doubled"),
        (camt_entry(f"<NtryDtls>{part('1')}</NtryDtls><RvslInd>true</RvslInd>"), "xml_out_of_order"),
        (camt_entry("", amount="-1.00"), "amount_negative"),
        (camt_entry("", amount="1.000,00"), "amount_unreadable"),
    ],
)
def test_an_entry_that_is_not_booked_costs_itself_and_says_why(tmp_path: Path, entry: str, reason: str) -> None:
    transactions, rejected = read(tmp_path, camt(camt_entry(""), entry, camt_entry("")), MAPPINGS["iso20022-camt053"])
    assert rejected.select(["source_line", "reason"]).to_pylist() == [{"source_line": 2, "reason": reason}]
    assert transactions["source_line"].to_pylist() == [1, 3]
    assert transactions["transaction_id"].to_pylist() == ["M||S|||1/1", "M||S|||1/3"]


def test_a_notification_is_no_statement_and_its_entries_are_counted(tmp_path: Path) -> None:
    notification = as_camt(NEW_YEAR, message="BkToCstmrDbtCdtNtfctn")
    both = as_camt(NEW_YEAR) + notification
    transactions, rejected = read(tmp_path, both, MAPPINGS["iso20022-camt053"])
    assert transactions.num_rows == 7
    assert rejected["reason"].to_pylist() == ["entry_pending", *["message_camt.054"] * 6]
    with pytest.raises(InputFileError, match=r"holds no camt.053 message, but camt.054"):
        read(tmp_path, notification, MAPPINGS["iso20022-camt053"])


def mt940(*lines: str, opening: str = ":60F:C251231EUR100,00") -> str:
    return "\n".join([":20:R", ":25:COBADEFF/123456", ":28C:00001/001", opening, *lines, ":62F:C260102EUR1,00", "-"])


GOOD = ":61:2601020102D1,00NTRFNONREF"


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (":61:2601020102X1,00NTRFNONREF", "entry_unreadable"),
        (":61:", "entry_unreadable"),
        (":61:2613020102D1,00NTRFNONREF", "time_unreadable"),
        (":61:2601020142D1,00NTRFNONREF", "time_unreadable"),
        (":61:2601020102D1,0,0NTRFNONREF", "amount_unreadable"),
        (":61:2601020102ED1,00NTRFNONREF", "entry_pending"),
        (GOOD + "\n:86:caf\udce9", "bytes_unreadable"),
        (GOOD + "\n:86:" + ("x" * 60_000 + "\n") * 2, "text_too_long"),
        (GOOD + "y" * 70_000, "line_too_long"),
    ],
)
def test_a_bad_entry_of_an_mt940_costs_itself(tmp_path: Path, bad: str, reason: str) -> None:
    content = mt940(GOOD, bad, GOOD).encode("utf-8", "surrogateescape")
    transactions, rejected = read(tmp_path, content, MAPPINGS["mt940"])
    assert rejected.select(["source_line", "reason"]).to_pylist() == [{"source_line": 6, "reason": reason}]
    assert transactions.num_rows == 2


@pytest.mark.parametrize(
    ("opening", "reason"), [("", "balance_missing"), (":60F:C251231EURO1,00", "balance_unreadable")]
)
def test_without_an_opening_balance_nobody_knows_the_currency(tmp_path: Path, opening: str, reason: str) -> None:
    text = mt940(GOOD, opening=opening) + "\n" + mt940(GOOD)
    transactions, rejected = read(tmp_path, text, MAPPINGS["mt940"])
    assert (transactions.num_rows, rejected["reason"].to_pylist()) == (1, [reason])


@pytest.mark.parametrize(
    ("entry", "booked", "amount"),
    [
        (":61:260230D1,5NTRFX", date(2026, 2, 28), "1.5"),  # the end of a month of 30 days
        (":61:2602300302DR,5NTRFX".replace(",5", "0,5"), date(2026, 3, 2), "0.5"),
        (":61:991231D10.25S103X//Y", date(1999, 12, 31), "10.25"),
        (":61:2401010229D1,NMSCX", date(2024, 2, 29), "1"),
    ],
)
def test_dates_and_amounts_that_some_banks_write(tmp_path: Path, entry: str, booked: date, amount: str) -> None:
    transactions, rejected = read(tmp_path, mt940(entry), MAPPINGS["mt940"])
    assert rejected.to_pylist() == []
    assert transactions["event_time"].to_pylist()[0].date() == booked
    assert transactions["amount"].to_pylist() == [Decimal(amount)]


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (
            ("166?00GUTSCHRIFT?20EREF+E-7MREF+M-", "1SVWZ+Miete?30COBADEFFXXX?31DE8937040044", "0532013000?32ANN B"),
            {"business_code": "166", "end_to_end_id": "E-7", "mandate_id": "M-1", "counterparty_bank": "COBADEFFXXX",
             "counterparty_account": "DE89370400440532013000", "counterparty_name": "ANN B",
             "remittance": "EREF+E-7MREF+M-1SVWZ+Miete"},
        ),
        (
            ("/TRTP/SEPA OVERBOEKING/IBAN/NL91ABNA0417164300/BIC/ABNANL2A/NAME/ANN/REMI/rent/ER", "EF/NOTPROVIDED"),
            {"counterparty_account": "NL91ABNA0417164300", "counterparty_bank": "ABNANL2A", "counterparty_name": "ANN",
             "remittance": "rent"},
        ),
        (
            ("/EREF/E1//CNTP/NL91ABNA0417164300/ABNANL2A/ANN///REMI/USTD//rent/",),
            {"end_to_end_id": "E1", "counterparty_account": "NL91ABNA0417164300", "counterparty_bank": "ABNANL2A",
             "counterparty_name": "ANN", "remittance": "rent"},
        ),
        (("Any words of a bank",), {}),
    ],
)  # fmt: skip
def test_field_86_in_the_forms_of_germany_and_the_netherlands(lines: tuple[str, ...], found: dict[str, str]) -> None:
    assert read_information(lines) == found | {"information": "".join(lines)}


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n", "<Document/>"])
def test_a_file_without_a_statement_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(InputFileError, match="holds no MT940 statement"):
        read(tmp_path, content, MAPPINGS["mt940"])


def test_an_account_is_the_same_in_both_formats(tmp_path: Path) -> None:
    camt_rows, _ = read(tmp_path, as_camt(NEW_YEAR), MAPPINGS["iso20022-camt053"])
    mt_rows, _ = read(tmp_path, as_mt940(NEW_YEAR), MAPPINGS["mt940"])
    assert set(camt_rows["account_id"].to_pylist()) == set(mt_rows["account_id"].to_pylist())


def test_a_day_with_a_zone_is_the_banks_day(tmp_path: Path) -> None:
    text = as_camt(NEW_YEAR)
    assert "-02</Dt>" in text
    mapping = MAPPINGS["iso20022-camt053"]
    zoned = text.replace("-02</Dt>", "-02+01:00</Dt>").replace("-31</Dt>", "-31Z</Dt>")
    assert read(tmp_path, zoned, mapping)[0].equals(read(tmp_path, text, mapping)[0])
