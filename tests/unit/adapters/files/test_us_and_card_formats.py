"""MT103, NACHA and ISO 8583 in JSON: who pays whom how much and when; what is no payment is counted with its reason."""

import json
from pathlib import Path
from typing import Any

import pytest

from counterfoil.adapters.files.input_files import InputFiles
from counterfoil.adapters.files.mapping_files import load_mapping
from counterfoil.domain.intake.cleaning import clean
from counterfoil.errors import InputFileError

Rows = list[dict[str, Any]]
MAPPINGS = {name: load_mapping(name) for name in ("mt103", "nacha", "iso8583-json")}


def read(folder: Path, name: str, content: str | bytes) -> tuple[Rows, list[tuple[int, str]]]:
    """Return the transactions, and the line and reason of what was rejected."""
    path, mapping = folder / "in", MAPPINGS[name]
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    rows, rejected = Rows(), Rows()
    for batch in InputFiles().batches(path, mapping):
        cleaned = clean(
            batch.table, mapping, key=bytes(16), source=batch.source, first_line=batch.lines, content_hash="c"
        )
        rows += cleaned.transactions.to_pylist()
        rejected += batch.rejected.to_pylist() + cleaned.rejected.to_pylist()
    return rows, sorted((row["source_line"], row["reason"]) for row in rejected)


BLOCKS = "{1:F01COBADEFFAXXX0000000000}{2:I103ABNANL2AXXXXN}{3:{121:0A000000-0000-4000-8000-000000000001}}{4:"
FIELDS = (
    ":20:REF1", ":23B:CRED", ":32A:260102JPY5000,", ":50K:/DE89370400440532013000", "ANN", "MAIN STREET",
    ":59:/NL91ABNA0417164300", "BOB", ":70:RENT", ":71A:SHA",
)  # fmt: skip


def mt103(*fields: str, blocks: str = BLOCKS) -> str:
    return "\r\n".join([blocks, *fields, "-}"]) + "\r\n"


def test_an_mt103_tells_who_pays_whom(tmp_path: Path) -> None:
    (row,), rejected = read(tmp_path, "mt103", mt103(*FIELDS))
    assert rejected == []
    assert (float(row["amount"]), row["currency"], str(row["event_time"].date())) == (5000.0, "JPY", "2026-01-02")
    assert (row["transaction_id"], row["category"]) == ("0a000000-0000-4000-8000-000000000001", "CRED")
    assert (row["debtor_bank"], row["creditor_bank"]) == ("COBADEFF", "ABNANL2A")
    assert row["account_id"] not in (None, row["merchant_id"])


@pytest.mark.parametrize(
    ("field", "bank"),
    [
        (":57A:/12345\r\nABNANL2A", "ABNANL2A"), (":57C://SC123456", "SC123456"),
        (":57D:/12345\r\nNORTH BANK\r\nTOWN", "NORTH BANK"),
        (":57D://FW021000089\r\nNORTH BANK", "FW021000089"), (":71F:EUR1,", "ABNANL2A"),
    ],
)  # fmt: skip
def test_the_payees_bank_is_told_by_bic_clearing_number_or_name(tmp_path: Path, field: str, bank: str) -> None:
    rest = [one for one in FIELDS if not one.startswith(":57")]
    (row,), _ = read(tmp_path, "mt103", mt103(*rest, field, blocks=BLOCKS))
    assert row["creditor_bank"] == bank


def test_messages_follow_one_another_with_blocks_or_without(tmp_path: Path) -> None:
    bare = "\n".join(FIELDS).replace("260102", "801231") + "\n"
    rows, rejected = read(tmp_path, "mt103", bare + bare.replace("REF1", "REF2") + mt103(*FIELDS))
    assert [(row["transaction_id"], row["event_time"].year) for row in rows] == [
        ("|REF1|1980-12-31", 1980), ("|REF2|1980-12-31", 1980), ("0a000000-0000-4000-8000-000000000001", 2026)
    ]  # fmt: skip
    assert rejected == []


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (mt103(*FIELDS[:2], *FIELDS[3:]), "amount_missing"),
        (mt103(*FIELDS).replace("5000,", "5000,00,"), "amount_unreadable"),
        (mt103(*FIELDS).replace("260102", "261302"), "amount_unreadable"),
        (mt103(*FIELDS, ":32A:260102EUR1,"), "field_doubled"),
        (mt103(*FIELDS).replace("I103", "I202"), "message_MT202"),
        (mt103(*FIELDS).replace("ANN", "\udce9"), "bytes_unreadable"),
    ],
)
def test_a_bad_mt103_costs_itself(tmp_path: Path, bad: str, reason: str) -> None:
    content = (mt103(*FIELDS) + bad + mt103(*FIELDS)).encode("utf-8", "surrogateescape")
    rows, rejected = read(tmp_path, "mt103", content)
    assert (len(rows), rejected) == (2, [(14, reason)])


