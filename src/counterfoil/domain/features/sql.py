"""Compile feature specs to one DuckDB query.

Windows are half-open in time, and payments at the same instant are ordered by transaction id. A SQL RANGE
frame is closed at its left end and takes all rows of an instant, so the frames run over an integer key
instead: `key = tick * span + tie`, where `tie` (from 1) is the payment's rank among those of its instant. A
window of w ticks then starts at `key - tie - w * span + span`, which is exactly `t > now - w`.

Frauds join the same rows as arrivals: a row without a payment at the moment when its label became known, with
tie 0, so that it is seen by every payment from that instant on. Money is summed as integers, so that the
result does not depend on the order of addition.
"""

from collections.abc import Iterable
from datetime import timedelta

from counterfoil.domain.features.clock import QUARTER, Clock
from counterfoil.domain.features.spec import Aggregate, Entity, FeatureSpec
from counterfoil.domain.features.value import IN_QUARTER, SQUARES, feature_value
from counterfoil.domain.periods import known_at
from counterfoil.domain.schemas import FRAUD, MINOR_UNITS

CYCLES = ("hour_sin", "hour_cos", "weekday_sin", "weekday_cos")
"""Time of the day and of the week on the circle (UTC)."""

PASSED_ON = (
    "transaction_id", "event_time", "account_id", "merchant_id", "category", "currency", "label", "known_at",
)  # fmt: skip
"""Columns of `evidence` that identify a payment and its label; all others are evidence."""


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
    compiler = _Compiler(clock, label_delay, by_currency)
    columns = [f"{compiler.expression(spec)} AS {spec.name}" for spec, ok in possible.items() if ok]
    entities = dict.fromkeys(spec.entity for spec, ok in possible.items() if ok and spec.aggregate.is_delayed)
    names = [spec.name if ok else f"CAST(NULL AS DOUBLE) AS {spec.name}" for spec, ok in possible.items()]
    selected = ",\n  ".join([_IN_STEP, *PASSED_ON[1:], *own_columns, _AMOUNT, *cycles(), *names])
    return f"""WITH payments AS MATERIALIZED ({_payments(clock, label_delay)}
), moments AS ({_moments(clock, tuple(entities))}
), behaviour AS (
  SELECT {", ".join(["row_id AS behaviour_row", *columns])}
  FROM (
    SELECT {", ".join(["*", *compiler.aggregates()])}
    FROM moments{compiler.windows()}
  )
  WHERE row_id IS NOT NULL
  ORDER BY row_id
)
SELECT
  {selected}
FROM payments POSITIONAL JOIN behaviour"""


_IN_STEP = """CASE WHEN row_id = behaviour_row THEN transaction_id
    ELSE error('payments and their behaviour are out of step') END AS transaction_id"""
"""Both sides are in the order of `row_id`; joining by place spares a sort of all columns. This makes sure."""

_AMOUNT = f"minor / {MINOR_UNITS}.0 AS amount"

_CODES = {name: f"{name}_code" for entity in Entity for name in entity.columns} | {"currency": "currency_code"}
"""Columns are hashed to 64 bits for the windows. That two of ten million accounts share a code: once in 300,000."""


def _payments(clock: Clock, label_delay: timedelta) -> str:
    """Each payment once, in the order of time and id, with its place on the clock."""
    return f"""
  SELECT *, row_number() OVER () AS row_id, tick * {clock.tie_span} + tie AS key
  FROM (
    SELECT * EXCLUDE (amount, label_time),
      row_number() OVER (PARTITION BY event_time ORDER BY transaction_id) AS tie,
      epoch_us(event_time) // {clock.tick_us} AS tick,
      CAST(CAST(amount AS DECIMAL(38, 4)) * {MINOR_UNITS} AS BIGINT) AS minor,
      {known_at(label_delay)} AS known_at
    FROM transactions
    ORDER BY event_time, transaction_id
  )"""


def _moments(clock: Clock, entities: tuple[Entity, ...]) -> str:
    """The payments as the windows need them, narrow, and the arrivals of frauds.

    An arrival has no account, amount or row: it counts for nothing but the frauds of `entities`. No label
    is known at the instant of its payment, even without delay: the payment would see its own.
    """
    codes = [f"CASE WHEN {name} IS NOT NULL THEN hash({name}) END AS {code}" for name, code in _CODES.items()]
    columns = ["row_id", "key", "tie", "tick", "minor", "NULL AS arrived", f"{QUARTER} AS quarter", *codes]
    payments = f"SELECT {', '.join(columns)} FROM payments"
    if not entities:
        return f"\n  {payments}"
    seen = {name for entity in entities for name in entity.columns}
    kept = [code if name in seen else f"NULL AS {name}" for (name, _), code in zip(_CODES.items(), codes, strict=True)]
    known = f"greatest((epoch_us(known_at) + {clock.tick_us - 1}) // {clock.tick_us}, tick + 1)"
    return f"""
  {payments}
  UNION ALL
  SELECT NULL, {known} * {clock.tie_span}, 0, NULL, NULL, 1, NULL, {", ".join(kept)}
  FROM payments WHERE label = {FRAUD}"""


