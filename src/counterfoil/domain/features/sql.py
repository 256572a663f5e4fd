"""Compile feature specs to one DuckDB query.

Windows are half-open in time, and payments at the same instant are ordered by transaction id. A SQL RANGE
frame is closed at its left end and takes all rows of an instant, so the frames run over an integer key
instead: `key = ticks * tie_span + tie`, where `tie` is the payment's rank among those of its instant. A
window of w ticks then starts at `key - tie - w * tie_span + tie_span`, which is exactly `t > now - w`.
Money is summed as integers, so that the result does not depend on the order of addition.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from counterfoil.domain.features.spec import Aggregate, Entity, FeatureSpec
from counterfoil.domain.schemas import FRAUD, MINOR_UNITS

CYCLES = ("hour_sin", "hour_cos", "weekday_sin", "weekday_cos")
"""Time of the day and of the week on the circle (UTC)."""

PASSED_ON = (
    "transaction_id", "event_time", "account_id", "merchant_id", "category", "currency", "label", "known_at",
)  # fmt: skip
"""Columns of `evidence` that identify a payment and its label; all others are evidence."""


@dataclass(frozen=True)
class Clock:
    """The integer time of the windows: microseconds in a tick, and the room for payments at one instant."""

    tick_us: int
    tie_span: int

    def ticks(self, days: float) -> int:
        """Days as ticks."""
        return round(days * 86_400_000_000) // self.tick_us


CLOCK_QUERY = """
SELECT bool_and(epoch_us(event_time) % 1000000 = 0) AS whole_seconds,
       (SELECT max(n) FROM (SELECT count(*) AS n FROM transactions GROUP BY event_time)) AS most_at_once
