"""References whose label the others contradict are listed first, each judged without itself."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from counterfoil.domain.release.references import vectors_of
from counterfoil.domain.scoring.compare import References
from counterfoil.domain.scoring.signal import Calibration, SignalKind, margin
from counterfoil.domain.scoring.suspects import margins_of_others
from counterfoil.errors import UsageError
from counterfoil.steps.insights.suspects import audit
from counterfoil.steps.releases.registration import Candidate
from counterfoil.steps.scoring.scorer import Detector

APART = 0.2


def sides(rows: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors of two sides that lie apart, one in ten a fraud."""
    rng = np.random.default_rng(3)
    labels = (np.arange(rows) % 10 == 0).astype(np.int8)
    vectors = rng.normal(size=(rows, 8)) * APART + np.where(labels[:, None] == 1, 1.0, -1.0) * np.eye(8)[0]
    return (vectors / np.linalg.norm(vectors, axis=1)[:, None]).astype(np.float32), labels


def test_flipped_labels_come_first() -> None:
    vectors, labels = sides()
    flipped = [7, 20, 133]
    said = labels.copy()
    said[flipped] = 1 - said[flipped]
    margins = margins_of_others(vectors, said, 5)
    doubt = np.where(said == 1, -margins, margins)
    assert set(np.argsort(-doubt)[:3].tolist()) == set(flipped)


def test_each_is_judged_without_itself() -> None:
    vectors, labels = sides(60)
    margins = margins_of_others(vectors, labels, 3)
    for row in (0, 1, 59):
        others = References(np.delete(vectors, row, axis=0), np.delete(labels, row))
        alone = others.compare(vectors[row : row + 1], 3)
        assert margins[row] == pytest.approx(margin(alone.fraud.mean, alone.good.mean)[0], abs=1e-9)


def test_the_only_one_of_its_side_has_no_others() -> None:
    vectors, labels = sides(11)
    labels[0] = 0
    labels[10] = 1
    assert np.isfinite(margins_of_others(vectors, labels, 3)).all()


def test_an_audit_names_the_most_suspect(candidate: Candidate, embedder: Any) -> None:
    detector = Detector(candidate.release, candidate.references, embedder)
    found = audit(detector, 7)
    assert found.references == candidate.release.reference_rows
    assert len(found.suspects) == 7
    doubts = [one.doubt for one in found.suspects]
    assert doubts == sorted(doubts, reverse=True)
    labels = dict(zip(*(detector.references[name].to_pylist() for name in ("reference_id", "label")), strict=True))
    assert all(labels[one.reference_id] == one.label for one in found.suspects)
    signal = candidate.release.calibration.probability(
        margins_of_others(vectors_of(detector.references), detector.references["label"].to_numpy(), 5)
    )
    assert found.suspects[0].signal in signal


def test_without_frauds_nothing_is_contradicted(candidate: Candidate, embedder: Any) -> None:
    detector = Detector(candidate.release, candidate.references, embedder)
    novelty = Calibration(SignalKind.NOVELTY, 0.0, 0.0, candidate.release.calibration.novelty_quantiles)
    detector.release = replace(candidate.release, calibration=novelty)
    with pytest.raises(UsageError, match="knows no frauds"):
        audit(detector, 1)
