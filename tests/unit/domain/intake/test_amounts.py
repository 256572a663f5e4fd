"""Amounts mean the same however they are written: groups, exponents, signs, symbols, sides and units."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Literal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterfoil.domain.intake.cleaning import Cleaned, clean
from counterfoil.domain.intake.mapping import parse_mapping
from counterfoil.domain.intake.mapping_amounts import AmountFormat
from counterfoil.domain.intake.parsing_amounts import parse_amounts
from counterfoil.domain.intake.parsing_numbers import plain_numbers, read_numbers
from counterfoil.errors import MappingError

KEY = b"0123456789abcdef"
FIELDS = '[fields]\nevent_time = "t"\namount = "a"\n'


def cleaned(extra: str, fields: str = "", **columns: Sequence[str | None]) -> Cleaned:
    mapping = parse_mapping(FIELDS + fields + extra, "test")
    rows = len(next(iter(columns.values())))
    table = {"t": ["2026-03-01T10:00:00Z"] * rows, **columns}
    batch = pa.table({name: pa.array(table[name], pa.string()) for name in mapping.source_columns})
    return clean(batch, mapping, key=KEY, source="f.csv", first_line=2, content_hash="c0ffee")


def amounts(extra: str, *texts: str) -> list[Decimal | str]:
    """Return the amounts of texts, or the reasons why they have none."""
    found = cleaned(extra, a=list(texts))
    kept = dict(
        zip(found.transactions["source_line"].to_pylist(), found.transactions["amount"].to_pylist(), strict=True)
    )
    refused = {row["source_line"]: row["reason"] for row in found.rejected.to_pylist()}
    return [kept[line] if line in kept else refused[line] for line in range(2, len(texts) + 2)]


@pytest.mark.parametrize(
    ("style", "text", "value"),
    [
        ("", "2.5E7", "25000000"),
        ("", "1.0E-2", "0.01"),
        ("", "0E-18", "0"),
        ("", "1.23e+3", "1230"),
        ('decimal_mark = ","\nthousands_mark = " "', "1 234,56", "1234.56"),
        ('decimal_mark = ","\nthousands_mark = " "', "1\u00a0234,56", "1234.56"),
        ('decimal_mark = ","\nthousands_mark = " "', "1\u202f234\u202f567,5", "1234567.5"),
        ('decimal_mark = ","\nthousands_mark = " "', "1\u2009234,56", "1234.56"),
        ('thousands_mark = "\'"', "1\u2019234.50", "1234.50"),
        ('thousands_mark = "\'"', "1'234.50", "1234.50"),
        ('thousands_mark = ","', "12,34,567.50", "1234567.50"),
        ('thousands_mark = ","', "1,00,000", "100000"),
        ('symbols = {"$" = "USD"}', "$1.23", "1.23"),
        ('decimal_mark = ","\nsymbols = {"€" = "EUR"}', "€\u00a01,44", "1.44"),
        ('symbols = {"EUR" = "EUR"}', "1.23 EUR", "1.23"),
        ('symbols = {"Rs." = "INR", "Rs" = "INR"}\nthousands_mark = ","', "Rs. 1,00,000.00", "100000.00"),
    ],
)
def test_a_number_is_read_as_it_is_meant(style: str, text: str, value: str) -> None:
    assert amounts(f"[amount]\n{style}\n", text) == [Decimal(value)]


@pytest.mark.parametrize(
    "text", ["(33.52)", "€(63.12)", "(€63.12)", "-$5", "$-5.00", "12.00-", "\u221212.00", "12.00\u2212", "- 7"]
)
def test_a_minus_however_it_is_written_is_below_zero(text: str) -> None:
    style = '[amount]\nsymbols = {"$" = "USD", "€" = "EUR"}\n'
    assert amounts(style, text) == ["amount_negative"]
    (found,) = amounts(style + 'debits = "negative"\n', text)
    assert isinstance(found, Decimal)
    assert found > 0


@pytest.mark.parametrize(
    "text",
    ["12 EUR EUR", "EUR 12 EUR", "--5", "-5-", "(5", "5)", "-(5)", "(5-)", "1,2345", "1,,234", "$", "E5", "5E", "()"],
)
def test_what_is_no_number_stays_none(text: str) -> None:
    style = '[amount]\nthousands_mark = ","\nsymbols = {"$" = "", "EUR" = "EUR"}\ndebits = "negative"\n'
    assert amounts(style, text) == ["amount_unreadable"]


@pytest.mark.parametrize(("text", "reason"), [("1E400", "amount_too_large"), ("1E-400", "amount_too_precise")])
def test_an_exponent_beyond_all_money_is_refused(text: str, reason: str) -> None:
    assert amounts("", text, "1") == [reason, Decimal(1)]


@pytest.mark.parametrize(
    ("text", "way_out"), [("$5", "amount.symbols"), ("5.00 CR", "amount.debits"), ("1,234.50", "amount.thousands_mark")]
)
def test_a_refusal_names_the_way_out_and_quotes_nothing(text: str, way_out: str) -> None:
    (row,) = cleaned("", a=[text]).rejected.to_pylist()
    assert way_out in row["message"]
    assert text not in row["message"]


def test_one_side_is_kept_and_the_other_counted() -> None:
    texts = ("-200", "1320.27", "-100.00", "0", "7 CR", "8 DR")
    kept = amounts('[amount]\ndebits = "negative"\n', *texts)
    assert kept == [200, "amount_other_side", 100, 0, "amount_other_side", 8]
    credits = amounts('[amount]\ndebits = "negative"\nkeep = "credits"\n', *texts)
    assert credits == [
        "amount_other_side",
        Decimal("1320.27"),
        "amount_other_side",
        "amount_other_side",
        7,
        "amount_other_side",
    ]
    purchases = amounts('[amount]\ndebits = "positive"\n', "12.00", "-5", "12.00 CR", "(3)")
    assert purchases == [12, "amount_other_side", "amount_other_side", "amount_other_side"]


def test_both_sides_have_a_direction() -> None:
    found = cleaned('[amount]\ndebits = "negative"\nkeep = "both"\n', a=["-200", "1320.27"]).transactions
    assert found["amount"].to_pylist() == [200, Decimal("1320.27")]
    assert found["direction"].to_pylist() == ["debit", "credit"]
    assert "direction" in parse_mapping(FIELDS + '[amount]\ndebits = "negative"\nkeep = "both"\n', "x").categorical


def test_a_column_tells_the_side() -> None:
    style = '[amount]\ndirection = "dc"\nkeep = "both"\n'
    found = cleaned(style, a=["5", "6", "7", "-8", "9"], dc=["DBIT", "crdt", "", "D", "Haben"])
    assert found.transactions["direction"].to_pylist() == ["debit", "credit"]
    assert [row["reason"] for row in found.rejected.to_pylist()] == [
        "amount_side_unknown", "amount_negative", "amount_side_unknown",
    ]  # fmt: skip
    named = style + 'debit_values = ["Soll"]\ncredit_values = ["Haben"]\n'
    assert cleaned(named, a=["9"], dc=["haben"]).transactions["direction"].to_pylist() == ["credit"]


def test_minor_units_have_their_currencys_digits() -> None:
    codes = ["USD", "JPY", "KWD", "CLF", "HUF", "XAU", "ZZZ", None, "EUR"]
    found = cleaned('[amount]\nunit = "minor"\n', 'currency = "c"\n', a=["12345"] * 8 + ["-7"], c=codes)
    assert [str(amount) for amount in found.transactions["amount"].to_pylist()] == [
        "123.4500", "12345.0000", "12.3450", "1.2345", "123.4500",
    ]  # fmt: skip
    assert [row["reason"] for row in found.rejected.to_pylist()] == ["currency_digits_unknown"] * 3 + [
        "amount_negative"
    ]


def test_minor_units_of_one_currency_and_of_a_processors_own_digits() -> None:
    one = '[amount]\nunit = "minor"\n[currency]\ncode = "KWD"\n'
    found = cleaned(one, a=["5", "1099", "10.5"]).transactions
    assert [str(amount) for amount in found["amount"].to_pylist()] == ["0.0050", "1.0990", "0.0105"]
    assert found["currency"].to_pylist() == ["KWD"] * 3
    own = '[amount]\nunit = "minor"\nminor_digits = {ISK = 2}\n'
    assert cleaned(own, 'currency = "c"\n', a=["500"], c=["ISK"]).transactions["amount"].to_pylist() == [5]


def test_minor_units_in_native_numbers() -> None:
    mapping = parse_mapping('[file]\nformat = "parquet"\n' + FIELDS + 'currency = "c"\n[amount]\nunit = "minor"\n', "x")
    for values in (pa.array([1099]), pa.array([1099.0]), pa.array([Decimal("1099.00")])):
        batch = pa.table({"t": ["2026-03-01T10:00:00Z"], "a": values, "c": ["EUR"]})
        found = clean(batch, mapping, key=KEY, source="f", first_line=1, content_hash="c0ffee")
        assert found.transactions["amount"].to_pylist() == [Decimal("10.99")]


def test_a_sign_of_money_tells_the_currency_or_contradicts_its_column() -> None:
    style = '[amount]\nsymbols = {"$" = "USD", "€" = "EUR"}\n'
    assert cleaned(style, a=["$5", "5 €", "5"]).transactions["currency"].to_pylist() == ["USD", "EUR", None]
    both = cleaned(style, 'currency = "c"\n', a=["$5", "$5", "5"], c=["USD", "EUR", "EUR"])
    assert both.transactions["currency"].to_pylist() == ["USD", "EUR"]
    assert [row["reason"] for row in both.rejected.to_pylist()] == ["currency_contradicts"]


@pytest.mark.parametrize("values", [pa.array([-5.5, 2.0]), pa.array([Decimal("-5.50"), Decimal("2.00")])])
def test_sides_of_native_numbers(values: pa.Array) -> None:
    mapping = parse_mapping(
        '[file]\nformat = "parquet"\n' + FIELDS + '[amount]\ndebits = "negative"\nkeep = "both"\n', "x"
    )
    batch = pa.table({"t": ["2026-03-01T10:00:00Z"] * 2, "a": values})
    found = clean(batch, mapping, key=KEY, source="f", first_line=1, content_hash="c0ffee").transactions
    assert found["amount"].to_pylist() == [Decimal("5.5"), 2]
    assert found["direction"].to_pylist() == ["debit", "credit"]


def test_numeric_evidence_is_written_like_amounts() -> None:
    style = '[amount]\ndebits = "positive"\nsymbols = {"$" = "USD"}\nthousands_mark = ","\n'
    style += '[evidence.numeric]\nbalance = "b"\n'
    found = cleaned(style, a=["1"] * 5, b=["$1,234.5", "(10)", "1.5E7", "3 DR", "3 CR"]).transactions
    assert found["balance"].to_pylist() == [1234.5, -10.0, 1.5e7, -3.0, 3.0]


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ('[amount]\nkeep = "both"', "needs to know which rows are debits"),
        ('[amount]\nunit = "minor"', "needs each payment's currency"),
        ('[amount]\nsymbols = {"5" = "EUR"}', "is no sign or code of a currency"),
        ('[amount]\nsymbols = {"$" = "dollars"}', "is not three capital letters"),
        ('[amount]\nminor_digits = {ISK = 9}', "0 to 4 digits"),
        ('[amount]\ndirection = "d"\ndebit_values = ["x"]\ncredit_values = ["X"]', "both list 'X'"),
        ('[currency]\ncode = "eur"', "is not three capital letters"),
    ],
)  # fmt: skip
def test_a_contradiction_is_said_in_words(section: str, problem: str) -> None:
    with pytest.raises(MappingError, match=problem.replace("'", ".")):
        parse_mapping(FIELDS + section + "\n", "test")


Mark = Literal[" ", "'", "_", ","]
PLAIN = st.decimals(min_value=0, max_value=10**11, places=4, allow_nan=False, allow_infinity=False)


@settings(deadline=None)
@given(
    PLAIN, st.sampled_from(["thousands", "indian", "none"]), st.sampled_from([" ", "'", "_", ","]), st.integers(0, 7)
)
def test_every_spelling_of_a_number_is_that_number(value: Decimal, groups: str, mark: Mark, way: int) -> None:
    whole, _, places = f"{value:f}".partition(".")
    text = f"{grouped(whole, groups, mark)}.{places}"
    spellings = [text, f"${text}", f"{text} $", f"+{text}", f"$ {text}", f"({text})", f"\u2212{text}", f"{text}-"]
    style = AmountFormat(thousands_mark=mark, symbols={"$": "USD"}, debits="negative" if way >= 5 else "positive")
    found = parse_amounts(pa.array([spellings[way]]), "a", style)
    assert found.values.to_pylist() == [value]


@settings(deadline=None)
@given(PLAIN, st.integers(-8, 8))
def test_every_exponent_of_a_number_is_that_number(value: Decimal, shift: int) -> None:
    text = f"{value.scaleb(shift):f}E{-shift}"
    assert Decimal(read_numbers(pa.array([text]), AmountFormat()).plain[0].as_py()) == value
    assert float(plain_numbers(pa.array([text]), AmountFormat())[0].as_py()) == pytest.approx(float(value))


@settings(deadline=None)
@given(st.lists(st.text(alphabet="0123456789.,-+()$E e\u2212\u00a0CRDR'", max_size=12)))
def test_no_text_breaks_the_batch(texts: list[str]) -> None:
    style = AmountFormat(thousands_mark=",", symbols={"$": "USD"}, debits="negative", keep="both")
    found = parse_amounts(pa.array(texts, pa.string()), "a", style)
    refused = [any(fault.rows[row] for fault in found.faults) for row in range(len(texts))]
    assert [value is None for value in found.values.to_pylist()] == refused


def grouped(digits: str, groups: str, mark: str) -> str:
    if groups == "none" or len(digits) < 4:
        return digits
    size = 2 if groups == "indian" else 3
    head, parts = digits[:-3], [digits[-3:]]
    while head:
        head, parts = head[:-size], [head[-size:], *parts]
    return mark.join(parts)