FROM transactions
"""
"""Run over `transactions`: the figures that `clock_for` needs."""


def clock_for(whole_seconds: bool, most_at_once: int) -> Clock:
    """Choose the coarsest clock that is exact for the payments' times.

    Raises ValueError when so many payments share one sub-second instant that keys would not fit 63 bits.
    """
    tick_us = 1_000_000 if whole_seconds else 1
    span = 1 << max(4, most_at_once.bit_length())
    latest = 7_258_118_400_000_000 // tick_us  # the year 2200
    if latest * span >= 1 << 63:
        raise ValueError(f"{most_at_once} payments share one instant: their order cannot be told apart")
    return Clock(tick_us, span)


def compile_features(
    specs: Iterable[FeatureSpec],
    *,
    clock: Clock,
    label_delay: timedelta,
    present: frozenset[str],
    own_columns: tuple[str, ...] = (),
    by_currency: bool = False,
) -> str:
    """Return the SELECT that turns the relation `transactions` into evidence, one row per payment.

    `present` names the entity columns that hold values: a feature of an absent entity is null everywhere
    (its windows would otherwise put all payments in one partition). With `by_currency`, amounts are only
    combined with amounts of the same currency.
    """
    possible = {spec: set(spec.entity.columns) <= present for spec in specs}
    compiler = _Compiler(clock, by_currency)
    columns = [f"{compiler.expression(spec) if ok else 'CAST(NULL AS DOUBLE)'} AS {spec.name}"
               for spec, ok in possible.items()]  # fmt: skip
    delayed = [spec for spec, ok in possible.items() if ok and spec.aggregate.is_delayed]
    entities = list(dict.fromkeys(spec.entity for spec in delayed))
    parts = [_payments(clock, label_delay)]
    parts += [_label_windows(entity, [s for s in delayed if s.entity == entity], clock) for entity in entities]
    passed = ",\n  ".join([*PASSED_ON, *own_columns, _AMOUNT, *_cycles(), *columns])
    joins = "".join(f"\nLEFT JOIN {entity}_labels USING (row_id)" for entity in entities)
    windows = f"\nWINDOW {compiler.windows()}" if compiler.frames else ""
    return f"WITH {', '.join(parts)}\nSELECT\n  {passed}\nFROM payments{joins}{windows}"


_AMOUNT = f"minor / {MINOR_UNITS}.0 AS amount"


def _payments(clock: Clock, label_delay: timedelta) -> str:
    # Without a delay a label would be known at its own payment's moment, and the payment would see it.
    delay = f"INTERVAL '{max(label_delay // timedelta(microseconds=1), 1)} microseconds'"
    return f"""payments AS (
  SELECT *, now_tick * {clock.tie_span} + tie AS key
  FROM (
    SELECT * EXCLUDE (amount, label_time),
      row_number() OVER (ORDER BY event_time, transaction_id) AS row_id,
      row_number() OVER (PARTITION BY event_time ORDER BY transaction_id) - 1 AS tie,
      epoch_us(event_time) // {clock.tick_us} AS now_tick,
      CAST(CAST(amount AS DECIMAL(38, 4)) * {MINOR_UNITS} AS BIGINT) AS minor,
      greatest(coalesce(label_time, event_time), event_time + {delay}) AS known_at,
      event_time + {delay} AS delay_end
    FROM transactions
  )
)"""


def _label_windows(entity: Entity, specs: list[FeatureSpec], clock: Clock) -> str:
    """Windows over what became known of an entity: payments when their delay ended, frauds when known.

    The denominator is all payments whose delay ended, whatever their label: counting labelled ones would
    give away which payments are still unlabelled.
    """
    columns = ", ".join(entity.columns)
    known = " AND ".join(f"{c} IS NOT NULL" for c in entity.columns)
    days = sorted({spec.days for spec in specs})
    counts = ",\n    ".join(
        f"sum(payments) OVER w{d} AS {entity}_n_{d}, sum(frauds) OVER w{d} AS {entity}_f_{d}" for d in days
    )
    windows = ", ".join(
        f"w{d} AS (PARTITION BY {columns} ORDER BY moment RANGE BETWEEN {clock.ticks(d) - 1} PRECEDING AND CURRENT ROW)"
        for d in days
    )
    return f"""{entity}_labels AS (
  SELECT * EXCLUDE (asks) FROM (
    SELECT row_id, asks, {counts}
    FROM (
      SELECT row_id, true AS asks, {columns}, now_tick AS moment, 0 AS payments, 0 AS frauds FROM payments WHERE {known}
      UNION ALL
      SELECT NULL, false, {columns}, {_tick_up("delay_end", clock)}, 1, 0 FROM payments WHERE {known}
      UNION ALL
      SELECT NULL, false, {columns}, {_tick_up("known_at", clock)}, 0, 1 FROM payments
      WHERE {known} AND label = {FRAUD}
    ) WINDOW {windows}
  ) WHERE asks
)"""


def _tick_up(column: str, clock: Clock) -> str:
    """The first tick at which an instant has passed: rounding down would show a label early."""
    return f"(epoch_us({column}) + {clock.tick_us - 1}) // {clock.tick_us}"


def _cycles() -> list[str]:
    day = "2 * pi() * (epoch_us(event_time) % 86400000000) / 86400000000.0"
    # The epoch was a Thursday: three days on, weeks begin on Monday.
    week = "2 * pi() * ((epoch_us(event_time) + 259200000000) % 604800000000) / 604800000000.0"
    return [f"{f}({x}) AS {name}" for name, f, x in
            zip(CYCLES, ("sin", "cos") * 2, (day, day, week, week), strict=True)]  # fmt: skip


class _Compiler:
    """Turns specs into expressions, and remembers the windows that these need."""

    def __init__(self, clock: Clock, by_currency: bool) -> None:
        self._clock = clock
        self._by_currency = by_currency
        self.frames: dict[str, str] = {}

    def windows(self) -> str:
        return ",\n  ".join(f"{name} AS ({frame})" for name, frame in self.frames.items())

    def expression(self, spec: FeatureSpec) -> str:
        if spec.aggregate.is_delayed:
            return _delayed_expression(spec)
        window = self._window(spec)
        value = _expression(spec.aggregate, window, self._clock.ticks(spec.days), self._clock)
        known = " AND ".join(f"{c} IS NOT NULL" for c in spec.entity.columns)
        return f"CASE WHEN {known} THEN CAST({value} AS DOUBLE) END"

    def _window(self, spec: FeatureSpec) -> str:
        money = self._by_currency and spec.aggregate.is_money
        before = not spec.aggregate.counts_itself
        name = f"{spec.entity}_{spec.days}d{'_before' * before}{'_same_currency' * money}"
        partition = ", ".join([*spec.entity.columns, *(["currency"] if money else [])])
        span = self._clock.tie_span
        start = f"({self._clock.ticks(spec.days) * span - span} + tie)"
        end = "1 PRECEDING" if before else "CURRENT ROW"
        frame = f"PARTITION BY {partition} ORDER BY key RANGE BETWEEN {start} PRECEDING AND {end}"
        self.frames.setdefault(name, frame)
        return name


def _delayed_expression(spec: FeatureSpec) -> str:
    payments = f"{spec.entity}_n_{spec.days}"
    if spec.aggregate is Aggregate.DELAYED_COUNT:
        return f"CAST({payments} AS DOUBLE)"
    # A late label can become known in a window in which no delay ended: a rate never exceeds 1.
    frauds = f"{spec.entity}_f_{spec.days}"
    return f"CASE WHEN {payments} IS NOT NULL THEN {frauds} / greatest({payments}, {frauds}, 1) END"


def _expression(aggregate: Aggregate, w: str, window_ticks: int, clock: Clock) -> str:
    mean = f"(sum(minor) OVER {w} / nullif(count(minor) OVER {w}, 0))"
    squares = f"CAST(sum(CAST(minor AS HUGEINT) * minor) OVER {w} AS DOUBLE)"
    total = f"CAST(sum(minor) OVER {w} AS DOUBLE)"
    variance = (
        f"(greatest({squares} - {total} * {total} / nullif(count(minor) OVER {w}, 0), 0)"
        f" / nullif(greatest(count(minor) OVER {w} - 1, 0), 0))"
    )
    match aggregate:
        case Aggregate.COUNT:
            return f"count(*) OVER {w}"
        case Aggregate.AMOUNT_MEAN:
            return f"{mean} / {MINOR_UNITS}.0"
        case Aggregate.AMOUNT_STD:
            return f"sqrt({variance}) / {MINOR_UNITS}.0"
        case Aggregate.AMOUNT_MAX:
            return f"max(minor) OVER {w} / {MINOR_UNITS}.0"
        case Aggregate.ACCOUNTS:
            return f"count(DISTINCT account_id) OVER {w}"
        case Aggregate.AMOUNT_TO_MEAN:
            return f"minor / nullif({mean}, 0)"
        case Aggregate.AMOUNT_TO_MAX:
            return f"minor / nullif(max(minor) OVER {w}, 0)"
        case Aggregate.AMOUNT_DEVIATIONS:
            # A tenth of the mean is the least deviation: equal payments would make any other infinitely far.
            return f"(minor - {mean}) / nullif(greatest(sqrt({variance}), abs({mean}) / 10), 0)"
        case Aggregate.IS_FIRST:
            return f"(count(*) OVER {w} = 0)::INTEGER"
        case Aggregate.SECONDS_SINCE_PREVIOUS:
            previous = f"max(now_tick) OVER {w}"
            return f"coalesce(now_tick - {previous}, {window_ticks}) / {1_000_000 // clock.tick_us}.0"
        case _:
            raise AssertionError(aggregate)
