"""Every raw row becomes a transaction or a rejection with one reason, and nothing personal is kept."""

import hashlib
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from examples import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from counterfoil.domain import schemas
from counterfoil.domain.intake.cleaning import Cleaned, clean
from counterfoil.domain.intake.mapping import SourceMapping, parse_mapping
from counterfoil.errors import MappingError

KEY = b"0123456789abcdef"
MAPPING = """
[fields]
transaction_id = "id"
event_time = "t"
amount = "a"
currency = "cur"
account = "who"
email = "mail"
source_ip = "ip"
merchant = "m"
card_number = "card"
label = "l"
label_time = "lt"
[labels]
fraud = ["1"]
good = ["0"]
unknown = [""]
[evidence.numeric]
n = "num"
[evidence.categorical]
c = "cat"
"""
GOOD: dict[str, str | None] = {
    "id": "x1", "t": "2024-05-06T07:08:09Z", "a": "12.34", "cur": "eur", "who": "Ann", "ip": "192.0.2.7",
    "mail": "ann@example.org", "m": " Shop ", "card": "4111 1111-1111 1234", "l": "1",
    "lt": "2024-05-07 00:00:00+02:00", "num": "1e3", "cat": "web",
}  # fmt: skip


def mapping_of(extra: str = "", fields: str = "") -> SourceMapping:
    text = MAPPING if not fields else f'[fields]\nevent_time = "t"\n{fields}\n'
    return parse_mapping(text + extra, "test")


def cleaned(*rows: dict[str, Any], mapping: SourceMapping | None = None, first_line: int | pa.Array = 2) -> Cleaned:
    mapping = mapping or mapping_of()
    batch = pa.table({name: pa.array([row[name] for row in rows]) for name in mapping.source_columns})
    return clean(batch, mapping, key=KEY, source="f.csv", first_line=first_line, content_hash="c0ffee")


def only(result: Cleaned) -> dict[str, Any]:
    (row,) = result.transactions.to_pylist()
    return dict(row)


def reason(result: Cleaned) -> str:
    (row,) = result.rejected.to_pylist()
    return str(row["reason"])


def test_a_good_row_becomes_a_transaction() -> None:
    result = cleaned(GOOD)
    row = only(result)
    assert result.transactions.schema == mapping_of().schema
    assert result.rejected.schema == schemas.REJECTED
    assert row["event_time"] == datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
    assert row["label_time"] == datetime(2024, 5, 6, 22, tzinfo=UTC)
    assert (row["amount"], row["currency"], row["label"], row["n"]) == (Decimal("12.3400"), "EUR", 1, 1000.0)
    assert (row["merchant_id"], row["c"], row["device_id"]) == ("Shop", "web", None)
    assert (row["card_bin"], row["card_last4"]) == ("411111", "1234")
    assert (row["source"], row["source_line"]) == ("f.csv", 2)


