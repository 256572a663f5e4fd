"""Whether what was scored a moment ago has the evidence and the signal that the batch's fold gives it.

`counterfoil parity` looks at all that was scored, over the lake. This looks at a few payments again and again while the
service runs, over their entities' logs, so that a fault shows in the metrics before anybody asks.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pyarrow as pa

from counterfoil.domain.scoring.parity import EVIDENCE_TOLERANCE, SIGNAL_TOLERANCE, differences
from counterfoil.ports.service import KeptScore, ProfileStore, ScoreLog
from counterfoil.steps.scoring.champion import InUse
from counterfoil.steps.scoring.online_evidence import evidence_folded
from counterfoil.steps.scoring.profiles import Histories, Logs, Row, row_of, without_accounts
from counterfoil.steps.scoring.recent import evidence_table

SIGNAL = "anomaly_signal"
SETTLED = timedelta(seconds=5)
"""A score is looked at when it is so old: its payment stands in the profiles then."""
AT_ONCE = timedelta(seconds=2)
"""Payments that were scored within so long of each other, in two processes, may not have seen each other."""
SHOWN = 50
OVERTAKING = 2_000
FEW_HISTORIES = 20
"""Whole logs, of which a busy merchant's is long."""
REST = 100
"""So many times as long as a look took, the next one waits: it never costs more than a hundredth of a core."""


@dataclass(frozen=True)
class Compared:
    """How many payments were compared, and the columns that differ, one entry for each payment in which one does.

    `overtaken` payments differ too, and are not among `apart`: another payment of one of their entities came late, or
    at the same instant, so that they could not see it.
    """

    payments: int = 0
    overtaken: int = 0
    apart: tuple[str, ...] = ()


@dataclass
class ParityNow:
    """Compares `most` of the payments that were scored since the last time. Not to be shared by threads."""

    scores: ScoreLog
    profiles: ProfileStore
    most: int
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def __post_init__(self) -> None:
        self._histories = Histories(self.profiles, FEW_HISTORIES)
        self._since = self.clock()
        self._rests_until = 0.0

    def look(self, in_use: InUse) -> Compared:
        """Compare what the release in use scored with its history. Raises StoreUnavailableError."""
        now, begun = self.clock(), time.monotonic()
        if not self.most or begun < self._rests_until:
            self._since = now - SETTLED
            return Compared()
        kept = [one for one in self.scores.since(self._since, SHOWN) if _is_due(one, in_use, now)][: self.most]
        found = self._compare(kept, in_use) if kept else Compared()
        self._since = now - SETTLED
        self._rests_until = time.monotonic() + REST * (time.monotonic() - begun)
        return found

    def drop(self) -> None:
        """Read all histories again: an account was forgotten."""
        self._histories.drop()

    def _compare(self, kept: list[KeptScore], in_use: InUse) -> Compared:
        wanted = [row_of(score.payment) for score in kept]
        logs = Logs.of(in_use.detector.release.specs)
        history = self._histories.of(wanted, logs)
        past = without_accounts(history, in_use.forgotten)
        detector = in_use.detector
        batch = evidence_folded(past, wanted, detector.release, in_use.mapping)
        online = evidence_table(kept, detector.release)
        signals = detector.score(batch)[SIGNAL].to_numpy()
        overtaken, apart = 0, []
        for place, score in enumerate(kept):
            columns = _apart(online.slice(place, 1), batch.slice(place, 1), EVIDENCE_TOLERANCE)
            # What feedback has added since moves a signal, and is no difference of the evidence.
            if score.answer["overlay_seq"] == detector.overlay.sequence:
                columns += _apart(_signal(score, score.signal), _signal(score, signals[place]), SIGNAL_TOLERANCE)
            if columns and self._was_overtaken(score, wanted[place], logs):
                overtaken += 1
            else:
                apart += columns
        return Compared(len(kept), overtaken, tuple(apart))

    def _was_overtaken(self, score: KeptScore, row: Row, logs: Logs) -> bool:
        """Whether a payment that is earlier, of one of its entities, was scored after it or with it."""
        assert score.scored_at is not None
        mine = set(logs.names(row))
        others = (row_of(payment) for _, payment in self.scores.payments_since(score.scored_at - AT_ONCE, OVERTAKING))
        return any(
            other["transaction_id"] != score.transaction_id
            and other["event_time"] <= row["event_time"]
            and not mine.isdisjoint(logs.names(other))
            for other in others
        )


def _is_due(score: KeptScore, in_use: InUse, now: datetime) -> bool:
    return (
        score.release_id == in_use.release_id
        and score.answer.get("without_history") is None
        and score.scored_at is not None
        and score.scored_at <= now - SETTLED
        and score.account_id not in in_use.forgotten
    )


def _apart(one: pa.Table, other: pa.Table, tolerance: float) -> list[str]:
    return [found.name for found in differences(one, other, tolerance)]


def _signal(score: KeptScore, value: float) -> pa.Table:
    return pa.table({"transaction_id": [score.transaction_id], SIGNAL: pa.array([float(value)], pa.float64())})
