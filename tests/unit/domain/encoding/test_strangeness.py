"""Strangeness: blind to scale and labels, both tails, wild values and wild combinations, no end beyond the known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil.domain.encoding.strangeness import Strangeness
from counterfoil.domain.encoding.walk import curves


def good(rows: int = 4000, seed: int = 0) -> np.ndarray:
    """Return a wide column, a heavy-tailed one, a rare flag, a constant, and a column that follows the first."""
    rng = np.random.default_rng(seed)
    first = rng.normal(size=rows)
    columns = [first, rng.exponential(size=rows), rng.random(rows) < 0.01, np.full(rows, 3.0),
               first + 0.1 * rng.normal(size=rows)]  # fmt: skip
    return np.column_stack(columns).astype(np.float32)


FITTED = Strangeness.fit(good())
USUAL = np.float32([0, 0.7, 0, 3, 0])


def distances(*changes: tuple[int, float]) -> np.ndarray:
    """The distance of a usual row, then of it with each of the changes of one column."""
    rows = np.tile(USUAL, (len(changes) + 1, 1))
    for row, (column, value) in enumerate(changes, 1):
        rows[row, column] = value
    return FITTED.distance(rows)


def test_surprise_is_minus_the_log_of_the_share_that_is_as_far_out_on_that_side() -> None:
    column = good()[:, :1]
    for value in (-2.0, -1.0, 1.0, 2.0):
        outside = (column >= value).mean() if value > 0 else (column <= value).mean()
        expected = -np.sign(value) * np.log(2 * outside)
        row = USUAL.copy()
        row[0] = value
        assert FITTED.surprise(row[None])[0, 0] == pytest.approx(expected, abs=0.1)


def test_a_rare_flag_is_a_surprise_and_its_absence_is_none() -> None:
    raised, usual = np.tile(USUAL, (2, 1))
    raised[2] = 1
    share = good()[:, 2].mean()
    assert FITTED.surprise(np.stack([raised, usual]))[:, 2] == pytest.approx([-np.log(2 * share), 0])


@given(st.lists(st.floats(-1e9, 1e9, width=32), min_size=2, max_size=20), st.sampled_from([0, 1, 2, 3, 4]))
def test_surprise_never_falls_as_a_value_rises(values: list[float], column: int) -> None:
    rows = np.tile(USUAL, (len(values), 1))
    rows[:, column] = np.sort(np.float32(values))
    found = FITTED.surprise(rows)[:, column]
    assert np.isfinite(found).all()
    assert (np.diff(found) >= 0).all()


@pytest.mark.parametrize("column", range(5))
@pytest.mark.parametrize("side", [-1, 1])
def test_beyond_all_known_values_the_further_is_the_stranger(column: int, side: int) -> None:
    found = distances(*((column, USUAL[column] + side * 10.0**power) for power in range(1, 9)))
    assert (np.diff(found) > 0).all()


def test_a_wild_combination_of_usual_values_is_strange() -> None:
    alike, apart = np.tile(USUAL, (2, 1))
    alike[[0, 4]] = 1.2, 1.2
    apart[[0, 4]] = 1.2, -1.2
    found = FITTED.distance(np.stack([alike, apart]))
    assert found[1] > 2 * found[0]


def test_the_columns_units_do_not_matter() -> None:
    scale = np.float32([4, 0.25, 16, 2, 1024])  # powers of two round nothing
    asked = good(500, seed=1)
    np.testing.assert_allclose(Strangeness.fit(good() * scale).distance(asked * scale), FITTED.distance(asked))


def test_unseen_good_payments_are_as_strange_as_the_known_ones() -> None:
    known, unseen = FITTED.distance(good()), FITTED.distance(good(seed=7))
    np.testing.assert_allclose(np.quantile(unseen, [0.5, 0.9, 0.99]), np.quantile(known, [0.5, 0.9, 0.99]), rtol=0.1)


def test_one_payment_is_as_strange_alone_as_among_others() -> None:
    asked = good(300, seed=3)
    together = FITTED.distance(asked)
    alone = np.concatenate([FITTED.distance(asked[row : row + 1]) for row in range(300)])
    np.testing.assert_allclose(alone, together, rtol=1e-12)


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_hardly_any_good_payments_still_give_finite_distances(rows: int) -> None:
    found = Strangeness.fit(good(rows)).distance(good(50, seed=2))
    assert np.isfinite(found).all()
    assert (found >= 0).all()


def test_without_columns_nothing_is_strange() -> None:
    nothing = np.zeros((3, 0), np.float32)
    assert Strangeness.fit(nothing).distance(nothing).tolist() == [0, 0, 0]


CURVE = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=6).map(sorted)


@given(data=st.data(), xs=st.lists(CURVE, min_size=1, max_size=3))
def test_curves_are_read_as_numpy_reads_them_to_the_bit(data: st.DataObject, xs: list[list[float]]) -> None:
    width = max(map(len, xs))
    x = np.array([np.pad(one, (0, width - len(one)), mode="edge") for one in xs])  # as `fit` pads them
    y = np.array([np.sort(data.draw(st.lists(st.floats(-9, 9), min_size=width, max_size=width))) for _ in xs])
    known = st.sampled_from(np.unique(x).tolist())
    asked = data.draw(st.lists(st.one_of(known, st.floats(-2e6, 2e6), st.just(np.nan)), min_size=1, max_size=9))
    rows = np.repeat(np.array(asked)[:, None], len(xs), axis=1)
    found = np.empty(rows.shape)
    curves(rows, x, y, found)
    expected = [np.interp(column, *curve) for column, curve in zip(rows.T, zip(x, y, strict=True), strict=True)]
    np.testing.assert_array_equal(found.T, expected)
