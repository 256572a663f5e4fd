"""Whether the payments that are scored now look as those did that the release was trained on."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from counterfoil.domain.evaluation.drift import chance_index, profiles, scaled_values, stability_index
from counterfoil.domain.policy.decide import Decision
from counterfoil.ports.service import ScoreLog
from counterfoil.steps.scoring.recent import evidence_table
from counterfoil.steps.scoring.scorer import Detector

MOST = 2_000
FEWEST = 200
"""Of fewer payments chance alone moves an index by more than a drift would."""


@dataclass(frozen=True)
class DriftNow:
    """The last `payments` of a release: mean signal, share that was not allowed, and each numeric column's index.

    `index` is the population stability index against the good payments of the training, by column, less what chance
    alone would not exceed; empty where too few payments were scored.
    """

    payments: int
    mean_signal: float
    alerted: float
    index: Mapping[str, float] = field(default_factory=dict)

    @property
    def largest(self) -> float:
        """The largest index; 0 where there is none."""
        return max(self.index.values(), default=0.0)


def drift_now(scores: ScoreLog, detector: Detector) -> DriftNow:
    """Look at the payments that a release scored last. Raises StoreUnavailableError."""
    release = detector.release
    kept = [score for score in scores.lately(MOST) if score.release_id == release.release_id]
    if not kept:
        return DriftNow(0, 0.0, 0.0)
    mean = sum(score.signal for score in kept) / len(kept)
    alerted = sum(score.decision != Decision.ALLOW for score in kept) / len(kept)
    if len(kept) < FEWEST:
        return DriftNow(len(kept), mean, alerted)
    values = scaled_values(release.encoder, evidence_table(kept, release))
    index = {}
    for place, profile in enumerate(profiles(release.encoder)):
        counts = profile.counts(values[:, place])
        chance = chance_index(len(profile.expected), int(counts.sum()))
        index[profile.name] = max(0.0, stability_index(counts, profile.expected) - chance)
    return DriftNow(len(kept), mean, alerted, index)