def test_nothing_personal_is_kept() -> None:
    kept = repr(cleaned(GOOD).transactions.to_pylist()).lower()
    for secret in ("ann", "example.org", "192.0.2.7", "4111111111111234", "1111 1111"):
        assert secret not in kept


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("t", "", "time_missing"),
        ("t", "  ", "time_missing"),
        ("t", "soon", "time_unreadable"),
        ("t", "now", "time_unreadable"),
        ("t", "2023-02-29T00:00:00Z", "time_unreadable"),
        ("t", "1970-01-01T00:00:00Z", "time_out_of_range"),
        ("t", "2200-01-01T00:00:00Z", "time_out_of_range"),
        ("t", "0001-01-01T00:00:00Z", "time_out_of_range"),
        ("id", " ", "id_missing"),
        ("id", "a\0b", "text_unreadable"),
        ("a", "", "amount_missing"),
        ("a", "NaN", "amount_unreadable"),
        ("a", "inf", "amount_unreadable"),
        ("a", "1e308", "amount_too_large"),
        ("a", "1.234,56", "amount_unreadable"),
        ("a", "12 EUR", "amount_unreadable"),
        ("a", "-0.01", "amount_negative"),
        ("a", "1.00001", "amount_too_precise"),
        ("a", "1000000000000", "amount_too_large"),
        ("a", "9" * 400, "amount_too_large"),
        ("cur", "euro", "currency_unreadable"),
        ("l", "maybe", "label_unknown_value"),
        ("lt", "later", "label_time_unreadable"),
        ("lt", "1970-01-01T00:00:00Z", "label_time_unreadable"),
        ("card", "4111", "card_number_invalid"),
        ("card", "x" * 16, "card_number_invalid"),
        ("num", "many", "number_unreadable"),
        ("num", "nan", "number_unreadable"),
        ("num", "1e999", "number_unreadable"),
    ],
)
def test_a_bad_cell_has_its_reason(column: str, value: str, expected: str) -> None:
    result = cleaned(GOOD, {**GOOD, column: value}, GOOD)
    assert result.transactions["source_line"].to_pylist() == [2, 4]
    (row,) = result.rejected.to_pylist()
    assert (row["reason"], row["source_line"], row["source"]) == (expected, 3, "f.csv")
    assert f"column {column!r}" in row["message"]


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("0", "0"),
        ("-0.00", "0"),
        (".00", "0"),
        ("-.0", "0"),
        ("+.50", "0.5"),
        ("+7", "7"),
        ("5.", "5"),
        ("100", "100"),
        ("1.50000000", "1.5"),
        ("1." + "0" * 60, "1"),
        ("000000000000000000001.1", "1.1"),
        ("999999999999.9999", "999999999999.9999"),
    ],
)
def test_amounts_are_exact(text: str, amount: str) -> None:
    assert only(cleaned({**GOOD, "a": text}))["amount"] == Decimal(amount)


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("1.234.567,89", "1234567.89"),
        ("1234,5", "1234.5"),
        ("1.23,4", None),
        ("1,234.5", None),
        ("1.5", None),
    ],
)
def test_marks_are_the_mappings(text: str, amount: str | None) -> None:
    mapping = mapping_of('[amount]\ndecimal_mark = ","\nthousands_mark = "."\n', 'amount = "a"')
    result = cleaned({**GOOD, "a": text}, mapping=mapping)
    if amount is None:
        assert reason(result) == "amount_unreadable"
    else:
        assert only(result)["amount"] == Decimal(amount)


def test_empty_cells_that_may_be_empty_are_null() -> None:
    empty = dict.fromkeys(("who", "mail", "ip", "m", "card", "l", "lt", "num", "cat", "cur"), "")
    row = only(cleaned({**GOOD, **empty}))
    assert {row[name] for name in ("account_id", "email_id", "merchant_id", "card_bin", "label", "n")} == {None}


def test_an_empty_label_must_be_declared() -> None:
    mapping = mapping_of('[labels]\nfraud = ["1"]\ngood = ["0"]\n', 'label = "l"')
    result = cleaned({**GOOD, "l": ""}, mapping=mapping)
    assert result.rejected.to_pylist()[0]["message"] == "column 'l' is empty, which [labels] does not list"


def test_label_messages_quote_words_of_labels_and_nothing_else() -> None:
    for word in ("chargeback", "Confirmed fraud", "not_fraud", "7", "-1", "0.5"):
        told = cleaned({**GOOD, "l": word}).rejected.to_pylist()[0]["message"]
        assert told == f"column 'l' holds '{word}', which [labels] does not list"
    secrets = (
        "ann@example.org",
        "4111111111111234",
        "192.0.2.7",
        "+49 30 1234567",
        "Ann",
        "Ann Quill",
        "good Ann",
        "12345",
    )
    for secret in secrets:
        assert secret not in cleaned({**GOOD, "l": secret}).rejected.to_pylist()[0]["message"]


def test_the_first_reason_counts() -> None:
    assert reason(cleaned({**GOOD, "t": "", "a": "x", "l": "?"})) == "time_missing"


def test_line_numbers_may_be_given_row_by_row() -> None:
    result = cleaned(GOOD, {**GOOD, "a": "x"}, first_line=pa.array([7, 11]))
    assert result.transactions["source_line"].to_pylist() == [7]
    assert result.rejected["source_line"].to_pylist() == [11]


def test_ids_are_derived_from_content_and_line() -> None:
    result = cleaned(GOOD, GOOD, mapping=mapping_of(fields='amount = "a"'))
    expected = [hashlib.sha256(f"c0ffee:{line}".encode()).hexdigest()[:32] for line in (2, 3)]
    assert result.transactions["transaction_id"].to_pylist() == expected


