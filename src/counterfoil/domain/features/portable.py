"""Compile the same feature specs to SQL that Spark runs too: no per-row bounds, no join by place.

No frame slides either: an engine that computes a sliding frame anew for each row needs the square of a busy
merchant's payments. Instead each payment makes changes, and sums run over them. It adds to a window when it
comes and takes itself out again when it leaves, its hours later; so do the end of its label delay and the arrival
of its label. Changes sort before the payments of their instant, and payments by transaction id, which makes
windows `(t - w, t]` exactly as `sql.py` has them.

What cannot be taken out again is computed otherwise: the largest amount from blocks as long as the window
(`_Largest`), distinct accounts and merchants by letting each count once until it is gone (`Changes`).

The text is in DuckDB's dialect. `transaction_id` must be unique, as `collect` makes it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from counterfoil.domain.features.changes import CLOCK, Changes
from counterfoil.domain.features.clock import QUARTER, YEAR_ONE
from counterfoil.domain.features.spec import Aggregate, Entity, FeatureSpec
from counterfoil.domain.features.sql import PASSED_ON, cycles
from counterfoil.domain.features.value import IN_QUARTER, feature_value
from counterfoil.domain.periods import known_at
from counterfoil.domain.schemas import MINOR_UNITS


def compile_portable(
    specs: Iterable[FeatureSpec],
    *,
    label_delay: timedelta,
    present: frozenset[str],
    own_columns: tuple[str, ...] = (),
    by_currency: bool = False,
) -> str:
    """Return the SELECT that turns the relation `transactions` into evidence, one row per payment, in any order.

    Columns, their types and values are those of `sql.compile_features`; arguments have the same meaning.
    """
    compiler = _Compiler(label_delay, by_currency)
    columns = [f"{compiler.column(spec, present)} AS {spec.name}" for spec in specs]
    amount = f"CAST(minor AS DOUBLE) / {MINOR_UNITS} AS amount"
    selected = ",\n  ".join([*PASSED_ON, *own_columns, amount, *cycles(), *columns])
    relations = compiler.relations()
    definitions = "".join(f"\n), {name} AS (\n{query}" for name, query in relations.items())
    joins = "".join(f"\n  LEFT JOIN {name} USING (transaction_id)" for name in relations)
    return f"WITH payments AS ({_payments(label_delay)}{definitions}\n)\nSELECT\n  {selected}\nFROM payments{joins}"


def _payments(label_delay: timedelta) -> str:
    return f"""
  SELECT *, CAST(minor AS DECIMAL(38, 0)) * minor AS squared,
    greatest(epoch_us(known_at) + {YEAR_ONE}, tick + 1) AS known
  FROM (
    SELECT * EXCLUDE (amount, label_time),
      epoch_us(event_time) + {YEAR_ONE} AS tick,
      {QUARTER} AS quarter,
      CAST(CAST(amount AS DECIMAL(38, 4)) * {MINOR_UNITS} AS BIGINT) AS minor,
      {known_at(label_delay)} AS known_at
    FROM transactions
  )"""


class _Compiler:
    """Turns specs into expressions over the columns of named relations, one for each entity and what is kept apart."""

    def __init__(self, label_delay: timedelta, by_currency: bool) -> None:
        self._delay = max(round(label_delay.total_seconds() * 1e6), 1)
        self._by_currency = by_currency
        self._changes: dict[str, Changes] = {}
        self._largest: dict[str, _Largest] = {}

    def relations(self) -> dict[str, str]:
        """Name -> query of what the expressions so far refer to; each has at most one row a payment."""
        return {name: one.query() for name, one in (self._changes | self._largest).items()}

    def column(self, spec: FeatureSpec, present: frozenset[str]) -> str:
        """The feature's value, over the columns of `payments` and of the relations."""
        if not set(spec.entity.columns) <= present:
            return "CAST(NULL AS DOUBLE)"
        value = self._delayed(spec) if spec.aggregate.is_delayed else self._behaviour(spec)
        known = " AND ".join(f"{name} IS NOT NULL" for name in spec.entity.columns)
        return f"CASE WHEN {known} THEN CAST({value} AS DOUBLE) END"

    def _behaviour(self, spec: FeatureSpec) -> str:
        changes = self._of(spec.entity, "currency" * (self._by_currency and spec.aggregate.is_money))
        frame = "so_far" if spec.aggregate.counts_itself else "before"

        def over(call: str) -> str:
            if call == "max(minor)":
                return self._largest_of(changes, spec.hours, frame)
            if call == IN_QUARTER:
                return self._of(spec.entity, "quarter").aggregate("count(row_id)", spec.hours, frame)
            if spec.aggregate is Aggregate.IS_FIRST:
                return changes.any_before(spec.hours)
            return changes.aggregate(call, spec.hours, frame)

        return feature_value(spec, over, CLOCK)

    def _delayed(self, spec: FeatureSpec) -> str:
        changes = self._of(spec.entity)
        if spec.aggregate is Aggregate.FRAUDS:
            return changes.arrived(spec.hours)
        payments = changes.ended(spec.hours, self._delay)
        if spec.aggregate is Aggregate.DELAYED_COUNT:
            return payments
        frauds = changes.arrived(spec.hours)
        return f"{frauds} / greatest({payments}, {frauds}, 1)"

    def _of(self, entity: Entity, same: str = "") -> Changes:
        name = f"by_{entity}" + (f"_{same}" if same else "")
        return self._changes.setdefault(name, Changes(name, entity.columns, same))

    def _largest_of(self, changes: Changes, hours: int, frame: str) -> str:
        name = f"{changes.name}_largest_{hours}h"
        largest = self._largest.setdefault(name, _Largest(name, changes.present, changes.partition, hours))
        return largest.amount(frame)


