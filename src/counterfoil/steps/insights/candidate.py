"""Compare a candidate with the champion on payments that neither has learned from."""

from dataclasses import replace

import pyarrow as pa

from counterfoil.domain.evaluation.candidate import PAIRED_SCORES, CandidateEvaluation, compare_with_champion
from counterfoil.domain.periods import Period
from counterfoil.domain.release.release import Release
from counterfoil.errors import EvaluationWindowError
from counterfoil.ports.lake import TableStore
from counterfoil.steps.scoring.compute import Compute
from counterfoil.steps.scoring.score import as_scored, evidence_batches
from counterfoil.steps.scoring.scorer import Detector

__all__ = ["CandidateEvaluation", "evaluate_candidate"]


def evaluate_candidate(
    tables: TableStore,
    candidate: Detector,
    champion: Detector | None,
    period: Period,
    *,
    unread_champion: str | None = None,
    draws: int = 500,
) -> CandidateEvaluation:
    """Score the labelled payments of a period with both releases and evaluate them, each and in pairs.

    Only base references are used; payments without a label do not count. `unread_champion` says why a champion that
    stands is not the one compared with; the gate tells it. `draws` is the number of bootstrap
    draws. Raises EvaluationWindowError if the period begins before all that one of the releases learned was
    known, NotFoundError without evidence, MissingEvidenceError if one of them needs evidence that is not there.
    """
    detectors = [candidate] if champion is None else [candidate, champion]
    for detector in detectors:
        _require_unseen(detector.release, period)
    scores = _paired_scores(tables, detectors, period)
    window = tuple(None if moment is None else moment.isoformat() for moment in (period.since, period.until))
    champion_id = None if champion is None else champion.release_id
    found = compare_with_champion(scores, candidate.release_id, champion_id, (window[0], window[1]), draws=draws)
    return replace(found, figures=replace(found.figures, unread_champion=unread_champion))


def _require_unseen(release: Release, period: Period) -> None:
    moment = release.learned_until
    if moment is not None and (period.since is None or period.since < moment):
        span = f"from {period.since or 'the beginning'} to {period.until or 'the end'}"
        raise EvaluationWindowError(
            f"release {release.release_id} learned from what was known until {moment}, and the evaluation window "
            f"{span} begins earlier: let it begin at that moment or later, or train with an earlier end"
        )


def _paired_scores(tables: TableStore, detectors: list[Detector], period: Period) -> pa.Table:
    """The signals of one or two releases side by side, in the order of time and id."""
    releases = [detector.release for detector in detectors]
    parts = [PAIRED_SCORES.empty_table()]
    for batch, _ in evidence_batches(tables, releases, period, Compute().batch_rows, labelled=True):
        known = [batch.column(name) for name in ("transaction_id", "account_id", "event_time", "label")]
        signals = _signals(detectors, batch)
        columns = [*known, signals[0], signals[1] if len(signals) == 2 else pa.nulls(batch.num_rows)]
        parts.append(pa.table(columns, names=PAIRED_SCORES.names).cast(PAIRED_SCORES))
    return pa.concat_tables(parts).sort_by([("event_time", "ascending"), ("transaction_id", "ascending")])


def _signals(detectors: list[Detector], batch: pa.Table) -> list[pa.ChunkedArray]:
    """The signals of each release; one that is compared with itself scores once."""
    found: dict[str, pa.ChunkedArray] = {}
    for detector in detectors:
        if detector.release_id not in found:
            scored = detector.score(as_scored(batch, detector.release))
            found[detector.release_id] = scored.column("anomaly_signal")
    return [found[detector.release_id] for detector in detectors]
