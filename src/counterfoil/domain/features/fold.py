"""Fold each entity's payments, in the order of time and id, into the evidence of every payment.

A window is half-open, `(t - w, t]`; of payments at one instant, those with a greater transaction id are not seen.
Money is added as integers. A label counts from when it is known, in a stream of its own. No entity costs more than
its payments: windows are differences of running sums, or slide.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import numpy as np
import pyarrow as pa

from counterfoil.domain.arrays import Doubles, Flags, Integers
from counterfoil.domain.features import values, windows
from counterfoil.domain.features.aggregates import Aggregate, Family
from counterfoil.domain.features.columns import CYCLES, PASSED_ON
from counterfoil.domain.features.groups import Groups, running, running_squares, running_totals
from counterfoil.domain.features.payments import Payments, in_order, known_at, microseconds, times_of
from counterfoil.domain.features.spec import Entity, FeatureSpec, OwnEntity
from counterfoil.domain.schemas import MINOR_UNITS, TIMESTAMP

HOUR = 3_600_000_000
"""An hour in microseconds."""

_TO_MONDAY = 259_200_000_000
"""The epoch was a Thursday: three days on, weeks begin on Monday."""


@dataclass(frozen=True)
class Kept:
    """What an entity keeps of its past: the last payments one by one, older ones by the tile of time they fall in."""

    payments: int = 4096
    tile: timedelta = timedelta(hours=1)


def evidence_of(
    transactions: pa.Table,
    specs: Iterable[FeatureSpec],
    *,
    label_delay: timedelta,
    own_columns: Sequence[str] = (),
    by_currency: bool = False,
    rows: Flags | None = None,
    kept: Kept = Kept(),
) -> pa.Table:
    """Turn `transactions` into evidence, in the order of time and id: one row a payment, or a payment of `rows`.

    `rows` says for each row of `transactions` whether its evidence is wanted; the others are history only. With
    `by_currency`, amounts are only combined with amounts of the same currency.
    """
    specs = tuple(specs)
    order = in_order(transactions)
    payments = Payments(transactions.take(pa.array(order)), label_delay)
    wanted = np.ones(len(order), np.bool_) if rows is None else rows[order]
    values = behaviour_of(payments, specs, by_currency=by_currency, wanted=wanted, kept=kept)
    chosen = payments.transactions if rows is None else payments.transactions.filter(pa.array(wanted))
    columns = passed_on(chosen, label_delay, own_columns)
    for spec, value in zip(specs, values, strict=True):
        columns[spec.name] = pa.array(value if rows is None else value[wanted], from_pandas=True)
    return pa.table(columns)


def columns_of(specs: Iterable[FeatureSpec], *, by_currency: bool = False) -> tuple[str, ...]:
    """The columns of `transactions` that these features are made of."""
    columns = {"event_time": None}
    for spec in specs:
        columns |= dict.fromkeys(spec.entity.columns)
        columns |= dict.fromkeys(_READ[spec.aggregate.declared.family])
        columns |= dict.fromkeys(["currency"] if by_currency and spec.aggregate.is_money else [])
    return tuple(columns)


_READ = {
    Family.PAYMENTS: (),
    Family.AMOUNTS: ("amount",),
    Family.LARGEST: ("amount",),
    Family.ACCOUNTS: ("account_id",),
    Family.MERCHANTS: ("merchant_id",),
    Family.LABELS: ("label", "label_time"),
}
"""The columns that a family's statistics are made of, beside the entity's and the time."""


def passed_on(transactions: pa.Table, label_delay: timedelta, own_columns: Sequence[str]) -> dict[str, pa.Array]:
    """The columns of evidence that are no features, of the same rows."""
    time = times_of(transactions["event_time"])
    known = known_at(time, times_of(transactions["label_time"]), label_delay)
    columns = {name: transactions[name] for name in PASSED_ON if name != "known_at"}
    columns["known_at"] = pa.array(known).cast(TIMESTAMP)
    columns |= {name: transactions[name] for name in own_columns}
    minor = Payments(transactions, label_delay).minor / MINOR_UNITS
    columns["amount"] = pa.array(minor, mask=transactions["amount"].is_null().to_numpy())
    return columns | {name: pa.array(value) for name, value in zip(CYCLES, cycles(time), strict=True)}


def cycles(time: Integers) -> tuple[Doubles, ...]:
    """Sine and cosine of the time of the day, then of the week."""
    day = 2 * np.pi * (time % (24 * HOUR)) / (24 * HOUR)
    week = 2 * np.pi * ((time + _TO_MONDAY) % (7 * 24 * HOUR)) / (7 * 24 * HOUR)
    return np.sin(day), np.cos(day), np.sin(week), np.cos(week)


def behaviour_of(
    payments: Payments,
    specs: Sequence[FeatureSpec],
    *,
    by_currency: bool = False,
    wanted: Flags | None = None,
    kept: Kept = Kept(),
) -> Doubles:
    """The features' values, one row a spec and one column a payment; NaN is null. Payments not `wanted` stay NaN."""
    values = np.full((len(specs), len(payments)), np.nan)
    if wanted is None:
        wanted = np.ones(len(payments), np.bool_)
    for entity in dict.fromkeys(spec.entity for spec in specs):
        mine = {number: spec for number, spec in enumerate(specs) if spec.entity == entity}
        _Fold(payments, mine, entity, wanted, kept, values).fill(by_currency)
    return values