def ach_file() -> str:
    return "101 021000021 0210000212601020930A094101BANK                   COMPANY                        "


def ach_batch(number: int = 1) -> str:
    return f"5200COMPANY                             1234567890PPDPAYROLL   260105260105   102100002{number:07d}"


def ach(code: str, cents: int, trace: int, addenda: int = 0) -> str:
    return f"6{code}09100001{'9':1}{'1234567890':17}{cents:010d}{'ID':15}{'ANN':22}  {addenda}02100002{trace:07d}"


def batch_end(*records: str) -> str:
    return f"8200{_totals(records, 6)}1234567890{'':25}021000020000001"


def file_end(batches: int, *records: str) -> str:
    return f"9{batches:06d}000001{_totals(records, 8)}{'':39}"


def _totals(records: tuple[str, ...], width: int) -> str:
    lines = [line for record in records for line in record.split("\n")]
    entries = [line for line in lines if line.startswith("6")]
    cents = [(line[2] in "1234", int(line[29:39])) for line in entries if line[29:39].isdigit()]
    sums = (sum(each for is_credit, each in cents if is_credit == side) for side in (False, True))
    debits, credits = (f"{each:012d}" for each in sums)
    counted = sum(line.startswith(("6", "7")) for line in lines)
    return f"{counted:0{width}d}{sum(int(line[3:11]) for line in entries):010d}{debits}{credits}"


END = [batch_end(), file_end(1)]


def nacha(*entries: str) -> str:
    return "\n".join([ach_file(), ach_batch(), *entries, batch_end(*entries), file_end(1, *entries)]) + "\n"


def test_the_made_up_records_have_their_length() -> None:
    assert {len(line) for line in (ach_file(), ach_batch(), ach("22", 1, 1), *END)} == {94}


def test_money_flows_from_company_to_receiver_and_back(tmp_path: Path) -> None:
    returned = [ach("21", 500, 3, 1), "799R01021000020000001" + " " * 73]
    rows, rejected = read(tmp_path, "nacha", nacha(ach("22", 12345, 1), ach("37", 7, 2), *returned))
    assert rejected == []
    assert [(float(row["amount"]), row["direction"], row["returned"], row["return_reason"]) for row in rows] == [
        (123.45, "credit", "false", None), (0.07, "debit", "false", None), (5.0, "debit", "true", "R01")
    ]  # fmt: skip
    assert rows[0]["merchant_id"] == rows[1]["account_id"]
    assert rows[0]["account_id"] == rows[1]["merchant_id"]
    assert [row["account_type"] for row in rows] == ["checking", "savings", "checking"]
    assert rows[0]["event_time"].isoformat() == "2026-01-02T14:30:00+00:00"  # half past nine in New York
    assert len({row["transaction_id"] for row in rows}) == 3


