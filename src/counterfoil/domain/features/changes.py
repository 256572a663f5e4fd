"""Running sums of the changes that payments make to windows: how `portable.py` counts and adds without sliding."""

from dataclasses import dataclass, field

from counterfoil.domain.features.clock import Clock
from counterfoil.domain.features.value import SQUARES
from counterfoil.domain.schemas import FRAUD

CLOCK = Clock(tick_us=1, tie_span=1)  # ties are told apart by transaction id
_AFTER_PAYMENT, _AFTER_LABEL, _PAYMENT = 0, 1, 2
"""What a change is counted from; in the order of changes at one instant."""

_DISTINCT = {"count(DISTINCT account_id_code)": "account_id", "count(DISTINCT merchant_id_code)": "merchant_id"}


@dataclass
class Changes:
    """The running sums of one entity's changes, as they stand at each payment.

    `same` is one more column to keep apart by, or empty: the currency, or the quarter of the day.
    `_steps` maps what a change is counted from, and how many ticks after, to what it adds to which window.
    A payment is copied once for each: as many rows as windows end, not as many as payments are in them.
    """

    name: str
    columns: tuple[str, ...]
    same: str
    _windows: dict[str, None] = field(default_factory=dict)
    _steps: dict[tuple[int, int], dict[str, int]] = field(default_factory=lambda: {(_PAYMENT, 0): {}})
    _sums: dict[str, str] = field(default_factory=dict)
    _distinct: dict[str, None] = field(default_factory=dict)

    @property
    def partition(self) -> str:
        """The columns whose values are kept apart."""
        return ", ".join([*self.columns, *([self.same] if self.same else [])])

    @property
    def present(self) -> str:
        """Whether a payment has the entity; `same` may be null, which is one more value."""
        return " AND ".join(f"{name} IS NOT NULL" for name in self.columns)

    def aggregate(self, call: str, hours: int, frame: str) -> str:
        """An aggregate over the payments of the last `hours`, over `so_far` or `before` the payment itself."""
        ticks = CLOCK.ticks(hours)
        if call == "max(tick)":
            previous = self._over(f"max(CASE WHEN change = {_PAYMENT} THEN tick END)", "previous", "before")
            return f"CASE WHEN tick - {previous} < {ticks} THEN {previous} END"
        if call == "avg(minor)":
            total, count = (self.aggregate(one, hours, frame) for one in ("sum(minor)", "count(minor)"))
            return f"(CAST({total} AS DOUBLE) / nullif({count}, 0))"
        value = self._sum(call, hours, frame)
        if call == "sum(minor)":  # what has left adds up to 0; of no amount there is no sum
            return f"CASE WHEN {self.aggregate('count(minor)', hours, frame)} > 0 THEN {value} END"
        return f"coalesce({value}, 0)" if call.startswith("count") else value

    def _sum(self, call: str, hours: int, frame: str) -> str:
        """The sum of what payments add to an aggregate as they come and take out as they leave."""
        ticks = CLOCK.ticks(hours)
        seen = self._window(f"seen_{hours}h", (_PAYMENT, 0), (_AFTER_PAYMENT, ticks))
        if call in _DISTINCT:
            column = _DISTINCT[call]
            self._distinct[column] = None
            # It comes in as the first of its account (or merchant) and leaves as the last.
            alone = f"{column} IS NOT NULL AND coalesce(apart_{column}, {ticks}) >= {ticks}"
            return self._over(f"sum(CASE WHEN {alone} THEN {seen} ELSE 0 END)", f"{column}s_{hours}h", frame)
        name, summed = {
            "count(row_id)": ("payments", seen),
            "count(minor)": ("amounts", f"CASE WHEN minor IS NULL THEN 0 ELSE {seen} END"),
            "sum(minor)": ("total", f"{seen} * minor"),
            SQUARES: ("squares", f"CASE {seen} WHEN 1 THEN squared WHEN -1 THEN -squared END"),
        }[call]
        return self._over(f"sum({summed})", f"{name}_{hours}h", frame)

    def any_before(self, hours: int) -> str:
        """1 if there is a payment before this one in the window, else 0; without counting them."""
        return f"CASE WHEN {self.aggregate('max(tick)', hours, 'before')} IS NULL THEN 0 ELSE 1 END"

    def ended(self, hours: int, delay: int) -> str:
        """How many payments' label delay (in ticks) ended in the window."""
        end = delay + CLOCK.ticks(hours)
        name = self._window(f"ended_{hours}h", (_AFTER_PAYMENT, delay), (_AFTER_PAYMENT, end))
        return self._over(f"sum({name})", name, "so_far")

    def arrived(self, hours: int) -> str:
        """How many frauds became known in the window."""
        name = self._window(f"arrived_{hours}h", (_AFTER_LABEL, 0), (_AFTER_LABEL, CLOCK.ticks(hours)))
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
        apart = "".join(
            f", CASE WHEN change = {_PAYMENT} THEN since_{name} ELSE until_{name} END AS apart_{name}"
            for name in self._distinct
        )
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
        """The payments, and how long before and after the same account (or merchant) pays, if those are counted."""
        if not self._distinct:
            return "payments"
        apart = "".join(
            f", tick - lag(tick) OVER same_{name} AS since_{name}, (lead(tick) OVER same_{name}) - tick AS until_{name}"
            for name in self._distinct
        )
        windows = ", ".join(
            f"same_{name} AS (PARTITION BY {self.partition}, {name} ORDER BY tick, transaction_id)"
            for name in self._distinct
        )
        return f"(SELECT *{apart} FROM payments WINDOW {windows})"
