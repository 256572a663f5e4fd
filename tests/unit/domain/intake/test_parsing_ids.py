"""Numbers that lost digits on their way are no ids: accounts that became one are refused, and a cut column is told."""

from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil.domain.intake.cleaning import clean
from counterfoil.domain.intake.mapping import parse_mapping
from counterfoil.domain.intake.parsing import text_of
from counterfoil.domain.intake.parsing_ids import has_whole_floats, identifier_faults, looks_cut

MAPPING = parse_mapping(
    '[fields]\ntransaction_id = "id"\nevent_time = "at"\naccount = "who"\nmerchant = "shop"\n', "shop"
)


def rounded(values: pa.Array) -> list[bool]:
    (fault,) = [fault for fault in identifier_faults(values, "who") if fault.reason == "id_rounded"]
    return fault.rows.tolist()


@pytest.mark.parametrize(
    "text",
    [
        "2.29116E+15", "2.29116e+15", "2,29116E+15", "5E+15", " 1E+16 ", "2.29116393386724E15", "1.0E9", "-1.2E+10",
        "9007199254740993.0", "92233720368547758.0", "9.007199254740993e+15",
    ],
)  # fmt: skip
def test_a_text_that_was_a_rounded_number_is_no_id(text: str) -> None:
    assert rounded(pa.array([text, "a"])) == [True, False]


@pytest.mark.parametrize(
    "text",
    [
        "2291163933867244",
        "4E12",
        "12E5",
        "1e15",
        "E+15",
        "a+b",
        "1.5",
        "7.0",
        "2291163933867244.0",
        "DE89.E+12",
        "",
        None,
    ],
)
def test_other_texts_are_ids(text: str | None) -> None:
    assert rounded(pa.array([text], pa.string())) == [False]


@given(whole=st.integers(-(2**63), 2**63 - 1))
def test_whole_numbers_of_any_size_are_ids(whole: int) -> None:
    assert rounded(pa.array([whole], pa.int64())) == rounded(pa.array([str(whole)])) == [False]


@pytest.mark.parametrize(("type_", "bits"), [(np.float16, 11), (np.float32, 24), (np.float64, 53)])
def test_a_float_is_an_id_as_long_as_it_is_exact(type_: type[np.floating], bits: int) -> None:
    most = 2**bits
    values = pa.array(np.array([most - 1, most, -most, 7, np.nan], dtype=type_))
    assert rounded(values) == [False, True, True, False, False]


@pytest.mark.parametrize("column", ["id", "who", "shop"])
def test_a_row_with_a_rounded_id_is_rejected_and_says_which_column(column: str) -> None:
    rows = {"id": ["p1", "p2"], "at": ["2026-03-01"] * 2, "who": ["a", "b"], "shop": ["x", "y"]}
    rows[column][0] = "2.29116E+15"
    cleaned = clean(pa.table(rows), MAPPING, key=bytes(16), source="s", first_line=2, content_hash="c")
    (found,) = cleaned.rejected.to_pylist()
    assert (found["source_line"], found["reason"]) == (2, "id_rounded")
    assert repr(column) in found["message"]
    assert "2.29" not in found["message"]


def test_a_column_of_numbers_that_a_spreadsheet_cut_looks_cut() -> None:
    assert looks_cut(pa.array(["2291163933867240", "3573030041201290", "12", None]), "who")
    assert looks_cut(pa.array([22911639338672400, 35730300412012900]), "who")
    assert not looks_cut(pa.array(["2291163933867240", "3573030041201292"]), "who")
    assert not looks_cut(pa.array(["2291163933867240", "2291163933867240"]), "who")
    assert not looks_cut(pa.array(["100", "200"]), "who")


def test_a_truth_value_of_a_native_type_is_no_id() -> None:
    (fault,) = identifier_faults(pa.array([True, None, False]), "who")
    assert (fault.reason, fault.rows.tolist()) == ("id_truth_value", [True, False, True])
    assert "column 'who' holds true or false" in str(fault.message)


def test_a_whole_decimal_is_the_id_without_its_point() -> None:
    numbers = pa.array([Decimal("7.0000000000"), Decimal("-7"), Decimal("70.5"), None], pa.decimal128(38, 10))
    assert text_of(numbers, "who").to_pylist() == ["7", "-7", "70.5000000000", None]
    assert text_of(pa.array([Decimal("100")], pa.decimal128(20, 0)), "who").to_pylist() == ["100"]


def test_whole_numbers_with_a_point_are_told() -> None:
    assert has_whole_floats(pa.array(["7", "7.0", None]), "who")
    assert not has_whole_floats(pa.array(["7", "7.01", "v7.0", "0.0.1"]), "who")
    assert not has_whole_floats(pa.array([7.0]), "who")
