"""Trees that LightGBM grew give its own values, whatever the leaves, and machines share the bins."""

from concurrent.futures import ThreadPoolExecutor

import lightgbm
import numpy as np
import pytest

from counterfoil.domain.encoding.boosting import BinnedEvidence, trees_of
from counterfoil.domain.encoding.trees import FlatTrees

SETTINGS = {"objective": "binary", "num_leaves": 15, "min_data_in_leaf": 3, "seed": 5}


def training(seed: int = 0, rows: int = 500) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(rows, 5)).astype(np.float32)
    values[:, 1] = np.round(values[:, 1] * 3)  # ties put thresholds between neighbouring floats
    values[:, 2] = np.float32(1) + rng.integers(0, 4, rows) * np.finfo(np.float32).eps
    return values, (values[:, 0] + values[:, 1] / 3 + rng.normal(size=rows) > 1.5).astype(np.int8)


@pytest.mark.parametrize(("boosting", "extra"), [("gbdt", {}), ("rf", {"bagging_freq": 1, "bagging_fraction": 0.6})])
def test_the_trees_have_lightgbms_own_values(boosting: str, extra: dict[str, float]) -> None:
    values, labels = training()
    settings = {**SETTINGS, **extra, "boosting": boosting, "verbosity": -1}
    if boosting == "rf":
        settings["objective"] = "regression"
    model = lightgbm.train(settings, lightgbm.Dataset(values, labels), 12)
    flat = FlatTrees.of_boosting(list(trees_of(model.model_to_string(num_iteration=-1))))
    asked, _ = training(seed=1, rows=1000)
    own = model.predict(asked, raw_score=True)
    assert own.std() > 0.05
    np.testing.assert_allclose(flat.sums(asked), own, atol=1e-5)


def test_a_forests_leaf_is_the_share_of_frauds_in_it() -> None:
    values, labels = training()
    forest = {"objective": "regression", "boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.9}
    flat = FlatTrees.of_boosting(BinnedEvidence(values, labels).grow(np.arange(500), 8, **{**SETTINGS, **forest}))
    found = flat.values(values)
    assert found.min() >= -1e-6
    assert found.max() <= 1 + 1e-6
    assert abs(found.mean() - labels.mean()) < 0.02


def test_a_tree_that_cannot_split_is_one_leaf() -> None:
    values, labels = np.zeros((40, 3), dtype=np.float32), (np.arange(40) % 4 == 0).astype(np.int8)
    flat = FlatTrees.of_boosting(BinnedEvidence(values, labels).grow(np.arange(40), 3, **SETTINGS))
    np.testing.assert_allclose(flat.sums(values), np.log(1 / 3), atol=1e-5)


def test_machines_side_by_side_are_those_that_come_one_by_one() -> None:
    values, labels = training(rows=3000)
    binned = BinnedEvidence(values, labels)

    def grown(seed: int) -> np.ndarray:
        rows = np.sort(np.random.default_rng(seed).choice(3000, 2000, replace=False))
        return FlatTrees.of_boosting(binned.grow(rows, 20, **{**SETTINGS, "seed": seed})).sums(values)

    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(grown, range(6)))
    for seed, found in enumerate(together):
        np.testing.assert_array_equal(found, grown(seed))
    assert not np.array_equal(together[0], together[1])
