"""Profiles kept hot: what the entities of payments did, folded already, so that a payment costs no reading of its past.

A process keeps one log an account, merchant, source IP or own entity as bounded profiles (`domain.features.profile`):
the entity's own, and those of its pairs. It reads only what is new to it. What a profile cannot say, it does not guess:
a payment that is older than what its profile still has one by one is folded from the whole log (`evidence_of`).
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any

import numpy as np

from counterfoil.domain.arrays import Doubles, Integers
from counterfoil.domain.features.payments import microseconds
from counterfoil.domain.features.profile import Payment, Profile, Program
from counterfoil.domain.features.spec import Entity, FeatureSpec, OwnEntity
from counterfoil.domain.periods import EPOCH
from counterfoil.domain.schemas import FRAUD, MINOR_UNITS
from counterfoil.ports.service import LogPart, ProfileStore
from counterfoil.steps.scoring.profiles import History, Logs, Row

MOST_KNOWN = 20_000
"""A log remembers so many of its payments by name; what is said of an older one has the log folded again."""


@dataclass(frozen=True)
class Part:
    """The features of one kind of entity: who it is by, its program, and the places of its features among all."""

    columns: tuple[str, ...]
    program: Program
    places: tuple[int, ...]

    @cached_property
    def columns_of_all(self) -> Integers:
        """The places, as numpy takes them."""
        return np.array(self.places, np.int64)

    def whose(self, payment: Row) -> tuple[Any, ...] | None:
        """Which entity of this kind a payment is of; None if it is of none."""
        values = tuple(payment.get(column) for column in self.columns)
        return None if None in values else values


@dataclass(frozen=True)
class Behaviour:
    """The features of a release, by the log (its column) that their payments are in."""

    logs: Logs
    parts: Mapping[str, tuple[Part, ...]]
    features: int
    label_delay: int
    reads_good_labels: bool

    @classmethod
    def of(cls, specs: Sequence[FeatureSpec], label_delay: timedelta, *, by_currency: bool) -> "Behaviour":
        """Those of these specs."""
        kinds: dict[Entity | OwnEntity, list[int]] = {}
        for place, spec in enumerate(specs):
            kinds.setdefault(spec.entity, []).append(place)
        logs = Logs.of(specs)
        parts: dict[str, list[Part]] = {column: [] for column in logs.columns}
        delay = microseconds(label_delay)
        for entity, places in kinds.items():
            program = Program(tuple(specs[place] for place in places), delay, by_currency)
            parts[logs.column_of(entity.columns)].append(Part(tuple(entity.columns), program, tuple(places)))
        good = any(spec.aggregate.reads_good_labels for spec in specs)
        return cls(logs, {log: tuple(own) for log, own in parts.items()}, len(specs), delay, good)

    def known_at(self, tick: int, label_time: int | None) -> int:
        """From when on a label counts: the rule of `payments.Payments.known`."""
        return max(tick if label_time is None else label_time, tick + self.label_delay, tick + 1)


@dataclass
class Log:
    """One log, folded. `stale` says that it must be folded again from its beginning."""

    parts: tuple[Part, ...]
    behaviour: Behaviour
    profiles: dict[tuple[int, tuple[Any, ...]], Profile] = field(default_factory=dict)
    known: dict[str, tuple[int, tuple[tuple[int, tuple[Any, ...]], ...]]] = field(default_factory=dict)
    labels: dict[str, tuple[int, int]] = field(default_factory=dict)
    position: int = 0
    stale: bool = False

    def add(self, part: LogPart) -> None:
        """Add what a store read; entries that are known already change nothing."""
        if part.entries:
            read = History()
            read.add(part)
            self._add_payments(read)
            for name, label in read.labels.items():
                self._label(name, label["label"], datetime.fromisoformat(str(label["label_time"])))
        self.position = max(self.position, part.position)

    def _add_payments(self, read: History) -> None:
        fresh = [row for name, row in read.payments.items() if name not in self.known]
        for row in sorted(fresh, key=lambda row: (row["event_time"], row["transaction_id"])):
            self.keep(row)
            self._label_of(row)

    def keep(self, row: Row) -> None:
        """Keep a payment."""
        payment = as_payment(row)
        mine = self._mine(row)
        self.known[payment.transaction_id] = payment.tick, mine
        if len(self.known) > MOST_KNOWN:
            self.known = dict(list(self.known.items())[MOST_KNOWN // 2 :])
        for key in mine:
            profile = self._profile(key)
            if not profile.add(payment) and profile.late:
                self.stale = True

    def _mine(self, row: Row) -> tuple[tuple[int, tuple[Any, ...]], ...]:
        whose = ((number, part.whose(row)) for number, part in enumerate(self.parts))
        return tuple((number, values) for number, values in whose if values is not None)

    def _profile(self, key: tuple[int, tuple[Any, ...]]) -> Profile:
        if key not in self.profiles:
            self.profiles[key] = Profile(self.parts[key[0]].program)
        return self.profiles[key]

    def _label_of(self, row: Row) -> None:
        """Count the label that a payment has, if it has any."""
        if row.get("label") is not None:
            self._label(row["transaction_id"], row["label"], row.get("label_time"))

    def _label(self, name: str, label: int | None, label_time: datetime | None) -> None:
        """Count a label once; what was counted and is said otherwise makes the log stale."""
        if label != FRAUD and (label is None or not self.behaviour.reads_good_labels):
            self.stale |= name in self.labels
            return
        if name not in self.known:  # its payment is not read yet: both are read again together
            self.stale = True
            return
        tick, mine = self.known[name]
        counts = self.behaviour.known_at(tick, None if label_time is None else as_tick(label_time))
        if name in self.labels:
            self.stale |= self.labels[name] != (label, counts)  # taken back and said again
            return
        self.labels[name] = label, counts
        for key in mine:
            self.stale |= not self._profile(key).add_label(counts, fraud=label == FRAUD)

    def fill(self, row: Row, payment: Payment, out: Doubles) -> bool:
        """Set the features that this log gives a payment; say no if it cannot."""
        if self.stale:
            return False
        for key in self._mine(row):
            found = self._profile(key).features_in_place(payment)
            if found is None:
                return False
            out[self.parts[key[0]].columns_of_all] = found
        return True


class HotLogs:
    """The logs that a process keeps hot, for one release. Threads may share it."""

    def __init__(
        self, store: ProfileStore, behaviour: Behaviour, forgotten: frozenset[str] = frozenset(), most: int = 20_000
    ) -> None:
        self.behaviour = behaviour
        self._forgotten = forgotten
        self._store = store
        self._most = most
        self._held: OrderedDict[str, Log] = OrderedDict()
        self._guard = threading.Lock()

    def read(self, rows: Sequence[Row], answered: Callable[[], object] = lambda: None) -> None:
        """Read what is new of the entities of these payments; `answered` is called once the store has answered.

        Raises StoreUnavailableError.
        """
        wanted = {name: column for row in rows for name, column in self.behaviour.logs.names(row)}
        with self._guard:
            positions = {name: self._held[name].position if name in self._held else 0 for name in wanted}
        parts = self._of_others(positions)
        answered()
        # A long log takes a while: meanwhile the others are used.
        new = {name: self._folded(part, wanted[name]) for name, part in parts.items() if not positions[name]}
        with self._guard:
            for name, part in parts.items():
                log = self._held.get(name)
                if log is None:
                    log = new[name] if name in new else self._again(name, wanted[name])
                else:
                    log.add(part)
                    if log.stale:
                        log = self._again(name, wanted[name])
                self._held[name] = log
                self._held.move_to_end(name)
            while len(self._held) > max(self._most, len(wanted)):
                self._held.popitem(last=False)

    def _of_others(self, positions: Mapping[str, int]) -> dict[str, LogPart]:
        """What is new in the store, without payments of accounts that were forgotten."""
        parts = self._store.read(positions) if positions else {}
        if not self._forgotten:
            return parts
        return {
            name: replace(part, entries=tuple(entry for entry in part.entries if not self._is_forgotten(entry.content)))
            for name, part in parts.items()
        }

    def _is_forgotten(self, content: Row) -> bool:
        return content.get("account_id") in self._forgotten or content.get("merchant_id") in self._forgotten

    def _new(self, column: str) -> Log:
        return Log(self.behaviour.parts[column], self.behaviour)

    def _again(self, name: str, column: str) -> Log:
        return self._folded(self._of_others({name: 0})[name], column)

    def _folded(self, part: LogPart, column: str) -> Log:
        """A log folded from its beginning, in the order of time and with the labels that hold now."""
        history, log = History(), self._new(column)
        history.add(part)
        for row in sorted(history.rows(), key=lambda row: (row["event_time"], row["transaction_id"])):
            log.keep(row)
        for row in history.rows():
            log._label_of(row)
        # What is still not in order stays so: a payment that is in no log, or older than all windows.
        log.position, log.stale = part.position, False
        return log

    def features(self, rows: Sequence[Row]) -> tuple[Doubles, list[int]]:
        """The features of payments that come in this order, (rows, features), NaN for null; each sees those before.

        And the rows that the profiles cannot say. All are in the logs from then on: `forget` them if they are not kept.
        """
        out = np.full((len(rows), self.behaviour.features), np.nan)
        unsaid = []
        with self._guard:
            for number, row in enumerate(rows):
                names = [name for name, _ in self.behaviour.logs.names(row)]
                logs = [self._held[name] for name in names if name in self._held]
                payment = as_payment(row)
                if len(logs) < len(names) or not all(log.fill(row, payment, out[number]) for log in logs):
                    unsaid.append(number)
                for log in logs:
                    log.keep(row)
        return out, unsaid

    def without_history(self, rows: Sequence[Row]) -> "HotLogs":
        """Logs of the entities of these payments with nothing in them, beside those of the store."""
        empty = HotLogs(self._store, self.behaviour)
        empty._held.update((name, self._new(column)) for row in rows for name, column in self.behaviour.logs.names(row))
        return empty

    def holds(self, entity: str) -> bool:
        """Whether the log of an entity is held."""
        with self._guard:
            return entity in self._held

    def forget(self, rows: Sequence[Row]) -> None:
        """Read the logs of these payments from their beginning the next time."""
        with self._guard:
            for row in rows:
                for name, _ in self.behaviour.logs.names(row):
                    self._held.pop(name, None)


def as_tick(moment: datetime) -> int:
    """A time in microseconds since 1970."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def as_payment(row: Row) -> Payment:
    """A canonical payment as profiles take it."""
    amount: Decimal | None = row.get("amount")
    minor = None if amount is None else int(amount * MINOR_UNITS)
    return Payment(
        row["transaction_id"], as_tick(row["event_time"]), minor, row.get("currency"), row.get("account_id"),
        row.get("merchant_id"),
    )  # fmt: skip
