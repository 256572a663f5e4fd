"""Margin, probability and novelty: bounded, increasing, and true to the prevalence."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil.domain.scoring.signal import FLOOR, Calibration, SignalKind, fit_calibration, margin

COSINES = st.floats(-1, 1, width=32)
DISTANCES = st.floats(0, 1e6)


def sample(rows: int = 20_000, rate: float = 0.02, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = (rng.random(rows) < rate).astype(np.int8)
    return rng.normal(size=rows) + 2 * labels, labels


def fitted(margins: np.ndarray, labels: np.ndarray, weights: np.ndarray | None = None) -> Calibration:
    similarity = np.random.default_rng(1).uniform(0.5, 1, len(labels)).astype(np.float32)
    return fit_calibration(margins, labels, np.ones(len(labels)) if weights is None else weights, similarity)


@given(fraud=COSINES, good=COSINES)
def test_the_margin_is_finite_and_turns_around_with_its_sides(fraud: float, good: float) -> None:
    one, other = (np.float32([value]) for value in (fraud, good))
    found = margin(one, other)[0]
    assert abs(found) <= np.log((2 + FLOOR) / FLOOR) + 1e-9
    assert found == pytest.approx(-margin(other, one)[0], abs=1e-9)
    assert np.sign(found) == np.sign(float(one[0]) - float(other[0])) or abs(found) < 1e-9


def test_a_cosine_that_rounding_put_above_one_is_no_infinity() -> None:
    assert np.isfinite(margin(np.float32([1.001]), np.float32([0.5]))).all()
    assert np.isfinite(margin(np.float32([0.5]), np.float32([1.001]))).all()


@given(st.lists(st.floats(-9, 9), min_size=2, max_size=30, unique=True))
def test_probability_grows_with_the_margin_and_stays_within_bounds(values: list[float]) -> None:
    calibration = Calibration(SignalKind.CALIBRATED, 1.3, -4.0, np.linspace(0, 1, 101))
    margins = np.sort(values)
    signal = calibration.signal(margins, np.zeros(len(margins)))
    assert ((signal >= 0) & (signal <= 1)).all()
    far_apart = np.diff(margins) > 1e-9
    assert (np.diff(signal)[far_apart] > 0).all()


def test_the_mean_probability_is_the_prevalence() -> None:
    margins, labels = sample()
    calibration = fitted(margins, labels)
    assert calibration.kind is SignalKind.CALIBRATED
    assert calibration.slope == pytest.approx(2, rel=0.1)
    assert calibration.probability(margins).mean() == pytest.approx(labels.mean(), rel=0.01)


def test_weights_undo_the_sampling_of_good_payments() -> None:
    margins, labels = sample()
    kept = (labels == 1) | (np.arange(len(labels)) % 10 == 0)
    weights = np.where(labels[kept] == 1, 1.0, 10.0)
    sampled = fitted(margins[kept], labels[kept], weights)
    assert sampled.probability(margins).mean() == pytest.approx(labels.mean(), rel=0.25)
    naive = fitted(margins[kept], labels[kept])
    assert naive.probability(margins).mean() > 3 * labels.mean()


def test_a_margin_that_points_the_wrong_way_says_nothing_rather_than_the_opposite() -> None:
    margins, labels = sample(5000)
    calibration = fitted(-margins, labels)
    signal = calibration.probability(np.linspace(-5, 5, 11))
    assert (np.diff(signal) > 0).all()
    assert np.ptp(signal) < 0.01


@pytest.mark.parametrize("label", [0, 1])
def test_with_labels_of_one_kind_the_signal_is_novelty(label: int) -> None:
    calibration = fitted(np.zeros(200), np.full(200, label, np.int8))
    assert calibration.kind is SignalKind.NOVELTY
    novelty = np.array([0.0, 0.3, 1.0])
    assert calibration.signal(np.array([9.0, 0.0, -9.0]), novelty).tolist() == novelty.tolist()


def test_novelty_is_the_rank_among_unseen_good_payments() -> None:
    rng = np.random.default_rng(2)
    distance = rng.uniform(1, 6, 4000)
    labels = (np.arange(4000) % 50 == 0).astype(np.int8)
    distance[labels == 1] = 90  # frauds are far from everything: they must not shift the ranks
    calibration = fit_calibration(rng.normal(size=4000), labels, np.ones(4000), distance)
    assert calibration.novelty(np.array([0, 1, 3.5, 6, 90])) == pytest.approx([0, 0, 0.5, 1, 1], abs=0.02)


def test_the_strangest_payments_keep_their_order() -> None:
    known = np.random.default_rng(3).exponential(size=5000)
    calibration = fit_calibration(np.zeros(5000), np.zeros(5000, np.int8), np.ones(5000), known)
    found = calibration.novelty(np.array([4.0, 6.0, 9.0, 20.0, 60.0]))
    assert (np.diff(found) > 0).all()
    assert 0.95 < found[0] < found[-1] <= 1


@given(st.lists(DISTANCES, min_size=1, max_size=20), st.lists(DISTANCES, min_size=1, max_size=20))
def test_novelty_never_falls_as_payments_get_stranger(known: list[float], asked: list[float]) -> None:
    labels = np.zeros(len(known), np.int8)
    calibration = fit_calibration(np.zeros(len(known)), labels, np.ones(len(known)), np.array(known))
    found = calibration.novelty(np.sort(asked))
    assert ((found >= 0) & (found <= 1)).all()
    assert (np.diff(found) >= 0).all()
