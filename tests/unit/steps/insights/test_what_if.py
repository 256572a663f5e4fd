"""Without a reference, or with its label changed, the decisions are those of a release without it, exactly."""

from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from counterfoil.domain.intake.requests import plain
from counterfoil.domain.policy.decide import decide
from counterfoil.domain.policy.thresholds import Thresholds
from counterfoil.domain.release.references import vectors_of
from counterfoil.domain.scoring.compare import References
from counterfoil.domain.scoring.signal import margin
from counterfoil.errors import NotFoundError, ReleaseMismatchError, UsageError
from counterfoil.ports.service import KeptScore
from counterfoil.steps.insights.what_if import label_of_word, what_if, what_if_of_run
from counterfoil.steps.releases.registration import Candidate
from counterfoil.steps.scoring.score import as_scored, detect
from counterfoil.steps.scoring.scorer import Detector

LAST = 200


@pytest.fixture(scope="module")
def detector(candidate: Candidate, embedder: Any, payments: pa.Table) -> Detector:
    """It reviews one payment in four, so that some decisions are near."""
    detector = Detector(candidate.release, candidate.references, embedder)
    signals = detector.score(as_scored(payments.slice(payments.num_rows - LAST), candidate.release))["anomaly_signal"]
    review = float(np.quantile(signals.to_numpy(), 0.75))
    detector.release = replace(candidate.release, thresholds=Thresholds(review, None))
    return detector


@pytest.fixture(scope="module")
def scores(detector: Detector, payments: pa.Table) -> list[KeptScore]:
    evidence = as_scored(payments.slice(payments.num_rows - LAST), detector.release)
    rows = zip(evidence.to_pylist(), detector.score(evidence).to_pylist(), strict=True)
    return [
        KeptScore(
            score["transaction_id"], "hash", detector.release_id, score["decision"], score["anomaly_signal"],
            None, None, {}, plain(fact), {"precedents": score["precedents"], "overlay_seq": 0, "missing_evidence": []},
        )
        for fact, score in rows
    ]  # fmt: skip


def again(detector: Detector, asked: Any, vectors: Any, labels: Any) -> tuple[list[str], Any]:
    """Decisions and signals of payments (their vectors) with these references, all compared anew."""
    found = References(vectors, labels).compare(asked, detector.release.neighbours)
    signals = detector.calibration.probability(margin(found.fraud.mean, found.good.mean))
    return decide(signals, detector.release.thresholds).to_pylist(), signals


def most_cited(scores: list[KeptScore], label: int, count: int) -> list[str]:
    cited = [one["reference_id"] for score in scores for one in score.answer["precedents"] if one["label"] == label]
    return sorted(set(cited), key=lambda name: -cited.count(name))[:count]


@pytest.mark.slow
def test_removals_and_relabellings_are_exact(detector: Detector, scores: list[KeptScore], payments: pa.Table) -> None:
    asked = detector.vectors(as_scored(payments.slice(payments.num_rows - LAST), detector.release))
    vectors, labels = vectors_of(detector.references), detector.references["label"].to_numpy()
    names = detector.references["reference_id"].to_pylist()
    before, was = again(detector, asked, vectors, labels)
    flipped = 0
    for label in (0, 1):
        for reference in most_cited(scores, label, 2):
            row = names.index(reference)
            turned = labels.copy()
            turned[row] = 1 - label
            for relabel, kept, named in (
                (None, np.delete(vectors, row, axis=0), np.delete(labels, row)), (1 - label, vectors, turned),
            ):  # fmt: skip
                found = what_if(detector, scores, reference, relabel)
                after, becomes = again(detector, asked, kept, named)
                wanted = {
                    score.transaction_id: (one, two)
                    for score, one, two in zip(scores, before, after, strict=True)
                    if one != two
                }
                assert {flip.transaction_id: (flip.before, flip.after) for flip in found.flips} == wanted
                assert found.largest == pytest.approx(np.abs(was - becomes).max(), abs=1e-12)
                assert found.payments == LAST
                assert found.compared == (LAST if relabel is not None else found.touched)
                flipped += len(found.flips)
    assert flipped > 0


@pytest.mark.slow
def test_scores_of_before_are_compared_too(detector: Detector, scores: list[KeptScore]) -> None:
    [reference] = most_cited(scores, 1, 1)
    other = [replace(one, release_id="an earlier release") for one in scores]
    assert what_if(detector, other, reference).compared == LAST
    assert what_if(detector, other, reference).flips == what_if(detector, scores, reference).flips


@pytest.mark.slow
def test_a_run_of_scores_gives_the_same(
    detector: Detector, scores: list[KeptScore], lake: Any, payments: pa.Table, tmp_path: Path
) -> None:
    tables = lake(tmp_path / "lake", payments.slice(payments.num_rows - LAST))
    run, again = detect(tables, detector), list[float]()
    for label in (0, 1):
        [reference] = most_cited(scores, label, 1)
        for relabel in (None, 1 - label):
            wanted = what_if(detector, scores, reference, relabel)
            found = what_if_of_run(detector, tables, run, reference, relabel)
            ours, theirs = (sorted(one.flips, key=lambda flip: flip.transaction_id) for one in (found, wanted))
            assert [(flip.transaction_id, flip.before, flip.after) for flip in ours] == [
                (flip.transaction_id, flip.before, flip.after) for flip in theirs
            ]
            # Cosines of a payment are rounded otherwise where others stand beside it.
            for flip, same in zip(ours, theirs, strict=True):
                assert flip.signal_before == pytest.approx(same.signal_before, abs=1e-6)
                assert flip.signal_after == pytest.approx(same.signal_after, abs=1e-6)
            assert (found.payments, found.cited) == (LAST, wanted.compared)
            assert found.compared == wanted.compared or relabel is None
            again.append(found.compared / found.cited)
    assert min(again) < 0.9  # far from a threshold a score alone says that nothing changes
    other = copy(detector)
    other.release_id = "r-other"
    with pytest.raises(ReleaseMismatchError, match="was scored by release"):
        what_if_of_run(other, tables, run, most_cited(scores, 1, 1)[0])


def test_one_reference_moves_a_mean_by_no_more_than_is_told(detector: Detector, scores: list[KeptScore]) -> None:
    found = what_if(detector, scores, most_cited(scores, 1, 1)[0], 0)
    assert 0 < found.bound <= 2 / detector.release.neighbours


def test_what_makes_no_sense_is_told(detector: Detector, scores: list[KeptScore]) -> None:
    with pytest.raises(NotFoundError, match="no reference 'nobody'"):
        what_if(detector, scores, "nobody")
    with pytest.raises(UsageError, match="known as fraud already"):
        what_if(detector, scores, most_cited(scores, 1, 1)[0], 1)
    with pytest.raises(UsageError, match="no label"):
        label_of_word("bad")