@pytest.mark.parametrize(
    ("record", "place", "digits", "wrong"),
    [
        (4, 4, "000002", "entries and addenda 2, and there are 3"),
        (4, 10, "0000000001", "entry hash 1, and there are 18200002"),
        (4, 20, "000000000008", "debits 8, and there are 7"),
        (4, 32, "000000012344", "credits 12344, and there are 12345"),
        (5, 1, "000002", "batches 2, and there are 1"),
        (5, 13, "00000004", "entries and addenda 4, and there are 3"),
        (5, 21, "0000000001", "entry hash 1, and there are 18200002"),
        (5, 31, "000000000000", "debits 0, and there are 7"),
        (5, 43, "000000000000", "credits 0, and there are 12345"),
    ],
)
def test_totals_that_differ_are_told(tmp_path: Path, record: int, place: int, digits: str, wrong: str) -> None:
    entries = [ach("22", 12345, 1), ach("27", 7, 2, 1) + "\n705NOTE"]
    lines = [ach_file(), ach_batch(), *entries, batch_end(*entries), file_end(1, *entries)]
    lines[record] = lines[record][:place] + digits + lines[record][place + len(digits) :]
    path, mapping = tmp_path / "in", MAPPINGS["nacha"]
    path.write_text("\n".join(lines) + "\n")
    (batch,) = InputFiles().batches(path, mapping)
    (row,) = batch.rejected.to_pylist()
    what = "batch" if record == 4 else "file"
    assert (batch.table.num_rows, row["source_line"], row["reason"]) == (2, record + 2, f"{what}_totals_differ")
    assert row["message"].endswith(f"than its records: {wrong}")


def test_totals_of_records_that_cannot_be_read_are_not_held_against_them(tmp_path: Path) -> None:
    good, bad = ach("22", 1, 1), ach("22", 1, 2).replace("0000000001", "00000x0001")
    rows, rejected = read(
        tmp_path, "nacha", "\n".join([ach_file(), ach_batch(), good, bad, batch_end(good), file_end(1)])
    )
    assert (len(rows), rejected) == (1, [(4, "amount_unreadable")])


def test_a_file_may_hold_many_batches_and_end_no_line(tmp_path: Path) -> None:
    one, two = ach("22", 1, 1), ach("27", 2, 1)
    records = [ach_file(), ach_batch(1), one, batch_end(one), ach_batch(2), two, batch_end(two), file_end(2, one, two)]
    for joined in ("".join(records), "\r\n".join(records) + "\r\n", "\n".join([*records, "9" * 94])):
        rows, rejected = read(tmp_path, "nacha", joined)
        assert ([row["source_line"] for row in rows], rejected) == ([3, 6], [])


def test_a_mark_before_the_file_header_says_nothing(tmp_path: Path) -> None:
    for joined in ("", "\n", "\r\n"):
        one = ach("22", 1, 1)
        content = joined.join([ach_file(), ach_batch(), one, batch_end(one), file_end(1, one)])
        rows, rejected = read(tmp_path, "nacha", f"\ufeff{content}")
        assert ([row["source_line"] for row in rows], rejected) == ([3], [])


def test_no_totals_are_required_of_a_file_with_accounting_advices(tmp_path: Path) -> None:
    advice = f"681021000021{'1':15}{5000:012d}{'':15}{'BANK':22}  0021000020010001"
    end = f"8280000001{2100002:010d}{0:020d}{5000:020d}{'':19}021000020000001"
    content = "\n".join([ach_file(), ach_batch().replace("5200", "5280"), advice, end, file_end(1)])
    assert read(tmp_path, "nacha", content) == ([], [(3, "transaction_code_unknown")])


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (ach("23", 0, 1), "entry_prenote"),
        (ach("24", 0, 1), "entry_without_money"),
        (ach("20", 1, 1), "transaction_code_unknown"),
        (ach("22", 1, 1).replace("0000000001", "00000x0001"), "amount_unreadable"),
        (ach("26", 0, 1, 1) + "\n798C01021000020000001", "entry_notification"),
        (ach("22", 1, 1) + "x", "record_too_long"),
        ("X", "record_unknown"),
        (ach("22", 1, 1).replace("ANN", "\udce9NN"), "bytes_unreadable"),
    ],
)
def test_a_bad_ach_entry_costs_itself(tmp_path: Path, bad: str, reason: str) -> None:
    content = nacha(ach("22", 1, 7), bad, ach("22", 1, 8)).encode("utf-8", "surrogateescape")
    rows, rejected = read(tmp_path, "nacha", content)
    assert (len(rows), rejected) == (2, [(4, reason)])


@pytest.mark.parametrize("content", ["", "a,b\n", nacha(ach("22", 1, 1))[:-96], nacha()[95:]])
def test_a_nacha_file_that_is_cut_off_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(InputFileError):
        read(tmp_path, "nacha", content)


