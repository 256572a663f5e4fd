"""Warn where a whole file looks as if it were read in the wrong unit: times in seconds, amounts in cents."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from counterfoil.domain.intake.currencies import all_whole_units, digits_of
from counterfoil.domain.intake.mapping_model import SourceMapping
from counterfoil.domain.intake.mapping_times import COUNTED, UNIT_NANOSECONDS

_SHORT = timedelta(hours=1)
_FEW = 2
"""Of one payment nothing can be told."""


@dataclass(frozen=True)
class Span:
    """What payments cover: how many there are, their first and last time, and whether all amounts are whole numbers.

    `split_units` amounts have a part of their currency's smallest unit, where amounts are read as counting these.
    """

    payments: int = 0
    first: datetime | None = None
    last: datetime | None = None
    whole_amounts: bool = True
    whole_units: bool = True
    """Whether all their currencies have no smaller unit."""
    split_units: int = 0

    def with_more(self, other: "Span") -> "Span":
        """What these payments and others cover together."""
        if not other.payments:
            return self
        if not self.payments or self.first is None or self.last is None:
            return other
        return replace(
            self,
            payments=self.payments + other.payments,
            first=min(self.first, other.first or self.first),
            last=max(self.last, other.last or self.last),
            whole_amounts=self.whole_amounts and other.whole_amounts,
            whole_units=self.whole_units and other.whole_units,
            split_units=self.split_units + other.split_units,
        )


def span_of(payments: pa.Table, mapping: SourceMapping, before: Span = Span()) -> Span:
    """Return what canonical transactions cover that a mapping made, with those `before` them in the file."""
    return before.with_more(_span(payments, mapping, look_at_amounts=before.whole_amounts))


def _span(payments: pa.Table, mapping: SourceMapping, *, look_at_amounts: bool) -> Span:
    if not payments.num_rows:
        return Span()
    times, amounts = pc.min_max(payments["event_time"]), payments["amount"]
    whole = (
        look_at_amounts and amounts.null_count < len(amounts) and pc.all(pc.equal(pc.floor(amounts), amounts)).as_py()
    )
    # A file's currencies are asked for only while its amounts may still be in cents.
    units = bool(whole) and all_whole_units(payments["currency"])
    split = _split_units(payments, mapping.amount.minor_digits) if mapping.amount.unit == "minor" else 0
    return Span(payments.num_rows, times["min"].as_py(), times["max"].as_py(), bool(whole), units, split)


def _split_units(payments: pa.Table, own_digits: Mapping[str, int]) -> int:
    """How many amounts are no whole number of their currency's smallest unit."""
    digits = digits_of(payments["currency"].combine_chunks(), own_digits)
    count = pc.multiply(pc.cast(payments["amount"], pa.float64()), pc.power(10.0, pc.cast(digits, pa.float64())))
    # An amount has four decimal places, so a part of a unit is a ten-thousandth at least.
    split = pc.greater(pc.abs(pc.subtract(count, pc.round(count))), 0.00005)
    return pc.sum(split).as_py() or 0


def unit_warnings(mapping: SourceMapping, span: Span) -> Iterator[str]:
    """Yield what looks like a wrong unit, and how to say the right one."""
    if span.payments < _FEW:
        return
    larger = _larger_units(mapping)
    if span.first is not None and span.last is not None and span.last - span.first < _SHORT and larger:
        minutes = (span.last - span.first) / timedelta(minutes=1)
        yield (
            f"all {span.payments:,} payments lie within {minutes:,.1f} minutes: if time.format {mapping.time.format!r} "
            f"counts too small a unit, say {' or '.join(larger)}"
        )
    in_major = mapping.fields.amount is not None and mapping.amount.unit == "major"
    if in_major and span.whole_amounts and not span.whole_units:
        yield (
            f"all {span.payments:,} amounts are whole numbers: if they count cents (the currency's smallest unit), "
            "say amount.unit = 'minor'"
        )
    if span.split_units:
        yield (
            f"{span.split_units:,} of {span.payments:,} amounts are no whole number of the currency's smallest unit: "
            "if they do not count cents, leave amount.unit = 'minor' out"
        )


def _larger_units(mapping: SourceMapping) -> list[str]:
    """What a time may be counted in instead, if it is counted in less than hours."""
    counted = [COUNTED[name] for name in mapping.time.formats if name.startswith("relative_")]
    if not counted or min(counted) >= UNIT_NANOSECONDS["hours"]:
        return []
    return [f"relative_{unit}" for unit in ("minutes", "hours", "days") if UNIT_NANOSECONDS[unit] > min(counted)]
