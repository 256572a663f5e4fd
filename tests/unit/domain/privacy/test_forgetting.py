"""What of a table is an account's, and that nothing names it once that is gone."""

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil.domain.privacy.forgetting import Marks, has_texts, mentions, own_rows, without
from counterfoil.domain.schemas import PRECEDENT

WHO = "a" * 32
OTHER = "b" * 32
MARKS = Marks(WHO, frozenset({"t1", "t2"}), frozenset({"ip1"}))


def cited(*ids: str | None) -> list[dict[str, Any]]:
    return [{"reference_id": one, "label": 1, "similarity": 0.5, "event_time": 7} for one in ids]


def scores(*rows: tuple[str, str | None, list[dict[str, Any]] | None]) -> pa.Table:
    names, accounts, precedents = (list(column) for column in zip(*rows, strict=True))
    return pa.table(
        {
            "transaction_id": pa.array(names),
            "account_id": pa.array(accounts, pa.string()),
            "precedents": pa.array(precedents, pa.list_(PRECEDENT)),
        }
    )


def test_own_rows_go_and_precedents_lose_their_name() -> None:
    rows = scores(("t1", WHO, cited("x")), ("y", OTHER, cited("x", "t2")), ("z", None, None))
    assert mentions(rows, MARKS) == 3
    kept = without(rows, MARKS)
    assert kept.schema == rows.schema
    assert kept["transaction_id"].to_pylist() == ["y", "z"]
    first, second = kept["precedents"][0].as_py()
    assert (first["reference_id"], first["label"]) == ("x", 1)
    assert second == {"reference_id": None, "label": 1, "similarity": 0.5, "event_time": None}
    assert mentions(kept, MARKS) == 0


def test_an_id_that_another_account_took_later_is_its_own() -> None:
    rows = scores(("t1", OTHER, None), ("t2", None, None))
    assert own_rows(rows, MARKS).to_pylist() == [False, True]
    assert mentions(rows, MARKS) == 1
    assert mentions(rows, MARKS, of_anybody=True) == 2


@pytest.mark.parametrize(
    ("rows", "own", "named"),
    [
        ({"transaction_id": ["t1", "x"], "note": ["t2", "t1"]}, [True, False], 1),
        ({"source_ip_id": ["ip1", "ip2", None]}, [True, False, False], 1),
        ({"source_ip_id": ["ip1"], "account_id": [OTHER], "transaction_id": ["x"]}, [False], 0),
        ({"merchant_id": ["t1"], "category": ["ip1"]}, [False], 0),
        ({"notes": [["x", WHO], [], None]}, [False] * 3, 1),
        ({"count": [1, 2]}, [False] * 2, 0),
    ],
)
def test_tables_without_accounts(rows: dict[str, list[Any]], own: list[bool], named: int) -> None:
    table = pa.table(rows)
    assert own_rows(table, MARKS).to_pylist() == own
    assert mentions(table, MARKS) == named


def test_names_are_found_however_deep() -> None:
    deep = pa.array([[{"a": {"reference_id": "t1", "b": [WHO]}}], None])
    table = pa.table({"deep": deep, "coded": pa.array([WHO, "x"]).dictionary_encode()})
    assert mentions(table, MARKS) == 3
    assert all(has_texts(field.type) for field in table.schema)
    assert not has_texts(pa.list_(pa.struct([pa.field("x", pa.list_(pa.float32(), 3))])))


def test_others_lose_its_name_as_the_one_they_paid_and_stay() -> None:
    rows = pa.table(
        {
            "transaction_id": ["x", "y", "t1"],
            "account_id": [OTHER, None, WHO],
            "merchant_id": [WHO, "shop", WHO],
            "category": pa.array([WHO, None, "food"], pa.large_string()),
            "amount": [1, 2, 3],
        }
    )
    kept = without(rows, MARKS)
    assert kept.schema == rows.schema
    assert kept.to_pylist() == [
        {"transaction_id": "x", "account_id": OTHER, "merchant_id": None, "category": None, "amount": 1},
        {"transaction_id": "y", "account_id": None, "merchant_id": "shop", "category": None, "amount": 2},
    ]
    assert mentions(kept, MARKS) == 0


NAMES = st.sampled_from(["t1", "t2", "x", "y"])
ROW = st.tuples(NAMES, st.sampled_from([WHO, OTHER, None]), st.none() | st.lists(NAMES).map(lambda ids: cited(*ids)))


@pytest.mark.slow
@given(st.lists(ROW, min_size=1))
def test_nothing_names_it_afterwards_and_others_stay(rows: list[Any]) -> None:
    table = scores(*rows)
    kept = without(table, MARKS)
    assert mentions(kept, MARKS) == 0
    mine = {
        (name, account) for name, account, _ in rows if account == WHO or (account is None and name in ("t1", "t2"))
    }
    left = list(zip(kept["transaction_id"].to_pylist(), kept["account_id"].to_pylist(), strict=True))
    assert left == [(name, account) for name, account, _ in rows if (name, account) not in mine]
    assert without(kept, MARKS) == kept
