"""The flat trees vote exactly as scikit-learn's do, for one payment as for a million."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.ensemble import RandomForestClassifier

from counterfoil.domain.encoding.forest import MAX_DEPTH, MIN_LEAF, ROWS_AT_ONCE, TREES, VoteBlock

COLUMNS = 4


def training(seed: int = 0, rows: int = 400) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(rows, COLUMNS)).astype(np.float32)
    # Whole numbers and ties put thresholds at halves and between neighbouring floats.
    values[:, 1] = np.round(values[:, 1] * 3)
    values[:, 2] = np.float32(1) + rng.integers(0, 4, rows) * np.finfo(np.float32).eps
    labels = (values[:, 0] + values[:, 1] / 3 + (values[:, 2] > 1) + rng.normal(size=rows) > 1.5).astype(np.int8)
    return values, labels


@pytest.fixture(scope="module")
def block() -> VoteBlock:
    return VoteBlock.fit(*training(), seed=7)


@pytest.fixture(scope="module")
def forest() -> RandomForestClassifier:
    values, labels = training()
    return RandomForestClassifier(TREES, max_depth=MAX_DEPTH, min_samples_leaf=MIN_LEAF, random_state=7).fit(
        values, labels == 1
    )


def asked(forest: RandomForestClassifier, values: np.ndarray) -> np.ndarray:
    """The trees' own probabilities of fraud."""
    return np.stack([tree.predict_proba(values)[:, 1] for tree in forest.estimators_], axis=1).astype(np.float32)


def test_votes_are_those_of_the_forest(block: VoteBlock, forest: RandomForestClassifier) -> None:
    values, _ = training(seed=1, rows=1000)
    assert block.roots.shape == (TREES,)
    np.testing.assert_array_equal(block.votes(values), asked(forest, values))


@settings(deadline=None, max_examples=40)
@given(places=hnp.arrays(np.int64, (20, COLUMNS), elements=st.integers(0, 10**6)), steps=st.integers(-2, 2))
def test_votes_are_equal_on_both_sides_of_each_threshold(
    block: VoteBlock, forest: RandomForestClassifier, places: np.ndarray, steps: int
) -> None:
    """A float64 threshold that is rounded up would send the float32 value next to it the other way."""
    edges = np.unique(np.concatenate([tree.tree_.threshold[tree.tree_.feature >= 0] for tree in forest.estimators_]))
    values = edges[places % len(edges)].astype(np.float32)
    for _ in range(abs(steps)):
        values = np.nextafter(values, np.float32(np.sign(steps) * np.inf))
    np.testing.assert_array_equal(block.votes(values), asked(forest, values))


@pytest.mark.parametrize("extreme", [-3e38, -1e-45, -0.0, 0.0, 1e-45, 3e38])
def test_extreme_values_go_the_same_way(block: VoteBlock, forest: RandomForestClassifier, extreme: float) -> None:
    values = np.full((1, COLUMNS), extreme, dtype=np.float32)
    np.testing.assert_array_equal(block.votes(values), asked(forest, values))


def test_one_row_is_the_same_bits_as_among_many(block: VoteBlock) -> None:
    values, _ = training(seed=2, rows=ROWS_AT_ONCE + 5)
    many = block.transform(values)
    for row in (0, 17, ROWS_AT_ONCE - 1, ROWS_AT_ONCE, ROWS_AT_ONCE + 4):
        np.testing.assert_array_equal(block.transform(values[row : row + 1])[0], many[row])
    assert block.transform(values[:0]).shape == (0, TREES)


def test_votes_are_standardised_between_the_two_kinds(block: VoteBlock) -> None:
    values, labels = training()
    rows = block.transform(values)
    centre = (rows[labels == 1].mean(0) + rows[labels == 0].mean(0)) / 2
    np.testing.assert_allclose(centre, 0, atol=1e-4)
    assert (rows[labels == 1].mean(0) > rows[labels == 0].mean(0)).all()


def test_the_seed_makes_the_forest() -> None:
    values, labels = training()
    one, same, other = (VoteBlock.fit(values, labels, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.transform(values), same.transform(values))
    assert not np.array_equal(one.votes(values), other.votes(values))
