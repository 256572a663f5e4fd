"""The odds block: a row of levels that says how risky machines think a payment is."""

from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from counterfoil.domain.encoding import odds
from counterfoil.domain.encoding.boosting import BinnedEvidence
from counterfoil.domain.encoding.odds import BAGGED, LABEL, LEVELS, MACHINES, VARIED, Grown, OddsBlock, machines_of

ROUNDS = 30


def training(seed: int = 0, rows: int = 3000) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(rows, 5)).astype(np.float32)
    return values, (values[:, 0] + values[:, 1] * values[:, 2] + rng.normal(size=rows) / 2 > 2.2).astype(np.int8)


def machines(values: np.ndarray, labels: np.ndarray, seed: int, name: str, rounds: int = ROUNDS) -> list[Grown]:
    return [make() for make in machines_of(name, BinnedEvidence(values, labels), values, labels, seed, rounds)]


def fitted(values: np.ndarray, labels: np.ndarray, seed: int, name: str = BAGGED, rounds: int = ROUNDS) -> OddsBlock:
    return OddsBlock.of(machines(values, labels, seed, name, rounds))


@pytest.fixture(scope="module", params=list(MACHINES))
def block(request: pytest.FixtureRequest) -> OddsBlock:
    return fitted(*training(), seed=7, name=request.param)


def test_frauds_that_were_not_seen_have_higher_odds(block: OddsBlock) -> None:
    values, labels = training(seed=3)
    assert roc_auc_score(labels, block.log_odds(values)) > 0.9


@pytest.mark.parametrize("name", list(MACHINES))
def test_the_odds_are_the_mean_of_the_machines(name: str) -> None:
    made = machines(*training(), seed=7, name=name)
    values, _ = training(seed=3)
    expected = np.mean([OddsBlock.of([one]).log_odds(values) for one in made if one.trees], axis=0)
    expected = expected * sum(bool(one.trees) for one in made) / len(made)
    expected += sum(values @ one.slopes + one.base for one in made if not one.trees) / len(made)
    np.testing.assert_allclose(OddsBlock.of(made).log_odds(values), expected, atol=1e-5)
    assert len(made) == 3


def test_varied_machines_are_deep_shallow_and_linear() -> None:
    deep, shallow, linear = machines(*training(), seed=7, name=VARIED)
    assert [len(one.trees) for one in (deep, shallow, linear)] == [ROUNDS, 23, 0]  # three for every four, rounded up
    assert max(len(tree.nodes) for tree in shallow.trees) <= 2**4 - 1 < max(len(tree.nodes) for tree in deep.trees)
    assert not deep.slopes.any()
    assert linear.slopes.all()


@pytest.mark.parametrize("name", list(MACHINES))
def test_machines_learn_from_all_frauds_and_from_different_halves_of_the_good(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    values, labels = training(rows=600)
    values[:, 0] = np.arange(600)
    seen: list[set[int]] = []
    grow, fit = BinnedEvidence.grow, LogisticRegression.fit

    def noting_grow(binned: BinnedEvidence, rows: np.ndarray, *rest: int, **settings: Any) -> Any:
        assert (np.diff(rows) > 0).all()
        seen.append(set(rows.tolist()))
        return grow(binned, rows, *rest, **settings)

    def noting_fit(model: LogisticRegression, rows: np.ndarray, fraud: np.ndarray) -> LogisticRegression:
        seen.append(set(rows[:, 0].astype(int).tolist()))
        assert np.array_equal(fraud, labels[rows[:, 0].astype(int)] == 1)
        return fit(model, rows, fraud)

    monkeypatch.setattr(BinnedEvidence, "grow", noting_grow)
    monkeypatch.setattr(LogisticRegression, "fit", noting_fit)
    fitted(values, labels, 1, name)
    frauds = set(np.flatnonzero(labels == 1).tolist())
    assert len(seen) == 3
    for one in seen:
        assert frauds < one
        assert len(one) == len(frauds) + -(-(600 - len(frauds)) // 2)
    assert len({frozenset(one) for one in seen}) == 3


def test_rows_have_length_one_and_nearer_odds_are_nearer(block: OddsBlock) -> None:
    values, _ = training(seed=1)
    rows, ordered = block.transform(values), np.argsort(block.log_odds(values))
    assert rows.shape == (3000, block.dimensions) == (3000, len(LEVELS))
    np.testing.assert_allclose((rows**2).sum(axis=1), 1, rtol=1e-5)
    to_lowest = rows[ordered] @ rows[ordered[0]]
    assert (np.diff(to_lowest) <= 1e-6).all()
    assert to_lowest[-1] < 0.9 < 0.99 < to_lowest[1]


def test_a_known_label_moves_the_odds_of_a_reference(block: OddsBlock) -> None:
    values, labels = training(seed=2)
    moved = block.log_odds(values) + np.where(labels == 1, LABEL, -LABEL)
    np.testing.assert_array_equal(block.transform(values, labels), odds.lit(moved))


def test_a_riskier_payment_is_nearer_to_known_frauds_than_to_good_payments_of_the_same_odds() -> None:
    references = np.linspace(-4, 4, 9)
    asked = odds.lit(np.linspace(-8, 8, 33))
    frauds, goods = asked @ odds.lit(references + LABEL).T, asked @ odds.lit(references - LABEL).T
    assert (np.diff(frauds.mean(axis=1) - goods.mean(axis=1)) > 0).all()


def test_a_cosine_falls_with_the_distance_of_the_odds_over_the_whole_range() -> None:
    rows = odds.lit(np.linspace(-14, 11, 200))
    for place in (0, 70, 199):
        falling = rows @ rows[place]
        assert (np.diff(falling[place:]) < 0).all()
        assert (np.diff(falling[: place + 1]) > 0).all()


def test_one_row_is_the_same_bits_as_among_many(block: OddsBlock) -> None:
    values, _ = training(seed=2)
    many = block.transform(values)
    for row in (0, 17, 2999):
        np.testing.assert_array_equal(block.transform(values[row : row + 1])[0], many[row])
    assert block.transform(values[:0]).shape == (0, block.dimensions)


def test_the_seed_makes_the_machines() -> None:
    values, labels = training(rows=600)
    one, same, other = (fitted(values, labels, seed, rounds=5) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.transform(values), same.transform(values))
    assert not np.array_equal(one.log_odds(values), other.log_odds(values))


def test_few_frauds_and_few_payments_still_have_odds() -> None:
    values, labels = training(rows=60)
    labels = (np.arange(60) < 10).astype(np.int8)
    assert np.isfinite(fitted(values, labels, 0, rounds=5).transform(values)).all()
