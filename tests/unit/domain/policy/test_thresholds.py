"""Thresholds: within the budget, as precise as asked, as low as that allows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil.domain.policy.thresholds import Thresholds, choose_thresholds

Rows = tuple[np.ndarray, np.ndarray, np.ndarray]


@st.composite
def signals(draw: st.DrawFn) -> Rows:
    """Signals with ties, labels and weights of up to 60 payments."""
    rows = draw(
        st.lists(st.tuples(st.integers(0, 12), st.integers(0, 1), st.sampled_from([1.0, 2.5, 40.0])), max_size=60)
    )
    signal = np.array([row[0] / 12 for row in rows])
    labels = np.array([row[1] for row in rows], dtype=np.int8)
    return signal, labels, np.where(labels == 1, 1.0, [row[2] for row in rows])


def reached(rows: Rows, threshold: float) -> tuple[float, float, int]:
    """Share of the payments at or above a signal, share of frauds among them (both weighted), and frauds seen."""
    signal, labels, weights = rows
    there = signal >= threshold
    return (
        weights[there].sum() / weights.sum(),
        (weights * labels)[there].sum() / max(weights[there].sum(), 1e-300),
        int(labels[there].sum()),
    )


@given(rows=signals(), budget=st.sampled_from([0.005, 0.05, 0.3, 1.0]))
def test_review_is_the_lowest_signal_within_the_budget(rows: Rows, budget: float) -> None:
    found = choose_thresholds(*rows, alert_budget=budget)
    within = [s for s in np.unique(rows[0]) if reached(rows, s)[0] <= budget + 1e-9]
    assert found.review == min(within, default=None)
    assert found.alert_budget == budget


@given(rows=signals(), precision=st.sampled_from([0.5, 0.9, 1.0]), least=st.integers(1, 4))
def test_block_is_the_lowest_precise_signal_and_never_below_review(rows: Rows, precision: float, least: int) -> None:
    found = choose_thresholds(*rows, alert_budget=0.2, block_precision=precision, least_frauds=least)
    shares = {s: reached(rows, s)[1:] for s in np.unique(rows[0])}
    precise = [s for s, (share, frauds) in shares.items() if share >= precision - 1e-9 and frauds >= least]
    lowest = min(precise, default=None)
    expected = lowest if lowest is None or found.review is None else max(lowest, found.review)
    assert found.block == expected


def test_half_a_percent_of_a_thousand_payments_is_five() -> None:
    signal = np.arange(1000) / 1000
    assert choose_thresholds(signal, np.zeros(1000, np.int8), np.ones(1000)).review == 0.995


def test_weights_count_the_payments_that_were_not_sampled() -> None:
    signal = np.array([0.9, 0.8, 0.7, 0.6, 0.5])
    labels = np.array([1, 0, 1, 0, 0], dtype=np.int8)
    weights = np.array([1.0, 97.0, 1.0, 97.0, 4.0])
    assert choose_thresholds(signal, labels, weights, alert_budget=0.4).review == 0.9
    assert choose_thresholds(signal, labels, np.ones(5), alert_budget=0.4).review == 0.8
    assert choose_thresholds(signal, labels, np.ones(5), block_precision=0.6, least_frauds=2).block == 0.7
    assert choose_thresholds(signal, labels, weights, block_precision=0.6, least_frauds=2).block is None


@pytest.mark.parametrize("frauds", [0, 4])
def test_without_a_handful_of_frauds_nothing_is_blocked(frauds: int) -> None:
    labels = (np.arange(1000) >= 1000 - frauds).astype(np.int8)
    found = choose_thresholds(np.arange(1000) / 1000, labels, np.ones(1000))
    assert found.review is not None
    assert found.block is None


def test_one_signal_for_all_is_no_threshold() -> None:
    assert choose_thresholds(np.full(9, 0.5), np.zeros(9, np.int8), np.ones(9)) == Thresholds()


def test_no_payments_no_thresholds() -> None:
    assert choose_thresholds(np.empty(0), np.empty(0, np.int8), np.empty(0)) == Thresholds()
