"""Base and overlay compared together, and what a change would do, beside what scoring does."""

import datetime as dt
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from counterfoil.domain.policy.thresholds import Thresholds
from counterfoil.domain.release.references import overlay_table
from counterfoil.domain.scoring.compare import References
from counterfoil.domain.scoring.effect import ALIKE, CLOSER, decisions, fitted_intercept, reach_of
from counterfoil.domain.scoring.overlaid import Overlaid
from counterfoil.domain.scoring.overlay import NEAR, Change, Overlay, OverlayReference
from counterfoil.domain.scoring.signal import Calibration, SignalKind, margin
from counterfoil.domain.scoring.window import Payments, Window

DIMENSIONS, K = 8, 5
CALIBRATION = Calibration(SignalKind.CALIBRATED, 2.0, -1.0, np.zeros(100))


def unit(rng: np.random.Generator, rows: int) -> np.ndarray:
    found = rng.normal(size=(rows, DIMENSIONS))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


def reference(name: str, label: int, vector: np.ndarray, reach: float = NEAR) -> OverlayReference:
    now = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    return OverlayReference(name, label, now, now, None, None, None, None, None, vector, reach)


def near(vector: np.ndarray, cosine: float) -> np.ndarray:
    """A unit vector whose cosine to a unit vector is this."""
    aside = np.zeros_like(vector)
    aside[0] = 1.0
    aside = aside - (aside @ vector) * vector
    found = cosine * vector + np.sqrt(1 - cosine**2) * aside / np.linalg.norm(aside)
    return found.astype(np.float32)


@pytest.fixture
def drawn() -> dict[str, Any]:
    rng = np.random.default_rng(1)
    labels = np.array([1] * 30 + [0] * 90, np.int8)
    return {"base": unit(rng, 120), "labels": labels, "more": unit(rng, 40), "asking": unit(rng, 60)}


def test_what_is_no_copy_is_compared_with_the_base_alone(drawn: dict[str, Any]) -> None:
    base = References(drawn["base"], drawn["labels"])
    overlay = [reference(f"o{n}", n % 2, drawn["more"][n]) for n in range(40)]
    assert (drawn["asking"] @ drawn["more"].T).max() < NEAR
    both, alone = (one.compare(drawn["asking"], K) for one in (Overlaid(base, 120, overlay, DIMENSIONS), base))
    for ours, theirs in ((both.fraud, alone.fraud), (both.good, alone.good)):
        np.testing.assert_array_equal(ours.similarity, theirs.similarity)
        np.testing.assert_array_equal(ours.position, theirs.position)
        np.testing.assert_array_equal(ours.mean, theirs.mean)


def test_a_copy_of_a_confirmed_fraud_is_as_near_to_frauds_as_to_it(drawn: dict[str, Any]) -> None:
    base = References(drawn["base"], drawn["labels"])
    asking = drawn["asking"]
    asking[4], asking[5] = near(asking[3], 0.995), near(asking[3], 0.98)
    for reach, copies in ((NEAR, [3, 4]), (0.999, [3])):
        compared = Overlaid(base, 120, [reference("c", 1, asking[3], reach)], DIMENSIONS).compare(asking, K)
        alone = base.compare(asking, K)
        for row, cosine in zip(copies, (1.0, 0.995), strict=False):
            assert compared.fraud.mean[row] == pytest.approx(cosine, abs=1e-6)
            assert compared.fraud.position[row, 0] == 120
        others = [row for row in range(60) if row not in copies]
        np.testing.assert_array_equal(compared.fraud.mean[others], alone.fraud.mean[others])
        np.testing.assert_array_equal(compared.good.mean, alone.good.mean)


def windowed(base: References, asking: np.ndarray, rows: slice) -> Window:
    alone = base.compare(asking[rows], K)
    ids = [f"p{n}" for n in range(len(asking))][rows]
    return Window.of(ids, asking[rows], alone.fraud.similarity, alone.good.similarity)


def crowded(drawn: dict[str, Any]) -> tuple[References, np.ndarray, list[OverlayReference]]:
    """A base, payments that nearly copy one another in fours, and references of which each is nearly copied."""
    asking = drawn["asking"].copy()
    for row in range(60):
        asking[row] = near(asking[row - row % 4], 0.992 + 0.002 * (row % 4))
    overlay = [reference(f"o{n}", n % 2, near(asking[n], 0.996)) for n in range(0, 60, 3)]
    return References(drawn["base"], drawn["labels"]), asking, overlay


