"""Base and overlay compared together, and what a change would do: held against a comparison with all references."""

import datetime as dt
from typing import Any

import numpy as np
import pytest

from counterfoil.domain.policy.thresholds import Thresholds
from counterfoil.domain.release.references import overlay_table
from counterfoil.domain.scoring.compare import References
from counterfoil.domain.scoring.effect import Window, decisions, fitted_intercept
from counterfoil.domain.scoring.overlaid import NEAR, Overlaid
from counterfoil.domain.scoring.overlay import Change, Overlay, OverlayReference
from counterfoil.domain.scoring.signal import Calibration, SignalKind, margin

DIMENSIONS, K = 8, 5
CALIBRATION = Calibration(SignalKind.CALIBRATED, 2.0, -1.0, np.zeros(100))


def unit(rng: np.random.Generator, rows: int) -> np.ndarray:
    found = rng.normal(size=(rows, DIMENSIONS))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


def reference(name: str, label: int, vector: np.ndarray, asked: np.ndarray | None = None) -> OverlayReference:
    now = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    confirmed = asked is not None
    return OverlayReference(
        name, label, confirmed, now, now, None, None, None, None, None, vector, vector if asked is None else asked
    )


@pytest.fixture
def drawn() -> dict[str, Any]:
    rng = np.random.default_rng(1)
    labels = np.array([1] * 30 + [0] * 90, np.int8)
    return {
        "base": unit(rng, 120), "labels": labels, "more": unit(rng, 40), "asking": unit(rng, 60),
        "more_labels": np.array([1, 0] * 20, np.int8),
    }  # fmt: skip


def test_base_and_overlay_are_one_set_of_references(drawn: dict[str, Any]) -> None:
    base = References(drawn["base"], drawn["labels"])
    overlay = [reference(f"o{n}", int(drawn["more_labels"][n]), drawn["more"][n]) for n in range(40)]
    both = Overlaid(base, 120, overlay, DIMENSIONS).compare(drawn["asking"], K)
    whole = References(
        np.vstack([drawn["base"], drawn["more"]]), np.concatenate([drawn["labels"], drawn["more_labels"]])
    ).compare(drawn["asking"], K)
    for ours, theirs in ((both.fraud, whole.fraud), (both.good, whole.good)):
        np.testing.assert_allclose(ours.similarity, theirs.similarity, atol=1e-6)
        np.testing.assert_array_equal(ours.position, theirs.position)
        np.testing.assert_allclose(ours.mean, theirs.mean, atol=1e-6)


def test_a_copy_of_a_confirmed_fraud_is_as_near_to_frauds_as_to_it(drawn: dict[str, Any]) -> None:
    base = References(drawn["base"], drawn["labels"])
    confirmed = reference("c", 1, drawn["more"][0], asked=drawn["asking"][3])
    compared = Overlaid(base, 120, [confirmed], DIMENSIONS).compare(drawn["asking"], K)
    alone = base.compare(drawn["asking"], K)
    assert compared.fraud.mean[3] == pytest.approx(1.0, abs=1e-6)
    assert compared.fraud.position[3, 0] == 120
    others = np.arange(60) != 3
    assert (drawn["asking"][others] @ drawn["asking"][3] < NEAR).all()
    assert np.abs(compared.fraud.mean - alone.fraud.mean)[others].max() < 0.5
    np.testing.assert_array_equal(compared.good.mean, alone.good.mean)


def test_a_window_has_the_margins_that_scoring_has(drawn: dict[str, Any]) -> None:
    base = References(drawn["base"], drawn["labels"])
    overlay = [reference(f"o{n}", int(drawn["more_labels"][n]), drawn["more"][n]) for n in range(40)]
    overlay.append(reference("c", 1, drawn["more"][0], asked=drawn["asking"][3]))
    alone = base.compare(drawn["asking"], K)
    ids = [f"p{n}" for n in range(60)]
    window = Window(ids, drawn["asking"], alone.fraud.similarity, alone.good.similarity)
    scored = Overlaid(base, 120, overlay, DIMENSIONS).compare(drawn["asking"], K)
    np.testing.assert_allclose(window.margins(overlay), margin(scored.fraud.mean, scored.good.mean), atol=1e-4)
    # A payment is not held against itself.
    own = reference("p3", 1, drawn["asking"][3], asked=drawn["asking"][3])
    assert window.margins([own])[3] == window.margins(())[3]


def test_the_intercept_keeps_the_level_and_follows_what_is_known() -> None:
    rng = np.random.default_rng(2)
    alone = rng.normal(-2, 1, 2000)
    ids = [f"p{n}" for n in range(2000)]
    moved = alone + 0.7
    intercept = fitted_intercept(CALIBRATION, alone, moved, {}, ids)
    assert intercept == pytest.approx(-1.0 - 2.0 * 0.7, abs=1e-4)
    more = fitted_intercept(CALIBRATION, alone, alone, dict.fromkeys(ids[:100], 1), ids)
    less = fitted_intercept(CALIBRATION, alone, alone, dict.fromkeys(ids[:100], 0), ids)
    assert less < -1.0 < more
    assert fitted_intercept(CALIBRATION, alone[:10], moved[:10], {}, ids[:10]) == -1.0
    assert decisions(np.array([-9.0, 9.0]), CALIBRATION, -1.0, Thresholds(0.5, None)).tolist() == ["allow", "review"]


def test_the_last_change_of_a_payment_holds() -> None:
    rng = np.random.default_rng(3)
    a, b = unit(rng, 2)
    first = Change("r", "a", 1, 1, -1.1, (reference("a", 1, a, a), reference("b", 0, b)), 1)
    second = Change("r", "b", 1, 2, -1.2, (reference("b", 1, b, b),), 2)
    overlay = Overlay().with_change(first).with_change(second)
    assert [(one.reference_id, one.label) for one in overlay.references] == [("a", 1), ("b", 1)]
    taken_back = overlay.with_change(Change("r", "a", None, 3, -1.3, (), 3))
    assert [(one.reference_id, one.label) for one in taken_back.references] == [("b", 1)]
    assert (taken_back.sequence, taken_back.intercept) == (3, -1.3)
    assert overlay_table(taken_back.references, DIMENSIONS).num_rows == 1
