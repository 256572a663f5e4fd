"""A candidate's figures on a window that it has not seen, beside those of the champion."""

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from counterfoil.domain.evaluation.evaluation import Evaluation, evaluate
from counterfoil.domain.evaluation.paired import Difference, evaluate_pair
from counterfoil.domain.evaluation.scored import Scored
from counterfoil.domain.release.archive import pack, unpack
from counterfoil.domain.schemas import TIMESTAMP

PAIRED_SCORES = pa.schema(
    [
        pa.field("transaction_id", pa.string(), nullable=False),
        pa.field("account_id", pa.string()),
        pa.field("event_time", TIMESTAMP, nullable=False),
        pa.field("label", pa.int8(), nullable=False),  # 1 fraud, 0 good
        pa.field("candidate", pa.float64(), nullable=False),  # anomaly signal
        pa.field("champion", pa.float64()),  # null without a champion
    ]
)


@dataclass(frozen=True)
class ReleaseFigures:
    """A release and what it is worth on the window."""

    release_id: str
    evaluation: Evaluation


@dataclass(frozen=True)
class CandidateFigures:
    """What a gate judges by. `since` and `until` (ISO 8601, UTC) are the window; None is without end.

    `differences` are the candidate's figures minus the champion's, by their name; empty without a champion.
    `unread_champion` says why there is none although a champion stands: its format is an older one.
    """

    since: str | None
    until: str | None
    candidate: ReleaseFigures
    champion: ReleaseFigures | None
    differences: dict[str, Difference]
    unread_champion: str | None = None

    def undefined(self) -> str | None:
        """Which figures are not defined, and why; None if all are."""
        evaluation = self.candidate.evaluation
        names = [name for name, value in evaluation.metrics.items() if value is None]
        if not names:
            return None
        counts = f"{evaluation.frauds:,} frauds among {evaluation.rows:,} labelled payments"
        return f"{', '.join(names)}: not defined for {counts}"

    def metrics(self) -> dict[str, float]:
        """The candidate's figures and its lead over the champion as flat numbers: NAME, NAME_low, NAME_high."""
        evaluation = self.candidate.evaluation
        flat: dict[str, float | None] = {"rows": evaluation.rows, "frauds": evaluation.frauds, **evaluation.metrics}
        for name, (low, high) in evaluation.intervals.items():
            flat |= {f"{name}_low": low, f"{name}_high": high}
        for name, lead in self.differences.items():
            flat |= {f"lead_{name}": lead.value, f"lead_{name}_low": lead.low, f"lead_{name}_high": lead.high}
        return {name: float(value) for name, value in flat.items() if value is not None}


@dataclass(frozen=True)
class CandidateEvaluation:
    """The figures and the scores behind them, which follow `PAIRED_SCORES`."""

    figures: CandidateFigures
    scores: pa.Table

    def as_dict(self) -> dict[str, Any]:
        """The figures as plain data for JSON; `candidate_metrics` are the same as flat numbers."""
        return {**pack(self.figures, {}), "candidate_metrics": self.figures.metrics()}

    @classmethod
    def from_dict(cls, data: dict[str, Any], scores: pa.Table | None = None) -> "CandidateEvaluation":
        """Read what `as_dict` gave; the scores are not part of it and can be given beside."""
        figures = {name: value for name, value in data.items() if name != "candidate_metrics"}
        return cls(unpack(CandidateFigures, figures, {}), PAIRED_SCORES.empty_table() if scores is None else scores)


def compare_with_champion(
    scores: pa.Table, candidate: str, champion: str | None, window: tuple[str | None, str | None], *, draws: int = 500
) -> CandidateEvaluation:
    """Evaluate the `PAIRED_SCORES` of two releases, or of one if there is no champion, each and in pairs.

    `draws` is the number of bootstrap draws; each takes the same accounts for both.
    """
    ours = Scored.of(scores, "candidate")
    if champion is None:
        alone = ReleaseFigures(candidate, evaluate(ours, draws=draws))
        return CandidateEvaluation(CandidateFigures(*window, alone, None, {}), scores)
    pair = evaluate_pair(ours, scores.column("champion").to_numpy(), draws=draws)
    both = ReleaseFigures(candidate, pair.first), ReleaseFigures(champion, pair.second)
    return CandidateEvaluation(CandidateFigures(*window, *both, pair.differences), scores)
