"""Rows are chosen by their labels, whatever their order; texts are found by what they hold, wherever they lie."""

import datetime as dt
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil.domain.arrays import frauds_and_first_good, rows_of, which_hold


@pytest.mark.parametrize(("most", "chosen"), [(0, [1, 4]), (1, [0, 1, 4]), (2, [0, 1, 2, 4]), (9, [0, 1, 2, 3, 4, 5])])
def test_all_frauds_stay_and_the_first_good_payments(most: int, chosen: list[int]) -> None:
    assert frauds_and_first_good(np.array([0, 1, 0, 0, 1, 0], np.int8), most).tolist() == chosen


@given(
    st.lists(st.none() | st.text("a\n\r\0é.\ufdd0", max_size=4), max_size=12),
    st.sampled_from(["\n", "\0", ".", "\ufdd0", "a.", "é"]),
    st.integers(0, 12),
    st.integers(0, 12),
    st.sampled_from([pa.string(), pa.large_string()]),
)
def test_texts_that_hold_a_piece_are_found_in_any_slice(
    texts: list[str | None], piece: str, start: int, length: int, type_: pa.DataType
) -> None:
    part = pa.array(texts, type_).slice(start, length)
    held = which_hold(part, piece)
    assert held.tolist() == [text is not None and piece in text for text in texts[start : start + length]]
    assert held.tolist() == pc.fill_null(pc.match_substring(part, piece), False).to_pylist()


def test_rows_are_those_of_arrow() -> None:
    at = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    table = pa.table(
        {
            "text": pa.array(["é", None]), "number": [1.5, float("inf")], "gone": pa.array([0.5, None]),
            "single": pa.array([0.1, 0.2], pa.float32()), "small": pa.array([1, 0], pa.int8()), "flag": [True, None],
            "none": pa.nulls(2, pa.list_(pa.string())), "list": [["a"], None], "money": [Decimal("1.20"), None],
            "time": pa.array([at, None], pa.timestamp("us", "UTC")),
        }
    )  # fmt: skip
    for rows in (table, pa.concat_tables([table, table]).slice(1), table.slice(0, 0)):
        found = rows_of(rows)
        assert found == rows.to_pylist()
        assert [list(map(type, row.values())) for row in found] == [
            list(map(type, row.values())) for row in rows.to_pylist()
        ]
