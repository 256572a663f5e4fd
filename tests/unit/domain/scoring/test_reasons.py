"""Contributions of topics: they add up, are exact where exactness is known, and are the same alone and among others."""

import numpy as np
import pyarrow as pa
import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from counterfoil.domain.scoring.reasons import OWN_AMOUNT, explain, usual_rows

TOPICS = {"one": ["a"], "two": ["b", "c"], "three": ["d"], "four": ["e"]}
COLUMNS = ("a", "b", "c", "d", "e")


def table(rows: int, seed: int = 0) -> pa.Table:
    draw = np.random.default_rng(seed)
    return pa.table({name: draw.normal(size=rows) for name in COLUMNS})


def matrix(rows: pa.Table) -> np.ndarray:
    return np.stack([rows.column(name).to_numpy() for name in COLUMNS], axis=1)


def linear(rows: pa.Table) -> np.ndarray:
    return matrix(rows) @ np.array([1.0, 2.0, -3.0, 0.0, 0.5])


def tangled(rows: pa.Table) -> np.ndarray:
    x = matrix(rows)
    return np.sin(x[:, 0] * x[:, 1]) + np.maximum(x[:, 2], x[:, 3]) ** 2


@settings(max_examples=examples(25), deadline=None)
@given(rows=st.integers(1, 6), seed=st.integers(0, 99))
def test_base_and_contributions_add_up_to_the_margin(rows: int, seed: int) -> None:
    actual, usual = table(rows, seed), table(rows, seed + 1000)
    found = explain(actual, usual, TOPICS, tangled)
    np.testing.assert_allclose(found.base, tangled(usual), atol=1e-12)
    np.testing.assert_allclose(found.base + found.contributions.sum(axis=1), tangled(actual), atol=1e-9)


def test_contributions_are_exact_where_topics_do_not_meet() -> None:
    actual, usual = table(50), table(50, 1)
    found = explain(actual, usual, TOPICS, linear)
    apart = (matrix(actual) - matrix(usual)) * [1.0, 2.0, -3.0, 0.0, 0.5]
    expected = np.stack([apart[:, 0], apart[:, 1] + apart[:, 2], apart[:, 3], apart[:, 4]], axis=1)
    assert found.topics == tuple(TOPICS)
    np.testing.assert_allclose(found.contributions, expected, atol=1e-9)


def test_a_topic_that_does_nothing_gets_nothing_and_two_that_do_the_same_get_the_same() -> None:
    actual, usual = table(20), table(20, 1)
    same = actual.set_column(3, "d", actual.column("a")).set_column(0, "a", actual.column("a"))
    found = explain(
        same, usual.set_column(3, "d", usual.column("a")), TOPICS,
        lambda rows: matrix(rows)[:, 0] * matrix(rows)[:, 3] + matrix(rows)[:, 0] + matrix(rows)[:, 3],
    )  # fmt: skip
    np.testing.assert_allclose(found.contributions[:, [1, 3]], 0, atol=1e-12)
    # Each order and its reverse put either of the two first once.
    np.testing.assert_allclose(found.contributions[:, 0], found.contributions[:, 2], atol=1e-9)


def test_a_payment_is_explained_alike_alone_and_among_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("counterfoil.domain.scoring.reasons.ROWS_AT_ONCE", 64)
    actual, usual = table(40), table(40, 1)
    many = explain(actual, usual, TOPICS, tangled).contributions
    for row in (0, 17, 39):
        alone = explain(actual.slice(row, 1), usual.slice(row, 1), TOPICS, tangled).contributions
        np.testing.assert_allclose(alone[0], many[row], atol=1e-12)


def test_usual_values() -> None:
    rows = pa.table(
        {
            "transaction_id": ["p", "q", "r"],
            "amount": [90.0, 50.0, None],
            OWN_AMOUNT: [9.0, float("nan"), 2.0],
            "pace": [1.0, 2.0, 3.0],
            "category": ["shoes", "books", None],
        }
    )
    usual = usual_rows(rows, {"amount": 20.0, OWN_AMOUNT: 1.0, "pace": 0.5}, ["category"])
    assert usual.schema == rows.schema
    assert usual.to_pydict() == {
        "transaction_id": ["p", "q", "r"],
        "amount": [10.0, 20.0, 20.0],  # nine times the account's mean: that mean; else the middle good payment's
        OWN_AMOUNT: [1.0, 1.0, 1.0],
        "pace": [0.5, 0.5, 0.5],
        "category": [None, None, None],
    }