def cycles() -> list[str]:
    """The expressions of CYCLES over `event_time`."""
    day = "2 * pi() * (epoch_us(event_time) % 86400000000) / 86400000000.0"
    # The epoch was a Thursday: three days on, weeks begin on Monday.
    week = "2 * pi() * ((epoch_us(event_time) + 259200000000) % 604800000000) / 604800000000.0"
    return [f"{f}({x}) AS {name}" for name, f, x in
            zip(CYCLES, ("sin", "cos") * 2, (day, day, week, week), strict=True)]  # fmt: skip


_AGGREGATE_NAMES = {
    "count(row_id)": "payments",
    IN_QUARTER: "payments",
    "count(arrived)": "frauds",
    "count(minor)": "amounts",
    "sum(minor)": "total",
    "avg(minor)": "mean",
    SQUARES: "squares",
    "max(minor)": "largest",
    "max(tick)": "last",
    "count(DISTINCT account_id_code)": "accounts",
    "count(DISTINCT merchant_id_code)": "merchants",
}


class _Compiler:
    """Turns specs into expressions over named aggregates, each of which is computed once."""

    def __init__(self, clock: Clock, label_delay: timedelta, by_currency: bool) -> None:
        self._clock = clock
        self._delay = max(-(-round(label_delay.total_seconds() * 1e6) // clock.tick_us), 1)
        self._by_currency = by_currency
        self._frames: dict[str, str] = {}
        self._aggregates: dict[str, str] = {}

    def aggregates(self) -> list[str]:
        """The aggregates that the expressions so far refer to."""
        return [f"{call} AS {name}" for name, call in self._aggregates.items()]

    def windows(self) -> str:
        """The WINDOW clause of the aggregates."""
        frames = ",\n      ".join(f"{name} AS ({frame})" for name, frame in self._frames.items())
        return f"\n    WINDOW {frames}" if frames else ""

    def expression(self, spec: FeatureSpec) -> str:
        """The feature's value, over the columns of `moments` and the aggregates."""
        value = self._delayed(spec) if spec.aggregate.is_delayed else self._behaviour(spec)
        known = " AND ".join(f"{_CODES[name]} IS NOT NULL" for name in spec.entity.columns)
        return f"CASE WHEN {known} THEN CAST({value} AS DOUBLE) END"

    def _behaviour(self, spec: FeatureSpec) -> str:
        before = not spec.aggregate.counts_itself
        money = self._by_currency and spec.aggregate.is_money
        start = self._since(self._clock.ticks(spec.hours))
        end = "1 PRECEDING" if before else "CURRENT ROW"

        def over(call: str) -> str:
            same = "quarter" if call == IN_QUARTER else "currency" * money
            window = f"{spec.entity}_{spec.hours}h{'_before' * before}" + (f"_same_{same}" if same else "")
            self._frame(window, spec.entity, start, end, same)
            return self._over(window, call)

        return feature_value(spec, over, self._clock)

    def _delayed(self, spec: FeatureSpec) -> str:
        """Payments whose delay ended in the window, whatever their label, and frauds that became known in it.

        Counting labelled payments only would give away which are still unlabelled.
        """
        span, ticks = self._clock.tie_span, self._clock.ticks(spec.hours)
        arrived = f"{spec.entity}_{spec.hours}h_arrived"
        if spec.aggregate is not Aggregate.DELAYED_COUNT:
            self._frame(arrived, spec.entity, self._since(ticks), "CURRENT ROW")
        if spec.aggregate is Aggregate.FRAUDS:
            return self._over(arrived, "count(arrived)")
        ended = f"{spec.entity}_{spec.hours}h_ended"
        end = f"({self._delay * span - span + 1} + tie) PRECEDING"
        self._frame(ended, spec.entity, self._since(self._delay + ticks), end)
        payments = self._over(ended, "count(row_id)")
        if spec.aggregate is Aggregate.DELAYED_COUNT:
            return payments
        frauds = self._over(arrived, "count(arrived)")
        # A late label can become known in a window in which no delay ended: a rate never exceeds 1.
        return f"{frauds} / greatest({payments}, {frauds}, 1)"

    def _since(self, ticks: int) -> str:
        span = self._clock.tie_span
        return f"({ticks * span - span} + tie) PRECEDING"

    def _frame(self, name: str, entity: Entity, start: str, end: str, same: str = "") -> None:
        columns = [*entity.columns, *([same] if same else [])]
        partition = ", ".join(_CODES.get(column, column) for column in columns)
        self._frames.setdefault(name, f"PARTITION BY {partition} ORDER BY key RANGE BETWEEN {start} AND {end}")

    def _over(self, window: str, call: str) -> str:
        """The name of an aggregate over a window."""
        name = f"{_AGGREGATE_NAMES[call]}_{window}"
        self._aggregates[name] = f"{call} OVER {window}"
        return name
