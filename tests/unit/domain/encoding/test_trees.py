"""The flat trees give exactly scikit-learn's values, for one payment as for a million."""

import numpy as np
import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier, RandomForestClassifier

from counterfoil.domain.encoding.trees import FlatTrees

COLUMNS = 4
Forest = RandomForestClassifier | ExtraTreesClassifier


def training(seed: int = 0, rows: int = 400) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(rows, COLUMNS)).astype(np.float32)
    # Whole numbers and ties put thresholds at halves and between neighbouring floats.
    values[:, 1] = np.round(values[:, 1] * 3)
    values[:, 2] = np.float32(1) + rng.integers(0, 4, rows) * np.finfo(np.float32).eps
    labels = (values[:, 0] + values[:, 1] / 3 + (values[:, 2] > 1) + rng.normal(size=rows) > 1.5).astype(np.int8)
    return values, labels


@pytest.fixture(scope="module", params=[RandomForestClassifier, ExtraTreesClassifier])
def forest(request: pytest.FixtureRequest) -> Forest:
    values, labels = training()
    fitted: Forest = request.param(32, max_depth=16, min_samples_leaf=3, random_state=7).fit(values, labels == 1)
    return fitted


@pytest.fixture(scope="module")
def trees(forest: Forest) -> FlatTrees:
    return FlatTrees.of_forest(forest.estimators_)


def asked(forest: Forest, values: np.ndarray) -> np.ndarray:
    """The trees' own probabilities of fraud."""
    return np.stack([tree.predict_proba(values)[:, 1] for tree in forest.estimators_], axis=1).astype(np.float32)


def test_values_are_those_of_the_forest(trees: FlatTrees, forest: Forest) -> None:
    values, _ = training(seed=1, rows=1000)
    assert trees.roots.shape == (32,)
    np.testing.assert_array_equal(trees.values(values), asked(forest, values))


def test_sums_of_boosting_are_its_log_odds() -> None:
    boosting = HistGradientBoostingClassifier(max_iter=40, min_samples_leaf=3, early_stopping=False, random_state=7)
    labels = training()[1]
    boosting.fit(training()[0], labels == 1)
    values, _ = training(seed=1, rows=1000)
    flat = FlatTrees.of_boosting([tree for (tree,) in boosting._predictors])
    assert flat.roots.shape == (40,)
    assert boosting.decision_function(values).std() > 1
    expected = boosting.decision_function(values) - boosting._baseline_prediction.item()
    np.testing.assert_allclose(flat.sums(values), expected, atol=1e-5)
    np.testing.assert_allclose(flat.scaled(0.25).sums(values), expected / 4, atol=1e-5)


def test_a_sum_is_the_same_bits_alone_and_among_many(trees: FlatTrees) -> None:
    values, _ = training(seed=2, rows=1000)
    many = trees.sums(values)
    assert [trees.sums(values[row : row + 1])[0] for row in (0, 17, len(values) - 1)] == many[[0, 17, -1]].tolist()
    assert trees.sums(values[:0]).shape == (0,)


def test_depth_is_that_of_the_deepest_tree(trees: FlatTrees, forest: Forest) -> None:
    assert trees.depth == max(tree.tree_.max_depth for tree in forest.estimators_)


@settings(deadline=None, max_examples=examples(20))
@given(places=hnp.arrays(np.int64, (20, COLUMNS), elements=st.integers(0, 10**6)), steps=st.integers(-2, 2))
def test_values_are_equal_on_both_sides_of_each_threshold(
    trees: FlatTrees, forest: Forest, places: np.ndarray, steps: int
) -> None:
    """A float64 threshold that is rounded up would send the float32 value next to it the other way."""
    edges = np.unique(np.concatenate([tree.tree_.threshold[tree.tree_.feature >= 0] for tree in forest.estimators_]))
    values = edges[places % len(edges)].astype(np.float32)
    for _ in range(abs(steps)):
        values = np.nextafter(values, np.float32(np.sign(steps) * np.inf))
    np.testing.assert_array_equal(trees.values(values), asked(forest, values))


@pytest.mark.parametrize("extreme", [-3e38, -1e-45, -0.0, 0.0, 1e-45, 3e38])
def test_extreme_values_go_the_same_way(trees: FlatTrees, forest: Forest, extreme: float) -> None:
    values = np.full((1, COLUMNS), extreme, dtype=np.float32)
    np.testing.assert_array_equal(trees.values(values), asked(forest, values))


def test_one_row_is_the_same_bits_as_among_many(trees: FlatTrees) -> None:
    values, _ = training(seed=2, rows=1000)
    many = trees.values(values)
    for row in (0, 17, 63, 64, 999):
        np.testing.assert_array_equal(trees.values(values[row : row + 1])[0], many[row])
    assert trees.values(values[:0]).shape == (0, len(trees.roots))


def test_a_tree_without_a_split_has_one_value() -> None:
    values, _ = training()
    flat = FlatTrees(np.int64([0]), np.int64([0]), np.float32([np.inf]), np.int64([0]), np.float32([0.25]), 0)
    np.testing.assert_array_equal(flat.values(values[:3]), np.full((3, 1), 0.25, np.float32))


@pytest.mark.parametrize("rows", [1, 16, 17, 64, 65, 200])
def test_rows_go_the_same_ways_in_blocks_and_alone(trees: FlatTrees, forest: Forest, rows: int) -> None:
    """Few rows go through many trees at once, many rows through one tree after the other."""
    values, _ = training(seed=3, rows=rows)
    np.testing.assert_array_equal(trees.values(values), asked(forest, values))
    np.testing.assert_allclose(trees.sums(values), asked(forest, values).sum(axis=1, dtype=np.float64), rtol=1e-12)


def test_each_tree_is_walked_as_deep_as_it_is(trees: FlatTrees, forest: Forest) -> None:
    assert trees.depths.tolist() == [tree.tree_.max_depth for tree in forest.estimators_]
