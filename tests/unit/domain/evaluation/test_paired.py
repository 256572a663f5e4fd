"""Paired differences: nothing between equals, certain where one is better, the same accounts drawn for both."""

import numpy as np
import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from counterfoil.domain.evaluation.evaluation import evaluate
from counterfoil.domain.evaluation.paired import COMPARED, Difference, evaluate_pair
from counterfoil.domain.evaluation.scored import Scored

DAY_ONE = np.datetime64("2024-03-01T00:00:00", "us")
Window = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def window(rows: int = 2000, accounts: int = 80, seed: int = 0) -> Window:
    """Label, a fair score, account and time of a month in which frauds cluster by account."""
    rng = np.random.default_rng(seed)
    number = rng.integers(accounts, size=rows)
    label = (rng.random(rows) < np.where(number % 8 == 0, 0.3, 0.01)).astype(np.int8)
    score = 1 / (1 + np.exp(-(rng.normal(size=rows) + 1.5 * label - 3)))
    moment = DAY_ONE + np.sort(rng.integers(0, 30 * 86_400, rows)).astype("timedelta64[s]")
    return label, score, np.array([f"a{one:03d}" for one in number], dtype=object), moment


def differences(first: np.ndarray, second: np.ndarray, draws: int = 100, seed: int = 0) -> dict[str, Difference]:
    label, _, account, moment = window(seed=seed)
    return evaluate_pair(Scored(label, first, account, moment), second, draws=draws).differences


@pytest.mark.slow
@settings(deadline=None, max_examples=examples(5))
@given(seed=st.integers(0, 1000))
def test_equal_scores_differ_by_exactly_nothing(seed: int) -> None:
    _, score, _, _ = window(seed=seed)
    for second in (score, 0.5 * score):  # what ranks alike is alike
        found = differences(score, second, draws=20, seed=seed)
        assert found == {name: Difference(0.0, 0.0, 0.0) for name in COMPARED}


def test_a_better_score_leads_for_certain() -> None:
    label, score, _, _ = window()
    found = differences(np.clip(score + 0.3 * label, 0, 1), score)
    for name in ("average_precision", "auc"):
        assert 0 < found[name].low < found[name].value < found[name].high


@settings(deadline=None, max_examples=examples(4))
@given(seed=st.integers(0, 1000), noise=st.floats(0.01, 0.5))
def test_the_other_way_round_it_is_the_same_with_the_other_sign(seed: int, noise: float) -> None:
    _, score, _, _ = window(seed=seed)
    other = np.clip(score + noise * np.random.default_rng(seed).random(score.size), 0, 1)
    there, back = differences(score, other, 20, seed), differences(other, score, 20, seed)
    for name in COMPARED:
        turned = (-back[name].value, -back[name].high, -back[name].low)
        assert (there[name].value, there[name].low, there[name].high) == pytest.approx(turned, abs=1e-12)


def test_each_is_evaluated_as_it_is_alone() -> None:
    label, score, account, moment = window()
    other = np.random.default_rng(1).permutation(score)
    pair = evaluate_pair(Scored(label, score, account, moment), other, draws=30)
    one, two = (evaluate(Scored(label, s, account, moment), draws=30) for s in (score, other))
    assert (pair.first, pair.second) == (one, two)
    for name, found in pair.differences.items():
        assert found.value == pytest.approx(one.metrics[name] - two.metrics[name], abs=1e-12)


def test_pairing_leaves_out_what_is_hard_for_both() -> None:
    """A score and a slightly noisy copy differ by far less than either is uncertain."""
    label, score, account, moment = window()
    noisy = score + 0.002 * np.random.default_rng(2).normal(size=score.size)
    low, high = evaluate(Scored(label, score, account, moment), draws=100).intervals["average_precision"]
    found = differences(score, noisy)["average_precision"]
    assert found.high - found.low < (high - low) / 3


@pytest.mark.parametrize("label", [0, 1])
def test_labels_of_one_kind_leave_the_ranking_undefined(label: int) -> None:
    _, score, account, moment = window()
    labels = np.full(score.size, label, np.int8)
    found = evaluate_pair(Scored(labels, score, account, moment), score[::-1], draws=20).differences
    assert found["average_precision"] == found["auc"] == Difference(None, None, None)
