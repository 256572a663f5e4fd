"""Stores of a service in memory: the decision log, the scores, and the changes of an overlay."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from counterfoil.domain.arrays import Doubles
from counterfoil.domain.scoring.overlay import Change
from counterfoil.errors import ChangedError
from counterfoil.ports.releases import LoggedDecision
from counterfoil.ports.service import Entry, KeptScore, LogPart
from counterfoil.steps.scoring.profiles import KEPT


class Log:
    """A decision log whose clock is `now`."""

    def __init__(self) -> None:
        self.now = datetime.min.replace(tzinfo=UTC)
        self._entries: list[LoggedDecision] = []
        self._of: dict[str, list[LoggedDecision]] = {}

    def append(self, decision: LoggedDecision) -> LoggedDecision:
        """Keep a decision."""
        kept = replace(decision, sequence=len(self._entries) + 1, at=self.now)
        self._entries.append(kept)
        self._of.setdefault(kept.subject, []).append(kept)
        return kept

    def entries(self, kind: str | None = None, subject: str | None = None, after: int = 0) -> list[LoggedDecision]:
        """Return what was kept after a number, oldest first."""
        among = self._entries[after:] if subject is None else self._of.get(subject, [])
        return [one for one in among if kind in (None, one.kind) and (one.sequence or 0) > after]


class Changes:
    """The changes of one release's overlay."""

    def __init__(self) -> None:
        self._changes: list[Change] = []

    def append(self, change: Change, after: int) -> Change:
        """Append a change that was made of the overlay up to `after`."""
        if after != len(self._changes):
            raise ChangedError(f"the overlay is at {len(self._changes)}, the change was made of {after}")
        kept = replace(change, sequence=after + 1)
        self._changes.append(kept)
        return kept

    def since(self, _: str, sequence: int) -> list[Change]:
        """Return the changes after a number."""
        return self._changes[sequence:]


class NoProfiles:
    """Profiles that nobody reads: the evidence is the batch's."""

    def append(self, entries: Sequence[Entry]) -> None:
        """Forget them."""

    def read(self, positions: Mapping[str, int]) -> dict[str, LogPart]:
        """Return logs without entries."""
        return dict.fromkeys(positions, LogPart((), 0))


@dataclass
class Answers:
    """The scores of payments that come in the order of their evidence's rows; the first `count` are scored."""

    evidence: pa.Table
    ids: Sequence[str]
    release_id: str
    count: int = 0
    signals: list[float] = field(default_factory=list)
    decisions: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._row = {name: row for row, name in enumerate(self.ids)}
        self._times = self.evidence.column("event_time").to_pylist()
        self._payment = [name for name in KEPT if name in self.evidence.column_names]

    def keep(self, signals: Doubles, decisions: Sequence[str]) -> None:
        """Keep the scores of the next rows."""
        self.signals += signals.tolist()
        self.decisions += decisions
        self.count = len(self.signals)

    def find(self, transactions: Collection[str]) -> dict[str, KeptScore]:
        """Return the kept scores of these transactions, those that there are."""
        rows = [row for name in transactions if (row := self._row.get(name, self.count)) < self.count]
        return {one.transaction_id: one for one in self._kept(rows)}

    def lately(self, limit: int, after: datetime | None = None, known: Collection[str] = ()) -> list[KeptScore]:
        """Return the scores that were made last (after a moment) but for those `known`, oldest first."""
        first = max(self.count - limit, 0)
        begin = self.count
        while begin > first and (after is None or self._times[begin - 1] > after):
            begin -= 1
        return self._kept([row for row in range(begin, self.count) if self.ids[row] not in known])

    def _kept(self, rows: Sequence[int]) -> list[KeptScore]:
        taken = self.evidence.take(pa.array(rows, pa.int64())).to_pylist()
        return [self._one(row, seen) for row, seen in zip(rows, taken, strict=True)]

    def _one(self, row: int, seen: dict[str, Any]) -> KeptScore:
        payment = {name: seen[name] for name in self._payment if seen[name] is not None}
        payment |= {"event_time": seen["event_time"].isoformat(), "transaction_id": self.ids[row]}
        if payment.get("amount") is not None:
            payment["amount"] = str(payment["amount"])
        return KeptScore(
            self.ids[row], "", self.release_id, self.decisions[row], self.signals[row], None, seen["account_id"],
            payment, {**seen, "event_time": seen["event_time"].isoformat()}, {"missing_evidence": []},
            self._times[row],
        )  # fmt: skip
