"""Payments as the fold sees them: Arrow columns as arrays of integers, in the order of time and id."""

from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from counterfoil.domain.arrays import Flags, Integers
from counterfoil.domain.schemas import FRAUD, MONEY, TIMESTAMP

DAY = 86_400_000_000
QUARTER = DAY // 4
"""Of the day, in microseconds."""


def in_order(transactions: pa.Table) -> Integers:
    """The rows in the order of time; those of one instant by transaction id, byte by byte."""
    times = times_of(transactions["event_time"])
    order = np.argsort(times, kind="stable")
    sorted_times = times[order]
    same = sorted_times[1:] == sorted_times[:-1]
    tied = np.flatnonzero(np.append(same, False) | np.insert(same, 0, False))
    if len(tied):
        rows = order[tied]
        ids = transactions["transaction_id"].take(pa.array(rows))
        keys = pa.table({"time": sorted_times[tied], "id": ids})
        by_id = pc.sort_indices(keys, [("time", "ascending"), ("id", "ascending")])
        order[tied] = rows[by_id.to_numpy()]
    return order


def times_of(column: pa.ChunkedArray) -> Integers:
    """Times as microseconds since 1970; the largest negative number where they are null."""
    return _integers(column.cast(TIMESTAMP), np.iinfo(np.int64).min)


def known_at(event_time: Integers, label_time: Integers, label_delay: timedelta) -> Integers:
    """When labels may be used: max(label time, event time + label delay)."""
    return np.maximum(np.maximum(label_time, event_time), event_time + microseconds(label_delay))


def microseconds(span: timedelta) -> int:
    """A span of time as whole microseconds."""
    return span // timedelta(microseconds=1)


@dataclass(frozen=True)
class Payments:
    """The columns of `transactions` that features are made of; its rows are in the order of time and id."""

    transactions: pa.Table
    label_delay: timedelta
    _codes: dict[str, tuple[Integers, int]] = field(default_factory=dict)

    def __len__(self) -> int:
        return int(self.transactions.num_rows)

    @cached_property
    def tick(self) -> Integers:
        """Event times in microseconds."""
        return times_of(self.transactions["event_time"])

    @cached_property
    def known(self) -> Integers:
        """When labels are seen. None is at the instant of its payment, even without delay: it would see its own."""
        known = known_at(self.tick, times_of(self.transactions["label_time"]), self.label_delay)
        return np.maximum(known, self.tick + 1)

    @cached_property
    def fraud(self) -> Flags:
        """Whether the payment is known as a fraud, one day."""
        return np.equal(_integers(self.transactions["label"], -1), FRAUD)

    @cached_property
    def judged(self) -> Flags:
        """Whether it is known, one day, if the payment is a fraud or good."""
        return np.array(self.transactions["label"].is_valid().to_numpy(), np.bool_)

    @cached_property
    def quarter(self) -> Integers:
        """The quarter of the day (UTC), from 0."""
        return self.tick % DAY // QUARTER

    @cached_property
    def has_amount(self) -> Flags:
        """Whether the payment has an amount."""
        return np.array(self.transactions["amount"].is_valid().to_numpy(), np.bool_)

    @cached_property
    def minor(self) -> Integers:
        """Amounts in 1/10,000 of a unit; 0 where there is none."""
        amounts = _whole(self.transactions["amount"].cast(MONEY))
        if not len(amounts):
            return np.empty(0, np.int64)
        # A decimal of 18 digits is an integer of 128 bits, of which the lower 64 say all.
        halves = np.frombuffer(amounts.buffers()[1], np.int64)
        lower = halves[2 * amounts.offset : 2 * (amounts.offset + len(amounts)) : 2]
        return np.where(self.has_amount, lower, 0)

    def codes(self, column: str) -> tuple[Integers, int]:
        """A column's values as whole numbers from 0, -1 for null, and how many there are."""
        if column not in self._codes:
            values = _whole(self.transactions[column]).dictionary_encode()
            self._codes[column] = _integers(values.indices, -1), len(values.dictionary)
        return self._codes[column]

    def differ(self, column: str) -> bool:
        """Whether a column has more than one value; null is one."""
        codes, _ = self.codes(column)
        return bool(np.any(codes != codes[:1]))


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _integers(column: pa.ChunkedArray | pa.Array, null: int) -> Integers:
    values = column.cast(pa.int64()).fill_null(null)
    return np.array(values.to_numpy(), np.int64)