def test_a_card_number_mapped_as_bin_is_refused() -> None:
    mapping = mapping_of(fields='card_bin = "card"')
    assert reason(cleaned({**GOOD, "card": "4111111111111234"}, mapping=mapping)) == "card_bin_invalid"
    assert only(cleaned({**GOOD, "card": "41111111"}, mapping=mapping))["card_bin"] == "411111"


@pytest.mark.parametrize(
    ("section", "text", "utc"),
    [
        ('format = "iso8601"\nzone = "Europe/Berlin"', "2024-07-01T12:00:00", "2024-07-01T10:00"),
        ('format = "iso8601"\nzone = "Europe/Berlin"', "2024-07-01 12:00", "2024-07-01T10:00"),
        ('format = "iso8601"\nzone = "Europe/Berlin"', "2024-07-01T12:00:00.5+0530", "2024-07-01T06:30:00.5"),
        ('format = "iso8601"\nzone = "Europe/Berlin"', "2024-10-27T02:30:00", "2024-10-27T00:30"),
        ('format = "iso8601"\nzone = "Europe/Berlin"', "2024-03-31T02:30:00", None),
        ('format = "iso8601"', "2024-07-01", "2024-07-01T00:00"),
        ('format = "%d/%m/%Y %H:%M"\nzone = "America/New_York"', "01/02/2024 03:04", "2024-02-01T08:04"),
        ('format = "%d/%m/%Y"', "2024-02-01", None),
        ('format = "%d/%m/%Y"', "today", None),
        ('format = "%Y%m%d %z"', "20240201 +0200", "2024-01-31T22:00"),
        ('format = "epoch_seconds"', "1700000000.25", "2023-11-14T22:13:20.25"),
        ('format = "epoch_milliseconds"', "1700000000250", "2023-11-14T22:13:20.25"),
        ('format = "epoch_seconds"', "1700000000000", None),
        ('format = "epoch_seconds"', "9" * 300, None),
        ('format = "epoch_seconds"', "0", None),
        ('format = "relative_seconds"\nepoch = "2013-09-01T00:00:00Z"', "86400", "2013-09-02T00:00"),
    ],
)
def test_times_are_taken_to_utc(section: str, text: str, utc: str | None) -> None:
    result = cleaned({"t": text}, mapping=mapping_of(f"[time]\n{section}\n", "#"))
    if utc is None:
        assert reason(result) in ("time_unreadable", "time_out_of_range", "time_skipped")
    else:
        assert only(result)["event_time"] == datetime.fromisoformat(utc).replace(tzinfo=UTC)


def parquet_mapping(fields: str, extra: str = "") -> SourceMapping:
    return mapping_of(f'[file]\nformat = "parquet"\n[time]\nformat = "native"\n{extra}', fields)


@pytest.mark.parametrize(
    ("text", "accepted"),
    [
        ("2020-01-01T00:00:00Z", True),
        ("2019-12-31T23:59:59Z", False),
        ("2025-01-01T00:59:59+01:00", True),
        ("2025-01-01T00:00:00Z", False),
        ("2999-01-01T00:00:00Z", False),
    ],
)
def test_the_plausible_range_is_the_mappings(text: str, accepted: bool) -> None:
    plausible = mapping_of('[time]\nearliest = 2020-01-01T00:00:00Z\nlatest = "2025-01-01T00:00:00Z"\n')
    result = cleaned(GOOD, {**GOOD, "t": text}, mapping=plausible)
    assert result.transactions.num_rows == 1 + accepted
    assert result.rejected.to_pylist() == ([] if accepted else [
        {"source": "f.csv", "source_line": 3, "reason": "time_out_of_range",
         "message": "column 't' is not from 2020-01-01 until before 2025-01-01"},
    ])  # fmt: skip