@dataclass(frozen=True)
class _Columns:
    """Some specs of one family as compiled code takes them: codes of aggregates, and the rows of `out`."""

    codes: Integers
    itself: Flags
    numbers: Integers

    @classmethod
    def of(cls, specs: Mapping[int, FeatureSpec]) -> "_Columns":
        declared = [spec.aggregate.declared for spec in specs.values()]
        return cls(
            np.array([one.code for one in declared], np.int64),
            np.array([one.itself for one in declared], np.bool_),
            np.array(list(specs), np.int64),
        )


@dataclass(frozen=True)
class _Arrived:
    """When an entity's labels became known: moments in order, where each group's start, how many by each position."""

    moments: Integers
    starts: Integers
    by_now: Integers


@dataclass(frozen=True)
class _Fold:
    """The features of one kind of entity; `specs` by their row in `out`."""

    payments: Payments
    specs: Mapping[int, FeatureSpec]
    entity: Entity | OwnEntity
    wanted: Flags
    kept: Kept
    out: Doubles
    _full: dict[int, Flags] = field(default_factory=dict)

    def fill(self, by_currency: bool) -> None:
        """Set the features' rows of `out`."""
        groups = Groups.of(self.payments, self.entity.columns)
        if groups.longest > self.kept.payments + 1:
            for hours in {spec.hours for spec in self.specs.values()}:
                full = self._full[hours] = np.zeros(len(self.payments), np.bool_)
                windows.overfull(groups.tick, groups.starts, hours * HOUR, self.kept.payments, groups.row, full)
        self._payments(groups)
        self._distinct(groups, Family.ACCOUNTS, "account_id")
        self._distinct(groups, Family.MERCHANTS, "merchant_id")
        self._labels(groups)
        if any(spec.aggregate.is_money for spec in self.specs.values()):
            mixed = by_currency and self.payments.differ("currency")
            money = Groups.of(self.payments, self.entity.columns, ["currency"]) if mixed else groups
            self._amounts(money)
            self._largest(money)

    def _of(self, family: Family) -> dict[int, FeatureSpec]:
        return {n: spec for n, spec in self.specs.items() if spec.aggregate.declared.family is family}

    def _by_window(self, family: Family) -> Iterator[tuple[int, dict[int, FeatureSpec]]]:
        specs = self._of(family)
        for hours in dict.fromkeys(spec.hours for spec in specs.values()):
            yield hours, {n: spec for n, spec in specs.items() if spec.hours == hours}

    def _lefts(self, groups: Groups, hours: int, *, exact: bool = False) -> Integers:
        """Where windows begin: at the payment itself, or (not `exact`) at a tile where the profile is full."""
        full = _NOWHERE if exact else self._full.get(hours, _NOWHERE)
        key = (hours, len(full) > 0)
        if key not in groups.lefts:
            left = groups.lefts[key] = np.empty(len(groups.row), np.int64)
            tile = microseconds(self.kept.tile)
            windows.lefts(groups.tick, groups.starts, hours * HOUR, groups.row, full, tile, left)
        return groups.lefts[key]

    def _payments(self, groups: Groups) -> None:
        quarter = self.payments.quarter[groups.row]
        quarters = np.zeros((4, 0), np.int64)
        if any(spec.aggregate is Aggregate.QUARTER_SHARE for spec in self.specs.values()):
            quarters = np.stack([running(quarter == one) for one in range(4)])
        for hours, specs in self._by_window(Family.PAYMENTS):
            columns, left = _Columns.of(specs), self._lefts(groups, hours)
            values.payments(
                groups.tick, left, quarter, quarters, hours * HOUR,
                groups.row, self.wanted, columns.codes, columns.itself, columns.numbers, self.out,
            )  # fmt: skip

    def _amounts(self, groups: Groups) -> None:
        minor, has = self.payments.minor[groups.row], self.payments.has_amount[groups.row]
        count, total, square = running(has), running_totals(minor), running_squares(minor)
        for hours, specs in self._by_window(Family.AMOUNTS):
            columns, left = _Columns.of(specs), self._lefts(groups, hours)
            values.amounts(
                minor, has, left, count, total, square,
                groups.row, self.wanted, columns.codes, columns.itself, columns.numbers, self.out,
            )  # fmt: skip

    def _largest(self, groups: Groups) -> None:
        specs = self._of(Family.LARGEST)
        if not specs:
            return
        minor, has = self.payments.minor[groups.row], self.payments.has_amount[groups.row]
        columns = _Columns.of(specs)
        values.largest(
            minor, has, groups.starts, np.stack([self._lefts(groups, spec.hours) for spec in specs.values()]),
            groups.row, self.wanted, columns.codes, columns.itself, columns.numbers, self.out,
        )  # fmt: skip

    def _distinct(self, groups: Groups, family: Family, column: str) -> None:
        specs = self._of(family)
        if not specs:
            return
        codes, count = self.payments.codes(column)
        for number, spec in specs.items():
            left = self._lefts(groups, spec.hours, exact=True)
            values.distinct(
                codes[groups.row], count, groups.starts, left, self.kept.payments,
                groups.row, self.wanted, number, self.out,
            )  # fmt: skip

    def _labels(self, groups: Groups) -> None:
        """Payments whose delay ended in the window, whatever their label, and labels that became known in it."""
        specs = self._of(Family.LABELS)
        if not specs:
            return
        tick, position = groups.tick, np.arange(len(groups.row))
        frauds = judged = self._arrived(groups, self.payments.fraud)
        if any(spec.aggregate.reads_good_labels for spec in specs.values()):
            judged = self._arrived(groups, self.payments.judged)
        delay = max(microseconds(self.payments.label_delay), 1)
        ended = self._up_to(tick - delay, groups.starts, tick, groups.starts, position)
        for hours, of_window in self._by_window(Family.LABELS):
            columns, begin = _Columns.of(of_window), tick - hours * HOUR
            values.labels(
                ended - self._up_to(begin - delay, groups.starts, tick, groups.starts, position),
                self._since(begin, groups, judged), self._since(begin, groups, frauds),
                groups.row, self.wanted, columns.codes, columns.numbers, self.out,
            )  # fmt: skip

    def _arrived(self, groups: Groups, counted: Flags) -> "_Arrived":
        """The labels of the payments that are `counted` (by row), in the order in which they became known."""
        mine = np.flatnonzero(counted[groups.row])
        known = self.payments.known[groups.row[mine]]
        group = np.searchsorted(groups.starts, mine, side="right")
        moments, starts = known[np.lexsort((known, group))], np.searchsorted(mine, groups.starts)
        nothing = np.zeros(len(groups.row), np.int64)
        return _Arrived(moments, starts, self._up_to(groups.tick, groups.starts, moments, starts, nothing))

    def _since(self, begin: Integers, groups: Groups, arrived: "_Arrived") -> Integers:
        """How many became known after `begin`, up to each position's own time."""
        before = self._up_to(begin, groups.starts, arrived.moments, arrived.starts, arrived.by_now)
        return arrived.by_now - before

    def _up_to(self, ask: Integers, asks: Integers, tick: Integers, starts: Integers, behind: Integers) -> Integers:
        found = np.empty(len(ask), np.int64)
        tile = microseconds(self.kept.tile)
        windows.up_to(ask, asks, tick, starts, behind, self.kept.payments, tile, found)
        return found


_NOWHERE: Flags = np.zeros(0, np.bool_)
