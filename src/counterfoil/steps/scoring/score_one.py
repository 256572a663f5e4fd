"""Score single payments: read what is new of their entities, fold it into evidence, score, keep the answer.

The same function serves HTTP and streams. A payment is scored once: one that comes again gets the kept answer.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLate
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

from counterfoil.domain.arrays import rows_of
from counterfoil.domain.intake.requests import Arrivals
from counterfoil.errors import CounterfoilError, ReferenceConflictError
from counterfoil.ports.service import KeptScore, ProfileStore, ScoreLog
from counterfoil.steps.scoring.apply_policy import decide_rows
from counterfoil.steps.scoring.champion import Champion, InUse
from counterfoil.steps.scoring.hot import Behaviour, HotLogs, as_tick
from counterfoil.steps.scoring.kept_score import kept_score, rows_of_scores
from counterfoil.steps.scoring.online_evidence import evidence_folded, evidence_of_features
from counterfoil.steps.scoring.profiles import Histories, Logs, Row, without_accounts

T = TypeVar("T")

PAUSE = 1.0
"""For so many seconds after the profile store was too slow or gone, scores are made without history at once."""

FEW_HISTORIES = 500
"""So many whole histories are held, for payments that come late."""


class ContentConflictError(ReferenceConflictError):
    """A transaction was scored before, with another content."""

    def __init__(self, transactions: Sequence[str]) -> None:
        super().__init__(
            f"{len(transactions)} of these transaction ids were scored before with another content: a payment keeps "
            "its id and content, another payment needs another id"
        )
        self.transactions = tuple(transactions)


@dataclass
class Counts:
    """What happened since the start, for metrics."""

    without_history: int = 0
    profile_failures: int = 0


@dataclass
class OnlineScorer:
    """Scores payments with the release in use. Threads may share it.

    `deadline` is how long histories are waited for. What could not be written to the profiles is written by
    `catch_up`, from the kept scores.
    """

    champion: Champion
    profiles: ProfileStore
    scores: ScoreLog
    deadline: timedelta = timedelta(milliseconds=200)
    threads: int = 8
    counts: Counts = field(default_factory=Counts)

    def __post_init__(self) -> None:
        self._histories = Histories(self.profiles, FEW_HISTORIES)
        self._hot: HotLogs | None = None
        self._hot_of: tuple[str, frozenset[str]] | None = None
        self._readers = ThreadPoolExecutor(self.threads, thread_name_prefix="profiles")
        self._paused_until = 0.0
        self._behind_since: datetime | None = datetime.now(UTC) - timedelta(hours=1)
        self._guard = threading.Lock()

    def warm_up(self, in_use: InUse) -> None:
        """Score a payment that nobody made, and keep nothing: what is loaded or compiled then, the first one finds."""
        in_use.detector.warm_up()
        logs = self._logs(in_use)
        row: dict[str, Any] = dict.fromkeys((*logs.behaviour.logs.columns, "transaction_id"), "nobody")
        row["event_time"] = datetime.now(UTC)
        features, _ = logs.without_history([row]).features([row])
        ticks = np.array([as_tick(row["event_time"])], np.int64)
        evidence = evidence_of_features([row], ticks, features, in_use.detector.release)
        if evidence is not None:
            in_use.detector.score(evidence)

    def score(self, arrivals: Arrivals, in_use: InUse) -> list[KeptScore]:
        """Score cleaned payments, in their order; those that were scored before keep their score.

        Raises ContentConflictError if one was scored with another content, StoreUnavailableError if the answers
        cannot be kept.
        """
        rows: list[Row] = [*rows_of(arrivals.payments)]
        hashes = _one_content_each(rows, arrivals.hashes)
        kept = self.scores.find(hashes)
        _require_same(kept, hashes)
        new = list({row["transaction_id"]: row for row in rows if row["transaction_id"] not in kept}.values())
        if new:
            try:
                answers = self._answers(new, hashes, in_use)
                kept |= {score.transaction_id: score for score in self.scores.append(answers)}
                _require_same(kept, hashes)
            except BaseException:
                self._logs(in_use).forget(new)  # the hot logs have them, and they did not happen
                raise
        # Also of payments that came again: a crash may have come between the two.
        self._remember(rows, self._logs(in_use).behaviour.logs)
        return [kept[row["transaction_id"]] for row in rows]

    def _answers(self, rows: list[Row], hashes: Mapping[str, str], in_use: InUse) -> list[KeptScore]:
        evidence, why = self._evidence(rows, in_use)
        scores, facts = rows_of_scores(in_use.detector.score(evidence)), rows_of(evidence)
        if in_use.policy is not None:
            decide_rows(in_use.policy, scores, facts, rows, datetime.now(UTC))
        return [
            kept_score(row, hashes[row["transaction_id"]], fact, score, in_use, why.get(row["transaction_id"]))
            for row, fact, score in zip(rows, facts, scores, strict=True)
        ]

    def _evidence(self, rows: list[Row], in_use: InUse) -> tuple[pa.Table, dict[str, str]]:
        """The evidence of payments, in their order, and why it is without history, for those where it is."""
        hot = self._logs(in_use)
        _, why = self._asked(lambda answered: hot.read(rows, answered))
        logs = hot if why is None else hot.without_history(rows)
        order = sorted(range(len(rows)), key=lambda place: (rows[place]["event_time"], rows[place]["transaction_id"]))
        ordered = [rows[place] for place in order]
        features, unsaid = logs.features(ordered)
        ticks = np.array([as_tick(row["event_time"]) for row in ordered], np.int64)
        evidence = evidence_of_features(ordered, ticks, features, in_use.detector.release)
        if evidence is None:
            logs.forget(rows)
            unsaid = list(range(len(ordered)))
        late = [ordered[place] for place in unsaid]
        reasons = {} if why is None else dict.fromkeys((row["transaction_id"] for row in rows), why)
        if late:
            past, missed = self._past(late, ordered, in_use, why)
            if missed is not None:
                reasons |= {row["transaction_id"]: missed for row in late}
            folded = evidence_folded(past, late, in_use.detector.release, in_use.mapping)
            evidence = folded if evidence is None else _with_rows(evidence, unsaid, folded)
        if evidence is None or len(rows) == 1:
            return evidence, reasons
        return evidence.take(pa.array(np.argsort(np.array(order, np.int64)))), reasons

    def _past(
        self, late: list[Row], rows: list[Row], in_use: InUse, why: str | None
    ) -> tuple[Mapping[str, Row], str | None]:
        """What the entities of late payments did, those of the request included, and why that is all, if it is."""
        history: Mapping[str, Row] = {}
        if why is None:
            history, why = self._history(late, in_use)
        return {**history, **{row["transaction_id"]: row for row in rows}}, why

    def _logs(self, in_use: InUse) -> HotLogs:
        """The hot logs of the release in use; new ones where another is, or an account was forgotten."""
        with self._guard:
            whose = (in_use.release_id, in_use.forgotten)
            if self._hot is None or self._hot_of != whose:
                release = in_use.detector.release
                delay = timedelta(days=release.label_delay_days)
                behaviour = Behaviour.of(release.specs, delay, by_currency=in_use.mapping.currency_meaningful)
                self._hot, self._hot_of = HotLogs(self.profiles, behaviour, in_use.forgotten), whose
            return self._hot

    def _history(self, rows: list[Row], in_use: InUse) -> tuple[Mapping[str, Row], str | None]:
        """What the entities did, or nothing and why: the store was too slow, or gone."""
        history, why = self._asked(lambda _: self._histories.of(rows, self._logs(in_use).behaviour.logs))
        return without_accounts(history or {}, in_use.forgotten), why

    def _asked(self, ask: Callable[[Callable[[], None]], T]) -> tuple[T | None, str | None]:
        """What comes of asking the profile store within the deadline, or why nothing does.

        `ask` calls what it is given once the store has answered. A long history that takes longer to be folded is
        there for the next payment: no reason to ask the store no more.
        """
        if time.monotonic() < self._paused_until:
            return self._without("the profile store did not answer a moment ago")
        answered = threading.Event()
        reading = self._readers.submit(ask, answered.set)
        try:
            return reading.result(self.deadline.total_seconds()), None
        except TooLate:
            reading.cancel()
            if answered.is_set():
                return self._without(f"the history was not folded within {self.deadline.total_seconds():g} s")
            why = f"the profile store did not answer within {self.deadline.total_seconds():g} s"
        except CounterfoilError:
            why = "the profile store is not available"
        self._paused_until = time.monotonic() + PAUSE
        return self._without(why)

    def _without(self, why: str) -> tuple[None, str]:
        self.counts.without_history += 1
        return None, why

    def _remember(self, rows: list[Row], logs: Logs) -> None:
        """Write payments to the profiles; if that fails they are written later, by `catch_up`."""
        entries = [entry for row in rows for entry in logs.payment_entries(row)]
        if time.monotonic() >= self._paused_until:
            writing = self._readers.submit(self.profiles.append, entries)
            try:
                writing.result(self.deadline.total_seconds())
                return
            except (TooLate, CounterfoilError):
                writing.cancel()  # what no thread has begun yet must not pile up
                self._paused_until = time.monotonic() + PAUSE
        self.counts.profile_failures += 1
        with self._guard:
            self._behind_since = self._behind_since or datetime.now(UTC) - timedelta(minutes=1)

    def catch_up(self, limit: int = 1_000) -> int:
        """Write to the profiles what was scored and may not be there; return how many payments. May run at any time."""
        with self._guard:
            since, self._behind_since = self._behind_since, None
        if since is None:
            return 0
        written = 0
        try:
            logs = self._logs(self.champion.current()).behaviour.logs
            while True:
                found = self.scores.payments_since(since, limit)
                self.profiles.append([entry for _, payment in found for entry in logs.payment_entries(payment)])
                written += len(found)
                if len(found) < limit or found[-1][0] <= since:
                    return written
                since = found[-1][0]
        except CounterfoilError:
            with self._guard:
                self._behind_since = since
            raise

    def drop_histories(self) -> None:
        """Read all histories again, since an account was forgotten."""
        self._histories.drop()
        with self._guard:
            self._hot = None

    def remembers(self, entity: str) -> bool:
        """Whether this process holds what an entity did, such as 'account:<pseudonym>'."""
        with self._guard:
            return self._histories.holds(entity) or (self._hot is not None and self._hot.holds(entity))

    def close(self) -> None:
        """Wait for no reader any longer."""
        self._readers.shutdown(wait=False, cancel_futures=True)


def _with_rows(table: pa.Table, places: list[int], rows: pa.Table) -> pa.Table:
    """The table with other rows at these places."""
    chosen = np.arange(table.num_rows)
    chosen[places] = table.num_rows + np.arange(rows.num_rows)
    return pa.concat_tables([table, rows]).take(pa.array(chosen)).combine_chunks()


def _one_content_each(rows: list[Row], hashes: Sequence[str]) -> dict[str, str]:
    """The hash of each transaction. Raises ContentConflictError if a request has two contents of one id."""
    found: dict[str, str] = {}
    for row, content in zip(rows, hashes, strict=True):
        if found.setdefault(row["transaction_id"], content) != content:
            raise ContentConflictError([row["transaction_id"]])
    return found


def _require_same(kept: Mapping[str, KeptScore], hashes: Mapping[str, str]) -> None:
    others = [name for name, score in kept.items() if score.content_hash != hashes[name]]
    if others:
        raise ContentConflictError(others)
