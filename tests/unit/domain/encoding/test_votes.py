"""Voters of two families, each with the same share of the vector."""

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesClassifier

from counterfoil.domain.arrays import frauds_and_first_good
from counterfoil.domain.encoding import votes
from counterfoil.domain.encoding.boosting import BinnedEvidence
from counterfoil.domain.encoding.votes import VoteBlock, forests_of

TREES = 24


def training(seed: int = 0, rows: int = 3000) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(rows, 5)).astype(np.float32)
    return values, (values[:, 0] + values[:, 1] * values[:, 2] + rng.normal(size=rows) / 2 > 2.2).astype(np.int8)


def fitted(values: np.ndarray, labels: np.ndarray, seed: int) -> VoteBlock:
    grow = forests_of(BinnedEvidence(values, labels), values, labels, seed, TREES)
    return VoteBlock.fit([forest() for forest in grow], values, labels)


@pytest.fixture(scope="module")
def block() -> VoteBlock:
    return fitted(*training(), seed=7)


def test_the_families_have_equal_shares_of_rows_of_length_one(block: VoteBlock) -> None:
    rows = block.transform(training(seed=1)[0])
    assert rows.shape == (3000, block.dimensions) == (3000, 2 * TREES)
    parts = np.split(rows, [TREES], axis=1)
    for part in parts:
        np.testing.assert_allclose((part**2).sum(axis=1), 1 / 2, rtol=1e-5)


def test_votes_are_standardised_between_the_two_kinds(block: VoteBlock) -> None:
    values, labels = training()
    for family in block.families:
        votes = (family.trees.values(values) - family.mean) / family.scale
        fraud, good = votes[labels == 1], votes[labels == 0]
        np.testing.assert_allclose((fraud.mean(0) + good.mean(0)) / 2, 0, atol=1e-4)
        np.testing.assert_allclose((fraud**2).mean(0) + (good**2).mean(0), 1, rtol=1e-3)
        assert (fraud.mean(0) > good.mean(0)).all()


@pytest.mark.parametrize("place", range(2))
def test_each_family_tells_frauds_that_it_has_not_seen(block: VoteBlock, place: int) -> None:
    from sklearn.metrics import roc_auc_score

    values, labels = training(seed=3)
    family = block.families[place]
    assert roc_auc_score(labels, ((family.trees.values(values) - family.mean) / family.scale).mean(axis=1)) > 0.9


def test_one_row_is_the_same_bits_as_among_many(block: VoteBlock) -> None:
    values, _ = training(seed=2)
    many = block.transform(values)
    for row in (0, 17, 2999):
        np.testing.assert_array_equal(block.transform(values[row : row + 1])[0], many[row])
    assert block.transform(values[:0]).shape == (0, block.dimensions)


def test_the_seed_makes_the_voters() -> None:
    values, labels = training(rows=600)
    one, same, other = (fitted(values, labels, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.transform(values), same.transform(values))
    for first, second in zip(one.families, other.families, strict=True):
        assert not np.array_equal(first.trees.values(values), second.trees.values(values))


def test_voters_learn_from_all_frauds_and_the_first_good_payments(monkeypatch: pytest.MonkeyPatch) -> None:
    values, labels = training(rows=600)
    values[:, 0] = np.arange(600)
    binned = BinnedEvidence(values, labels)
    seen: list[list[int]] = []
    grow, fit = BinnedEvidence.grow, ExtraTreesClassifier.fit

    def noting_grow(one: BinnedEvidence, rows: np.ndarray, *rest: int, **settings: object) -> object:
        seen.append(rows.tolist())
        return grow(one, rows, *rest, **settings)

    def noting_fit(forest: ExtraTreesClassifier, rows: np.ndarray, fraud: np.ndarray) -> ExtraTreesClassifier:
        seen.append(rows[:, 0].astype(int).tolist())
        np.testing.assert_array_equal(fraud, labels[rows[:, 0].astype(int)] == 1)
        return fit(forest, rows, fraud)

    monkeypatch.setattr(votes, "MOST_GOOD", 100)
    monkeypatch.setattr(BinnedEvidence, "grow", noting_grow)
    monkeypatch.setattr(ExtraTreesClassifier, "fit", noting_fit)
    for forest in forests_of(binned, values, labels, 0, TREES):
        forest()
    assert seen == [frauds_and_first_good(labels, 100).tolist()] * 2


def test_few_frauds_and_few_payments_still_make_voters() -> None:
    values, labels = training(rows=60)
    labels = (np.arange(60) < 10).astype(np.int8)
    assert np.isfinite(fitted(values, labels, 0).transform(values)).all()