def test_native_columns_keep_their_types() -> None:
    extra = '[labels]\nfraud = ["1"]\ngood = ["0"]\n[evidence.numeric]\nn = "n"\nb = "b"\n'
    mapping = parquet_mapping('amount = "a"\naccount = "who"\nlabel = "l"', extra)
    when = datetime(2024, 1, 1, 12)
    batch = pa.table(
        {
            "t": pa.array([when, None, when, when, when, when], pa.timestamp("ns")),
            "a": [12.34567, 1.0, float("nan"), float("inf"), -1.0, 1e308],
            "who": pa.array([7.0, None, 7.0, 7.0, 7.0, 7.0]),
            "l": pa.array([1, 0, 0, 0, 0, 0]),
            "n": pa.array([None, 1, 2, 3, 4, 5], pa.int32()),
            "b": [True] * 6,
        }
    )
    result = clean(batch, mapping, key=KEY, source="f", first_line=1, content_hash="")
    row = only(result)
    assert (row["amount"], row["label"], row["n"], row["b"]) == (Decimal("12.3457"), 1, None, 1.0)
    assert row["event_time"] == when.replace(tzinfo=UTC)
    assert row["account_id"] == only(cleaned({**GOOD, "who": "7"}))["account_id"]
    assert result.rejected["reason"].to_pylist() == [
        "time_missing", "amount_unreadable", "amount_unreadable", "amount_negative", "amount_too_large",
    ]  # fmt: skip


def test_decimal_amounts_are_exact_or_refused() -> None:
    amounts = pa.array([Decimal("1.2300000000"), Decimal("0E-10"), Decimal("0.0000000001")], pa.decimal128(30, 10))
    batch = pa.table({"t": pa.array([datetime(2024, 1, 1)] * 3, pa.timestamp("s", "UTC")), "a": amounts})
    result = clean(batch, parquet_mapping('amount = "a"'), key=KEY, source="f", first_line=1, content_hash="")
    assert result.transactions["amount"].to_pylist() == [Decimal("1.2300"), Decimal("0.0000")]
    assert reason(result) == "amount_too_precise"


def test_a_time_that_microseconds_cannot_hold_costs_its_row_only() -> None:
    times = pa.array([2**62, 1_700_000_000], pa.int64()).cast(pa.timestamp("s"))
    result = clean(pa.table({"t": times}), parquet_mapping("#"), key=KEY, source="f", first_line=1, content_hash="")
    assert (len(result.transactions), reason(result)) == (1, "time_unreadable")


@pytest.mark.parametrize(
    ("table", "fields"),
    [
        ({"t": pa.array([1, 2])}, "#"),
        ({"t": pa.array([datetime(2024, 1, 1)]), "who": pa.array([[1]])}, 'account = "who"'),
    ],
)
def test_a_column_of_an_unfit_type_is_an_error(table: dict[str, pa.Array], fields: str) -> None:
    with pytest.raises(MappingError, match=r"column '(t|who)' holds (int64|list)"):
        clean(pa.table(table), parquet_mapping(fields), key=KEY, source="f", first_line=1, content_hash="")


def test_no_rows_are_no_problem() -> None:
    empty = pa.table({name: pa.array([], pa.string()) for name in GOOD})
    result = clean(empty, mapping_of(), key=KEY, source="f", first_line=2, content_hash="")
    assert (result.transactions.num_rows, result.rejected.num_rows) == (0, 0)


CELL = st.one_of(
    st.none(),
    st.text(st.characters(codec="utf-8"), max_size=12),
    st.from_regex(r"[+-]?[0-9]{0,20}[.,]?[0-9]{0,6}(e[0-9]{1,3})?", fullmatch=True),
    st.datetimes().map(str),
    st.sampled_from([value for value in GOOD.values() if value]),
)


@pytest.mark.slow
@pytest.mark.parametrize(
    "time",
    ["iso8601", "%Y-%m-%d %H:%M:%S", "epoch_seconds", "epoch_milliseconds"],
)
@settings(deadline=None, max_examples=examples(20), suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.fixed_dictionaries(dict.fromkeys(GOOD, CELL)), max_size=5))
def test_rows_in_are_rows_out_for_any_cells(time: str, rows: list[dict[str, str | None]]) -> None:
    mapping = mapping_of(f'[time]\nformat = "{time}"\nzone = "Europe/Berlin"\n')
    batch = pa.table({name: pa.array([row[name] for row in rows], pa.string()) for name in GOOD})
    results = [clean(batch, mapping, key=KEY, source="f", first_line=2, content_hash="c") for _ in range(2)]
    lines = [
        *results[0].transactions["source_line"].to_pylist(),
        *results[0].rejected["source_line"].to_pylist(),
    ]
    assert sorted(lines) == list(range(2, 2 + len(rows)))
    assert results[0].transactions.equals(results[1].transactions)
    assert results[0].rejected.equals(results[1].rejected)
    results[0].transactions.validate(full=True)