CARD = {
    "t": "0100", "2": "4111111111111111", "3": "000000", "4": "000000012345", "7": "1231235959", "11": "000001",
    "18": "5411", "22": "051", "32": "12345", "37": "636500000001", "41": "TERM1   ", "42": "SHOP           ",
    "49": "978", "received_at": "2026-01-01T00:00:03Z",
}  # fmt: skip


def lines(*messages: dict[str, Any]) -> str:
    return "".join(json.dumps(message) + "\n" for message in messages)


def test_a_card_message_of_new_years_eve_is_of_the_old_year(tmp_path: Path) -> None:
    (row,), rejected = read(tmp_path, "iso8583-json", lines(CARD))
    assert rejected == []
    assert (float(row["amount"]), row["currency"], row["category"]) == (123.45, "EUR", "5411")
    assert row["event_time"].isoformat() == "2025-12-31T23:59:59+00:00"
    assert (row["card_bin"], row["card_last4"], row["merchant_id"], row["terminal"]) == (
        "411111", "1111", "SHOP", "TERM1"
    )  # fmt: skip
    assert "4111111111111111" not in str(row)


@pytest.mark.parametrize(
    ("currency", "told", "amount"),
    [("392", "5000", 5000.0), ("414", "000000001234", 1.234), (978, 12345, 123.45), ("KWD", "5", 0.005), (36, 1, 0.01)],
)
def test_amounts_have_the_digits_of_their_currency(tmp_path: Path, currency: Any, told: Any, amount: float) -> None:
    (row,), _ = read(tmp_path, "iso8583-json", lines(CARD | {"4": told, "49": currency}))
    assert float(row["amount"]) == amount


def test_a_refund_is_a_credit_and_its_reversal_a_debit(tmp_path: Path) -> None:
    refund, reversal = CARD | {"3": "200000"}, {"t": "0420"}
    rows, _ = read(tmp_path, "iso8583-json", lines(CARD, CARD | reversal, refund, refund | reversal))
    assert [row["direction"] for row in rows] == ["debit", "credit", "credit", "debit"]
    assert [row["reversal"] for row in rows] == ["false", "true", "false", "true"]
    assert rows[0]["transaction_id"] != rows[1]["transaction_id"]


def test_an_answer_has_the_id_of_what_it_answers(tmp_path: Path) -> None:
    answer = CARD | {"t": "0110", "39": "05"}
    rows, _ = read(tmp_path, "iso8583-json", lines(CARD, answer))
    assert rows[0]["transaction_id"] == rows[1]["transaction_id"]


@pytest.mark.parametrize(("request_type", "repeat"), [("0100", "0101"), ("0120", "0121"), ("0420", "0421")])
def test_a_repeat_has_the_id_of_what_it_repeats(tmp_path: Path, request_type: str, repeat: str) -> None:
    answer = f"{request_type[:2]}{int(request_type[2]) + 1}0"
    rows, _ = read(tmp_path, "iso8583-json", lines(*(CARD | {"t": one} for one in (request_type, repeat, answer))))
    assert len(rows) == 3
    assert len({row["transaction_id"] for row in rows}) == 1


def test_a_repeat_that_is_sent_later_has_the_id_of_what_it_repeats_by_its_retrieval_reference(tmp_path: Path) -> None:
    repeat = {"t": "0101", "7": "1231235930"}
    first = CARD | {"7": "1231235900"}
    by_trace_number = [first | {"37": none} | more for none in (None, "000000000000") for more in ({}, repeat)]
    others = [CARD | {"7": "1230235900"}, first | {"11": "000002"}]
    rows, _ = read(tmp_path, "iso8583-json", lines(first, first | repeat, *by_trace_number, *others))
    ids = [row["transaction_id"] for row in rows]
    assert ids[0] == ids[1]
    assert len(set(ids[1:])) == 7


