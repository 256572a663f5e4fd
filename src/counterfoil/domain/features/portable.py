"""Compile the same feature specs to SQL that Spark runs too: no per-row bounds, no join by place.

No frame slides either: an engine that computes a sliding frame anew for each row needs the square of a busy
merchant's payments. Instead each payment makes changes, and sums run over them. It adds to a window when it
comes and takes itself out again when it leaves, its hours later; so do the end of its label delay and the arrival
of its label. Changes sort before the payments of their instant, and payments by transaction id, which makes
windows `(t - w, t]` exactly as `sql.py` has them.

What cannot be taken out again is computed otherwise: the largest amount from blocks as long as the window
(`_Largest`), distinct accounts by letting an account count once until it is gone (`_Changes`).

The text is in DuckDB's dialect. `transaction_id` must be unique, as `collect` makes it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from counterfoil.domain.features.spec import Aggregate, Entity, FeatureSpec
from counterfoil.domain.features.sql import PASSED_ON, SQUARES, Clock, cycles, feature_value
from counterfoil.domain.known_at import known_at
from counterfoil.domain.schemas import FRAUD, MINOR_UNITS

_CLOCK = Clock(tick_us=1, tie_span=1)  # ties are told apart by transaction id
_YEAR_ONE = 62_135_596_800_000_000
"""Microseconds from the year 1 to the epoch: ticks are positive, so that their division rounds one way."""

_AFTER_PAYMENT, _AFTER_LABEL, _PAYMENT = 0, 1, 2
"""What a change is counted from; in the order of changes at one instant."""


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
    greatest(epoch_us(known_at) + {_YEAR_ONE}, tick + 1) AS known
  FROM (
    SELECT * EXCLUDE (amount, label_time),
      epoch_us(event_time) + {_YEAR_ONE} AS tick,
      CAST(CAST(amount AS DECIMAL(38, 4)) * {MINOR_UNITS} AS BIGINT) AS minor,
      {known_at(label_delay)} AS known_at
    FROM transactions
  )"""


class _Compiler:
    """Turns specs into expressions over the columns of named relations, one for each entity and currency."""

    def __init__(self, label_delay: timedelta, by_currency: bool) -> None:
        self._delay = max(round(label_delay.total_seconds() * 1e6), 1)
        self._by_currency = by_currency
        self._changes: dict[str, _Changes] = {}
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
        changes = self._of(spec.entity, self._by_currency and spec.aggregate.is_money)
        frame = "so_far" if spec.aggregate.counts_itself else "before"

        def over(call: str) -> str:
            if call == "max(minor)":
                return self._largest_of(changes, spec.hours, frame)
            return changes.aggregate(call, spec.hours, frame)

        return feature_value(spec, over, _CLOCK)

    def _delayed(self, spec: FeatureSpec) -> str:
        changes = self._of(spec.entity, False)
        payments = changes.ended(spec.hours, self._delay)
        if spec.aggregate is Aggregate.DELAYED_COUNT:
            return payments
        frauds = changes.arrived(spec.hours)
        return f"{frauds} / greatest({payments}, {frauds}, 1)"

    def _of(self, entity: Entity, same_currency: bool) -> "_Changes":
        name = f"by_{entity}{'_currency' * same_currency}"
        return self._changes.setdefault(name, _Changes(name, entity.columns, same_currency))

    def _largest_of(self, changes: "_Changes", hours: int, frame: str) -> str:
        name = f"{changes.name}_largest_{hours}h"
        largest = self._largest.setdefault(name, _Largest(name, changes.present, changes.partition, hours))
        return largest.amount(frame)