@dataclass
class _Largest:
    """The largest amount of each window of `hours`, from blocks of time that are as long.

    A window ends in one block and begins in the one before: its largest is the greater of the largest since the
    block began and of the largest from the window's beginning to that block's end. A copy of the payment,
    `hours` earlier, asks the latter.
    """

    name: str
    present: str
    partition: str
    hours: int
    _frames: dict[str, str] = field(default_factory=dict)

    def amount(self, frame: str) -> str:
        """The largest amount, in minor units, over `so_far` or `before` the payment itself."""
        column = f"{frame}_{self.name}"
        self._frames[frame] = column
        return f"CAST({column} AS DOUBLE)"

    def query(self) -> str:
        """The largest amounts at each payment that has the entity, by `transaction_id`."""
        ticks = CLOCK.ticks(self.hours)
        begun = f"PARTITION BY {self.partition}, block ORDER BY moment, transaction_id ROWS BETWEEN UNBOUNDED PRECEDING"
        left = f"PARTITION BY {self.partition}, block ORDER BY moment DESC, asks DESC"
        running = "".join(f", max(paid) OVER {frame} AS {frame}" for frame in self._frames)
        found = [
            f"max(CASE WHEN asks = 1 THEN rest ELSE {frame} END) AS {column}" for frame, column in self._frames.items()
        ]
        return f"""  SELECT transaction_id, {", ".join(found)}
  FROM (
    SELECT transaction_id, asks, max(paid) OVER rest AS rest{running}
    FROM (
      SELECT *, moment // {ticks} AS block
      FROM (
        SELECT *, tick - asks * {ticks} AS moment, CASE WHEN asks = 0 THEN minor END AS paid
        FROM payments CROSS JOIN (VALUES (0), (1)) AS copies(asks)
        WHERE {self.present}
      )
    )
    WINDOW rest AS ({left} ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW),
      so_far AS ({begun} AND CURRENT ROW), before AS ({begun} AND 1 PRECEDING)
  )
  GROUP BY transaction_id"""