@pytest.mark.slow
@settings(deadline=None, max_examples=examples(20))
@given(st.lists(st.dictionaries(st.sampled_from(sorted(GOOD)), CELL, max_size=2), min_size=1, max_size=6))
def test_rows_do_not_depend_on_their_neighbours(changes: list[dict[str, str | None]]) -> None:
    rows = [{**GOOD, **change} for change in changes]
    text = pa.schema([(name, pa.string()) for name in GOOD])
    alone = [
        clean(pa.Table.from_pylist([row], schema=text), mapping_of(), key=KEY, source="f",
              first_line=line, content_hash="c")
        for line, row in enumerate(rows)
    ]  # fmt: skip
    batch = pa.Table.from_pylist(rows, schema=text)
    together = clean(batch, mapping_of(), key=KEY, source="f", first_line=0, content_hash="c")
    assert together.transactions.equals(pa.concat_tables([one.transactions for one in alone]))
    assert together.rejected.equals(pa.concat_tables([one.rejected for one in alone]))


def test_source_ips_of_kept_rows_are_told_once_each() -> None:
    ips = ["192.0.2.7", "192.0.2.7:80", "::FFFF:192.0.2.7", "2001:DB8::1", "nobody", None, "10.0.0.1"]
    rows = [GOOD | {"id": f"x{number}", "ip": ip} for number, ip in enumerate(ips)]
    rows[-1]["t"] = "never"
    result = cleaned(*rows)
    assert result.addresses.schema == schemas.ADDRESSES
    assert sorted(result.addresses["address"].to_pylist(), key=str) == ["192.0.2.7", "2001:db8::1", None]
    ids = result.transactions["source_ip_id"].to_pylist()
    assert set(result.addresses["source_ip_id"].to_pylist()) == set(ids) - {None}
    assert ids[0] == ids[1] == ids[2]
    assert ids[5] is None


def test_without_a_source_ip_there_are_no_addresses() -> None:
    assert cleaned(GOOD, mapping=mapping_of(fields='account = "who"')).addresses == schemas.ADDRESSES.empty_table()


def test_no_ip_gets_into_transactions_or_rejections() -> None:
    rows = [GOOD | {"id": "a", "ip": "198.51.100.23"}, GOOD | {"id": "b", "t": "x", "ip": "198.51.100.23"}]
    result = cleaned(*rows)
    assert "198.51.100" not in str(result.transactions.to_pylist()) + str(result.rejected.to_pylist())


BANKS = 'account = ["bank", "from"]\nmerchant = ["their_bank", "to"]\n'
HASHED = '[privacy]\nhashed = ["merchant"]\n'


def test_an_account_of_several_columns_is_another_at_another_bank() -> None:
    mapping = mapping_of(HASHED, fields=BANKS)
    rows = [
        {"t": GOOD["t"], "bank": bank, "from": "12345678", "their_bank": theirs, "to": to}
        for bank, theirs, to in (("011", "021", "9"), ("021", "011", "9"), ("011", "021", "12345678"))
    ]
    made = cleaned(*rows, mapping=mapping).transactions
    first, second, third = made["account_id"].to_pylist()
    assert first == third != second
    assert made["merchant_id"].to_pylist()[2] == second
    assert len({first, second, *made["merchant_id"].to_pylist()}) == 4


@pytest.mark.parametrize("rest", [1, 2])
@pytest.mark.parametrize(("fields", "column"), [('account = "who"', "who"), (f"{BANKS}", "to"), (f"{BANKS}", "from")])
def test_an_iban_with_check_digits_that_none_has_costs_its_row(fields: str, column: str, rest: int) -> None:
    """Whether the sum fits (1) or not."""
    mapping = mapping_of(HASHED if "merchant" in fields else "", fields=fields)
    wrong = next(f"DE00{number:018}" for number in range(97) if _rest(f"DE00{number:018}") == rest)
    row = dict.fromkeys(mapping.source_columns, "1") | {"t": GOOD["t"]}
    result = cleaned({**row, column: f"{wrong[:4]} {wrong[4:]}"}, row, mapping=mapping)
    assert result.transactions.num_rows == 1
    (refused,) = result.rejected.to_pylist()
    assert (refused["reason"], refused["source_line"]) == ("iban_invalid", 2)
    assert repr(column) in refused["message"]
    assert wrong[4:] not in refused["message"]


def _rest(iban: str) -> int:
    return int("".join(str(int(sign, 36)) for sign in iban[4:] + iban[:4])) % 97
