"""A challenger in shadow: it scores what the champion scored, beside it, and nothing acts on what it says.

It reads the log of scores, as alerts do: scoring never waits for it, a restart loses nothing, and any number of
processes may do the same work twice, to no effect.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from counterfoil.domain.policy.decide import decide
from counterfoil.errors import NotFoundError
from counterfoil.ports.service import KeptScore
from counterfoil.ports.shadow import ShadowLog, ShadowScore
from counterfoil.steps.scoring.champion import Champion
from counterfoil.steps.scoring.recent import evidence_table, has_evidence
from counterfoil.steps.scoring.scorer import Detector

AT_A_TIME = 500
BACK = timedelta(hours=1)
"""A process that opens looks so far back for scores that the challenger has not seen."""
LATE = timedelta(seconds=10)
"""A score may become visible so long after its time."""


@dataclass
class ShadowScorer:
    """Scores what is new with the challenger. `lacking` counts payments without the evidence that it reads."""

    challenger: Champion
    log: ShadowLog
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    lacking: int = 0

    def __post_init__(self) -> None:
        self._until = self.clock() - BACK

    def work(self) -> list[ShadowScore]:
        """Score what the challenger has not scored yet, and return that; nothing if no release is challenger.

        Raises StoreUnavailableError, and ReleaseMismatchError for a challenger that cannot score here.
        """
        begun = self.clock()
        try:
            detector = self.challenger.refresh().detector
        except NotFoundError:
            return []
        done: list[ShadowScore] = []
        since = self._until
        while True:
            found = self.log.waiting(detector.release_id, since, AT_A_TIME)
            usable = [score for score in found if has_evidence(score, detector.release)]
            self.lacking += len(found) - len(usable)
            new = in_shadow(detector, usable)
            self.log.append(new)
            done += new
            last = found[-1].scored_at if found else None
            # Where none of a whole page could be scored, and all are of one moment, the next page would be the same.
            if len(found) < AT_A_TIME or last is None or (not usable and last == since):
                break
            since = last
        self._until = begun - LATE  # scores of transactions that are still under way are read the next time
        return done


def in_shadow(detector: Detector, scores: list[KeptScore]) -> list[ShadowScore]:
    """What a release says of payments that another one scored, from the evidence that was kept with their scores."""
    if not scores:
        return []
    found = detector.score(evidence_table(scores, detector.release))
    signals = found["anomaly_signal"].to_numpy()
    decisions = decide(signals, detector.release.thresholds).to_pylist()
    return [
        ShadowScore(score.transaction_id, detector.release_id, decision, float(signal))
        for score, decision, signal in zip(scores, decisions, signals, strict=True)
    ]