@pytest.mark.parametrize(
    ("currency", "told", "left", "amounts"),
    [
        ("978", "12345", "000000010000", [23.45, 123.45]),
        ("392", "500", "000000000400", [100, 500]),
        ("414", "1500", "000000000001", [1.499, 1.5]),
    ],
)
def test_a_partial_reversal_gives_back_what_its_replacement_amount_does_not_keep(
    tmp_path: Path, currency: str, told: str, left: str, amounts: list[float]
) -> None:
    reversal = CARD | {"t": "0420", "4": told, "49": currency}
    partial, whole = reversal | {"95": left.ljust(42, "0")}, reversal | {"95": "0" * 42}
    more, odd = reversal | {"95": "9" * 42}, reversal | {"95": "D" + "0" * 41}
    rows, rejected = read(tmp_path, "iso8583-json", lines(partial, whole, more, odd))
    assert [float(row["amount"]) for row in rows] == amounts
    assert [row["direction"] for row in rows] == ["credit", "credit"]
    assert rejected == [(3, "amount_unreadable"), (4, "amount_unreadable")]


@pytest.mark.parametrize(
    ("masked", "bank", "last"),
    [
        ("411111******1111", "411111", "1111"), ("41111122XXXX1111", "411111", "1111"),
        ("************1111", None, "1111"),
        ("4111 11xx xxxx 1111", "411111", "1111"),
    ],
)  # fmt: skip
def test_a_masked_card_number_costs_no_payment(tmp_path: Path, masked: str, bank: str | None, last: str) -> None:
    (row,), rejected = read(tmp_path, "iso8583-json", lines(CARD | {"2": masked}))
    assert (row["card_bin"], row["card_last4"], rejected) == (bank, last, [])
    assert row["account_id"] is not None
    assert masked not in str(row)


@pytest.mark.parametrize(
    "received", [1767225603, 1767225603000, 1767225603000000, "1767225603.25", "2026-01-01T01:00:03+01:00"]
)
def test_the_time_of_receipt_may_be_counted_from_1970(tmp_path: Path, received: Any) -> None:
    (row,), _ = read(tmp_path, "iso8583-json", lines(CARD | {"received_at": received}))
    assert row["event_time"].isoformat() == "2025-12-31T23:59:59+00:00"
    (alone,), _ = read(tmp_path, "iso8583-json", lines(CARD | {"received_at": received, "7": None}))
    assert alone["event_time"].isoformat().startswith("2026-01-01T00:00:03")


@pytest.mark.parametrize(
    "shape",
    [
        {"isomsg": {"field": [{"id": {"t": "0"}.get(k, k), "value": v} for k, v in CARD.items() if k != "received_at"]},
         "timestamp": CARD["received_at"]},
        {f"DE{int(key):03d}" if key.isdigit() else {"t": "MTI"}.get(key, key): value for key, value in CARD.items()},
        {"mti": "0100", "timestamp": CARD["received_at"], "fields": {k: v for k, v in CARD.items() if k.isdigit()}},
        {"0": 100, "@timestamp": CARD["received_at"], **{f"F{k}": v for k, v in CARD.items() if k.isdigit()}},
        {"message": {"mti": "0100", **{f"field_{k}": v for k, v in CARD.items() if k.isdigit()}},
         "logged_at": "2026-01-01T01:00:03+01:00"},
    ],
)  # fmt: skip
def test_writers_name_elements_in_many_ways(tmp_path: Path, shape: dict[str, Any]) -> None:
    assert read(tmp_path, "iso8583-json", lines(shape)) == read(tmp_path, "iso8583-json", lines(CARD))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"t": "0800"}, "message_network"),
        ({"2": True}, "id_truth_value"),
        ({"DE37": False}, "id_truth_value"),
        ({"2": {"bin": "411111"}}, "json_nested_value"),
        ({"3": "310000", "4": "000000000000"}, "message_inquiry"),
        ({"3": 301000}, "message_inquiry"),
        ({"t": "01x0"}, "message_type_unreadable"),
        ({"49": "999"}, "currency_unreadable"),
        ({"4": "12.50"}, "amount_unreadable"),
        ({"7": "1332235959"}, "time_unreadable"),
        ({"received_at": "today"}, "time_missing"),
        ({"4": None}, "amount_missing"),
        ({"11": None, "37": None}, "id_missing"),
    ],
)
def test_a_bad_card_message_costs_itself(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    rows, rejected = read(tmp_path, "iso8583-json", lines(CARD, CARD | change, CARD) + "no object\n")
    assert (len(rows), rejected) == (2, [(2, reason), (4, "json_broken")])
