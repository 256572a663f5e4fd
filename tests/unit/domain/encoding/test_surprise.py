"""Surprise: how far payments lie from good ones, without asking what frauds look like."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterfoil.domain.encoding.surprise import Surprise


def good(rows: int = 4000, columns: int = 12, seed: int = 0) -> np.ndarray:
    values = np.random.default_rng(seed).normal(size=(rows, columns)).astype(np.float32)
    values[:, 0] = np.where(values[:, 0] > 2, values[:, 0], 0)  # a rate that is nearly always nothing
    values[:, 1] = 3.0  # the same in all
    return values


@pytest.fixture(scope="module")
def surprise() -> Surprise:
    return Surprise.fit(good())


def test_one_far_value_is_enough_and_the_farther_the_more(surprise: Surprise) -> None:
    usual = good(seed=1)
    far = {place: usual.copy() for place in (4.0, 8.0, 80.0)}
    for place, values in far.items():
        values[:, 5] = place
    found = [np.median(surprise.of(values)) for values in (usual, *far.values())]
    assert np.quantile(surprise.of(usual), 0.95) < found[1] < found[2] < found[3]


@pytest.mark.parametrize(("column", "value"), [(0, 4.0), (1, 0.0), (1, 3.5), (7, -5.0)])
def test_what_few_or_none_of_the_good_have_surprises_on_either_side(
    surprise: Surprise, column: int, value: float
) -> None:
    usual = good(seed=2)
    odd = usual.copy()
    odd[:, column] = value
    assert (surprise.of(odd) > surprise.of(usual)).mean() > 0.9


def test_new_good_payments_are_as_surprising_as_those_it_was_fitted_on(surprise: Surprise) -> None:
    before, after = surprise.of(good()), surprise.of(good(seed=3))
    assert np.median(after) == pytest.approx(np.median(before), rel=0.05)


def test_one_row_is_the_same_bits_as_among_many(surprise: Surprise) -> None:
    values = good(seed=4, rows=500)
    many = surprise.of(values)
    assert [surprise.of(values[row : row + 1])[0] for row in (0, 17, 499)] == many[[0, 17, 499]].tolist()
    assert surprise.of(values[:0]).shape == (0,)


@settings(deadline=None, max_examples=40)
@given(rows=st.integers(0, 40), columns=st.integers(0, 7), scale=st.sampled_from([0.0, 1.0, 1e9]))
def test_few_rows_and_columns_give_finite_surprise(rows: int, columns: int, scale: float) -> None:
    values = good(rows, max(columns, 2))[:, :columns] * np.float32(scale)
    found = Surprise.fit(values).of(np.full((3, columns), 1e9, np.float32))
    assert np.isfinite(found).all()
    assert (found >= 0).all()