def test_a_window_has_the_margins_that_scoring_has(drawn: dict[str, Any]) -> None:
    base, asking, overlay = crowded(drawn)
    window = windowed(base, asking, slice(0, 60))
    scored = Overlaid(base, 120, overlay, DIMENSIONS).compare(asking, K)
    assert (scored.fraud.copied > 0).sum() > 20
    np.testing.assert_allclose(window.beside(overlay).margins, margin(scored.fraud.mean, scored.good.mean), atol=1e-3)
    np.testing.assert_array_equal(window.alone, window.margins)
    # A payment is not held against itself.
    own = reference("p3", 1, asking[3])
    assert window.beside([own]).margins[3] == window.alone[3]


def test_a_window_that_is_kept_up_to_date_is_that_which_is_made_anew(drawn: dict[str, Any]) -> None:
    base, asking, overlay = crowded(drawn)
    rng = np.random.default_rng(5)
    held, first, last = windowed(base, asking, slice(0, 20)), 0, 20
    for step in range(12):
        chosen = [overlay[n] for n in np.flatnonzero(rng.random(len(overlay)) < 0.6)]
        chosen[:1] = [replace(chosen[0], label=step % 2)]  # somebody says otherwise
        held = held.beside(chosen)
        if step % 3 == 2:
            held = held.before(windowed(base, asking, slice(last, last + 10)), 30)
            last += 10
            first = max(last - 30, 0)
        anew = windowed(base, asking, slice(first, last)).beside(chosen)
        assert list(held.ids) == list(anew.ids)
        np.testing.assert_allclose(held.margins, anew.margins, atol=1e-3)
        np.testing.assert_array_equal(held.alone, anew.alone)


def test_a_fraud_that_looks_ordinary_reaches_only_what_is_closer_than_ordinary_payments() -> None:
    rng = np.random.default_rng(6)
    [fraud] = unit(rng, 1)
    cosines = [0.999, 0.998, 0.997, 0.996, 0.995, 0.994, 0.993, 0.5]
    payments = Payments([f"p{n}" for n in range(8)], np.array([near(fraud, one) for one in cosines]))

    def reach(label: int, labels: dict[str, int]) -> float:
        return reach_of(payments, "p0", fraud, label, labels)

    assert ALIKE == 5
    assert reach(1, {}) == pytest.approx(1 - (1 - 0.993) / CLOSER, abs=1e-6)  # beside itself five are spared
    assert reach(1, {"p2": 1}) == NEAR  # what is known as a fraud is not ordinary
    assert reach(0, {}) == NEAR
    assert reach(0, {"p4": 1, "p5": 1}) == pytest.approx(1 - (1 - 0.995) / CLOSER, abs=1e-6)
    assert reach(0, {"p0": 0, "p3": 0}) == NEAR


def test_the_intercept_follows_what_is_known() -> None:
    rng = np.random.default_rng(2)
    alone = rng.normal(-2, 1, 2000)
    ids = [f"p{n}" for n in range(2000)]
    assert fitted_intercept(CALIBRATION, alone, {}, ids) == -1.0
    labels = dict.fromkeys(ids[:100], 1)
    more = fitted_intercept(CALIBRATION, alone, labels, ids)
    expected = CALIBRATION.probability(alone)
    expected[:100] = 1.0
    fitted = 1 / (1 + np.exp(-(CALIBRATION.slope * alone + more)))
    assert fitted.sum() == pytest.approx(expected.sum(), rel=1e-4)
    less = fitted_intercept(CALIBRATION, alone, dict.fromkeys(ids[:100], 0), ids)
    assert less < -1.0 < more
    assert fitted_intercept(CALIBRATION, alone[:10], {"p1": 1}, ids[:10]) == -1.0
    assert decisions(np.array([-9.0, 9.0]), CALIBRATION, -1.0, Thresholds(0.5, None)).tolist() == ["allow", "review"]


def test_the_last_change_of_a_payment_holds() -> None:
    rng = np.random.default_rng(3)
    a, b = unit(rng, 2)
    first = Change("r", "a", 1, 1, -1.1, (reference("a", 1, a),), 1)
    second = Change("r", "b", 1, 2, -1.2, (reference("b", 1, b),), 2)
    overlay = Overlay().with_change(first).with_change(second)
    assert [(one.reference_id, one.label) for one in overlay.references] == [("a", 1), ("b", 1)]
    taken_back = overlay.with_change(Change("r", "a", None, 3, -1.3, (), 3))
    assert [(one.reference_id, one.label) for one in taken_back.references] == [("b", 1)]
    assert (taken_back.sequence, taken_back.intercept) == (3, -1.3)
    assert overlay_table(taken_back.references, DIMENSIONS).num_rows == 1
