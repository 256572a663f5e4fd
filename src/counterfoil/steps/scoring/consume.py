"""Score the payments of a stream: at least once in, one effect out.

A score is kept once a transaction, so that a record which comes again changes nothing; a checkpoint is written after
the scores it stands for are kept. A record that is no payment is buried with a reason, and the stream goes on.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pyarrow as pa

from counterfoil.domain.intake.requests import Arrivals, clean_requests, flattened
from counterfoil.domain.privacy.pseudonyms import PseudonymKeys
from counterfoil.errors import StoreUnavailableError
from counterfoil.ports.service import Checkpoints, KeptScore, PaymentStream, Record
from counterfoil.steps.scoring.champion import InUse
from counterfoil.steps.scoring.score_one import ContentConflictError, OnlineScorer

AT_ONCE = 500
PAUSES = (0.1, 0.5, 1.0, 2.0, 5.0)
"""How long to wait before a store that is gone is tried again; the last one holds from then on."""


@dataclass
class Consumed:
    """What became of the records so far."""

    records: int = 0
    scored: int = 0
    buried: int = 0
    waited: int = 0


@dataclass
class Consumer:
    """Consumes a stream under a name that checkpoints are kept by. `source_layout`: as the mapping's files are.

    `tell` is called with each score, `tell_buried` with each record that is no payment and the reason; perhaps twice.
    """

    name: str
    stream: PaymentStream
    checkpoints: Checkpoints
    scorer: OnlineScorer
    key: PseudonymKeys
    source_layout: bool = False
    ahead: timedelta = timedelta(days=1)
    tell: Callable[[KeptScore], object] = lambda _: None
    tell_buried: Callable[[Record, str], object] = lambda *_: None
    sleep: Callable[[float], object] = time.sleep

    def __post_init__(self) -> None:
        self._stop: Callable[[], bool] = lambda: False

    def run(self, stop: Callable[[], bool] = lambda: False) -> Consumed:
        """Consume until the stream ends, or `stop` says so between two batches.

        A store that is gone is waited for, and so is a stream that has answered before. Raises StoreUnavailableError
        for a stream that never answered, or if `stop` says so while a store is gone.
        """
        done = Consumed()
        self._stop = stop
        for records in self._records(done):
            for shard in dict.fromkeys(record.shard for record in records):
                own = [record for record in records if record.shard == shard]
                for start in range(0, len(own), AT_ONCE):
                    batch = own[start : start + AT_ONCE]
                    self._patiently(partial(self._consume, batch, done), done)
            if stop():
                break
        return done

    def _records(self, done: Consumed) -> Iterator[Sequence[Record]]:
        """Read the stream; one that throttles or is gone is opened again after its checkpoints, so nothing is lost."""
        tries, has_answered = 0, False
        while True:
            checkpoints = self._patiently(lambda: self.checkpoints.load(self.name), done)
            try:
                for records in self.stream.records(checkpoints):
                    tries, has_answered = 0, True
                    yield records
                return
            except StoreUnavailableError:
                if not has_answered:  # its name may be wrong: say so at once
                    raise
            self._wait(tries, done)
            tries += 1
            yield []

    def _patiently(self, work: Callable[[], Any], done: Consumed) -> Any:
        """Do something again until its stores answer: nothing may be skipped, and nothing more is read meanwhile."""
        tries = 0
        while True:
            try:
                return work()
            except StoreUnavailableError:
                if self._stop():
                    raise
            self._wait(tries, done)
            tries += 1

    def _wait(self, tries: int, done: Consumed) -> None:
        self.sleep(PAUSES[min(tries, len(PAUSES) - 1)])
        done.waited += 1

    def _consume(self, records: Sequence[Record], done: Consumed) -> None:
        """Score the records of one shard, in their order, and write its checkpoint."""
        payments: list[Mapping[str, Any]] = []
        whose: list[Record] = []
        refused: list[tuple[Record, str]] = []
        for record in records:
            payment = _payment_of(record.data)
            if payment is None:
                refused.append((record, "no_json_object"))
            else:
                payments.append(payment)
                whose.append(record)
        scores = self._score(payments, whose, refused) if payments else []
        for record, reason in refused:
            self.checkpoints.bury(self.name, record, reason)
            self.tell_buried(record, reason)
        for score in scores:
            self.tell(score)
        self.checkpoints.save(self.name, records[-1].shard, records[-1].sequence)
        done.records += len(records)
        done.scored += len(scores)
        done.buried += len(refused)

    def _score(
        self, payments: Sequence[Mapping[str, Any]], whose: Sequence[Record], refused: list[tuple[Record, str]]
    ) -> list[KeptScore]:
        in_use = self.scorer.champion.current()
        arrivals = self._cleaned(payments, in_use)
        refused += [(whose[fault.index], fault.reason) for fault in arrivals.faults]
        lines: list[int] = arrivals.payments["source_line"].to_pylist()
        while arrivals.payments.num_rows:
            try:
                return self.scorer.score(arrivals, in_use)
            except ContentConflictError as conflict:
                kept = self.scorer.scores.find(conflict.transactions)
                arrivals, lines = _without_conflicts(arrivals, lines, whose, kept, refused)
        return []

    def _cleaned(self, payments: Sequence[Mapping[str, Any]], in_use: InUse) -> Arrivals:
        return clean_requests(
            payments if self.source_layout else list(map(flattened, payments)),
            in_use.source if self.source_layout else in_use.canonical,
            key=self.key,
            forgotten=in_use.forgotten,
            latest=datetime.now(UTC) + self.ahead,
        )


def _without_conflicts(
    arrivals: Arrivals,
    lines: Sequence[int],
    whose: Sequence[Record],
    kept: Mapping[str, KeptScore],
    refused: list[tuple[Record, str]],
) -> tuple[Arrivals, list[int]]:
    """The arrivals without those whose id has another content: in what is kept, or earlier in this batch."""
    first = {name: score.content_hash for name, score in kept.items()}
    stay: list[int] = []
    names = arrivals.payments["transaction_id"].to_pylist()
    for number, (name, content) in enumerate(zip(names, arrivals.hashes, strict=True)):
        if first.setdefault(name, content) == content:
            stay.append(number)
        else:
            refused.append((whose[lines[number]], "id_with_other_content"))
    hashes = tuple(arrivals.hashes[number] for number in stay)
    return Arrivals(arrivals.payments.take(pa.array(stay, pa.int64())), hashes, arrivals.faults), [
        lines[number] for number in stay
    ]


def _payment_of(data: bytes) -> Mapping[str, Any] | None:
    """A record's payment, or None for what is no flat JSON object; its evidence may be one level deeper."""
    try:
        found = json.loads(data, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    evidence = found.get("evidence")
    values = [*found.values(), *(evidence.values() if isinstance(evidence, dict) else [])]
    flat = all(isinstance(v, str | int | float | bool | None) for v in values if v is not evidence)
    whole = all("\0" not in v and v.isprintable() for v in values if isinstance(v, str))
    return found if flat and whole and isinstance(evidence, dict | None) else None


def _no_constant(_: str) -> Any:
    raise ValueError