@dataclass
class _Changes:
    """The running sums of one entity's changes (of one currency), as they stand at each payment.

    `_steps` maps what a change is counted from, and how many ticks after, to what it adds to which window.
    A payment is copied once for each: as many rows as windows end, not as many as payments are in them.
    """

    name: str
    columns: tuple[str, ...]
    same_currency: bool
    _windows: dict[str, None] = field(default_factory=dict)
    _steps: dict[tuple[int, int], dict[str, int]] = field(default_factory=lambda: {(_PAYMENT, 0): {}})
    _sums: dict[str, str] = field(default_factory=dict)
    _accounts: bool = False

    @property
    def partition(self) -> str:
        """The columns whose values are kept apart."""
        return ", ".join([*self.columns, *(["currency"] if self.same_currency else [])])

    @property
    def present(self) -> str:
        """Whether a payment has the entity; a currency may be null, which is one more currency."""
        return " AND ".join(f"{name} IS NOT NULL" for name in self.columns)

    def aggregate(self, call: str, hours: int, frame: str) -> str:
        """An aggregate over the payments of the last `hours`, over `so_far` or `before` the payment itself."""
        ticks = _CLOCK.ticks(hours)
        if call == "max(tick)":
            previous = self._over(f"max(CASE WHEN change = {_PAYMENT} THEN tick END)", "previous", "before")
            return f"CASE WHEN tick - {previous} < {ticks} THEN {previous} END"
        if call == "count(row_id)" and frame == "before":  # only whether there is one is asked
            return f"CASE WHEN {self.aggregate('max(tick)', hours, frame)} IS NULL THEN 0 ELSE 1 END"
        if call == "avg(minor)":
            total, count = (self.aggregate(one, hours, frame) for one in ("sum(minor)", "count(minor)"))
            return f"(CAST({total} AS DOUBLE) / nullif({count}, 0))"
        seen = self._window(f"seen_{hours}h", (_PAYMENT, 0), (_AFTER_PAYMENT, ticks))
        if call == "count(DISTINCT account_id_code)":
            self._accounts = True
            # It comes in as the first of its account and leaves as the last.
            alone = f"account_id IS NOT NULL AND coalesce(apart, {ticks}) >= {ticks}"
            return self._over(f"sum(CASE WHEN {alone} THEN {seen} ELSE 0 END)", f"accounts_{hours}h", frame)
        name, summed = {
            "count(row_id)": ("payments", seen),
            "count(minor)": ("amounts", f"CASE WHEN minor IS NULL THEN 0 ELSE {seen} END"),
            "sum(minor)": ("total", f"{seen} * minor"),
            SQUARES: ("squares", f"CASE {seen} WHEN 1 THEN squared WHEN -1 THEN -squared END"),
        }[call]
        return self._over(f"sum({summed})", f"{name}_{hours}h", frame)

    def ended(self, hours: int, delay: int) -> str:
        """How many payments' label delay (in ticks) ended in the window."""
        end = delay + _CLOCK.ticks(hours)
        name = self._window(f"ended_{hours}h", (_AFTER_PAYMENT, delay), (_AFTER_PAYMENT, end))
        return self._over(f"sum({name})", name, "so_far")

    def arrived(self, hours: int) -> str:
        """How many frauds became known in the window."""
        name = self._window(f"arrived_{hours}h", (_AFTER_LABEL, 0), (_AFTER_LABEL, _CLOCK.ticks(hours)))
        return self._over(f"sum({name})", name, "so_far")

    def _window(self, name: str, comes: tuple[int, int], leaves: tuple[int, int]) -> str:
        self._windows[name] = None
        self._steps.setdefault(comes, {})[name] = 1
        self._steps.setdefault(leaves, {})[name] = -1
        return name

    def _over(self, call: str, name: str, frame: str) -> str:
        column = f"{name}_{frame}_{self.name}"
        self._sums[column] = f"{call} OVER {frame}"
        return column

    def query(self) -> str:
        """The sums at each payment that has the entity, by `transaction_id`."""
        steps = ", ".join(
            str((change, after, *(added.get(name, 0) for name in self._windows)))
            for (change, after), added in self._steps.items()
        )
        sums = "".join(f",\n      {call} AS {name}" for name, call in self._sums.items())
        apart = f", CASE WHEN change = {_PAYMENT} THEN since_same ELSE until_same END AS apart" * self._accounts
        order = (
            f"PARTITION BY {self.partition} ORDER BY moment, change, transaction_id ROWS BETWEEN UNBOUNDED PRECEDING"
        )
        return f"""  SELECT transaction_id, {", ".join(self._sums)}
  FROM (
    SELECT transaction_id, change{sums}
    FROM (
      SELECT *, CASE WHEN change = {_AFTER_LABEL} THEN known ELSE tick END + after AS moment{apart}
      FROM {self._source()} CROSS JOIN (VALUES {steps}) AS steps({", ".join(["change", "after", *self._windows])})
      WHERE {self.present} AND (change <> {_AFTER_LABEL} OR label = {FRAUD})
    )
    WINDOW so_far AS ({order} AND CURRENT ROW), before AS ({order} AND 1 PRECEDING)
  )
  WHERE change = {_PAYMENT}"""

    def _source(self) -> str:
        """The payments, with the time to the same account's payments before and after, if accounts are counted."""
        if not self._accounts:
            return "payments"
        same = f"PARTITION BY {self.partition}, account_id ORDER BY tick, transaction_id"
        return (
            "(SELECT *, tick - lag(tick) OVER same AS since_same, (lead(tick) OVER same) - tick AS until_same"
            f" FROM payments WINDOW same AS ({same}))"
        )


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
        ticks = _CLOCK.ticks(self.hours)
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
