"""Where to review and where to block: what alerting from a signal on would have meant, as a table.

A threshold holds for the whole span: it is what a payment system can apply, unlike the highest k of each day, which
are only known when the day is over.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from counterfoil.domain.arrays import Doubles, Flags, Labels
from counterfoil.domain.evaluation.alert_costs import AlertCosts
from counterfoil.domain.evaluation.alert_curve import AlertCurve, ScoredPayments
from counterfoil.domain.evaluation.evaluation import defined
from counterfoil.domain.policy.thresholds import Thresholds
from counterfoil.domain.schemas import FRAUD, GOOD
from counterfoil.errors import UsageError

ALERTS_PER_DAY = (10, 25, 50, 100, 250, 500, 1000)
UNKNOWN = -1
"""Label of a payment that nobody has judged yet."""


@dataclass(frozen=True)
class OperatingPoint:
    """Alerting on every payment at or above `threshold`; None: on no payment. Figures that are not defined are None.

    `alerts_per_day` is the mean over the days of the calendar, `busiest_day` the most alerts of one of them.
    `money_saved` is over the whole span, in units of the table's currency.
    """

    threshold: float | None
    alerts_per_day: float
    busiest_day: float
    recall: float | None
    recall_by_amount: float | None
    precision: float | None
    false_alarms_per_fraud: float | None
    money_saved: float | None


@dataclass(frozen=True)
class ThresholdTable:
    """Operating points of one scored table.

    `by_budget` has a point for each number of alerts a day, rising. `review` and `block` are the release's own
    thresholds, None where it has none; `best` saves the most money, None if every point loses some or no amount is
    known. `payments` and `frauds` are rows. `currency` is the one whose money counts, None if it has no name.
    """

    payments: int
    frauds: int
    days: int
    currency: str | None
    costs: AlertCosts
    by_budget: tuple[tuple[int, OperatingPoint], ...]
    review: OperatingPoint | None
    block: OperatingPoint | None
    best: OperatingPoint | None
    notes: tuple[str, ...]
    curve: AlertCurve
    money_known: bool

    def as_dict(self) -> dict[str, Any]:
        """The same but for the curve as plain dicts, lists and numbers, fit for JSON."""
        named = ("payments", "frauds", "days", "currency")
        points = {name: getattr(self, name) for name in ("review", "block", "best")}
        return {
            **{name: getattr(self, name) for name in named},
            "costs": asdict(self.costs),
            "by_budget": [{"alert_budget": budget, **asdict(point)} for budget, point in self.by_budget],
            **{name: None if point is None else asdict(point) for name, point in points.items()},
            "notes": list(self.notes),
        }


def threshold_table(
    signal: Doubles,
    label: Labels,
    amount: Doubles,
    event_time: NDArray[np.datetime64],
    *,
    currency: pa.Array | pa.ChunkedArray | None = None,
    weights: Doubles | None = None,
    thresholds: Thresholds = Thresholds(),
    alerts_per_day: Sequence[int] = ALERTS_PER_DAY,
    costs: AlertCosts = AlertCosts(),
) -> ThresholdTable:
    """Return what each number of alerts a day, and the thresholds of a release, would have meant.

    All arrays are (rows,), one row at least. `label` is 1 for fraud, 0 for good, -1 where it is not known: such a
    payment is an alert that takes time, and neither a fraud nor a false alarm. An `amount` of NaN is not known and
    counts as 0. `event_time` is UTC. Of several currencies only the most common one's payments count for the money,
    with the costs of their alerts; a null is a currency of its own. `weights` are the inverse sampling rates.

    Raises UsageError for no rows, arrays of different length, other labels, signals or weights that are not finite
    or weights and amounts below 0, and for budgets below 1.
    """
    weights = np.ones(signal.size) if weights is None else weights
    _check(signal, label, amount, event_time, weights, alerts_per_day)
    chosen, priced = _one_currency(currency, signal.size)
    unpriced = np.isnan(amount)
    day = event_time.astype("datetime64[D]").astype(np.int64)
    payments = ScoredPayments(
        signal, label, day - day.min(), int(day.max() - day.min()) + 1, np.where(unpriced, 0.0, amount), priced, weights
    )
    points = _Points(payments, AlertCurve.of(payments), costs, money_known=bool((priced & ~unpriced).any()))
    by_budget = tuple((budget, points.at(points.curve.within(budget))) for budget in sorted(set(alerts_per_day)))
    notes = (*_label_notes(label), *_money_notes(chosen, priced, unpriced, currency), *_budget_notes(by_budget))
    return ThresholdTable(
        payments=int(signal.size),
        frauds=int((label == FRAUD).sum()),
        days=payments.days,
        currency=chosen,
        costs=costs,
        by_budget=by_budget,
        review=points.reaching(thresholds.review),
        block=points.reaching(thresholds.block),
        best=points.best(),
        notes=notes,
        curve=points.curve,
        money_known=points.money_known,
    )


@dataclass(frozen=True)
class _Points:
    """Makes operating points of places of the curve."""

    payments: ScoredPayments
    curve: AlertCurve
    costs: AlertCosts
    money_known: bool

    def at(self, place: int, threshold: float | None = None) -> OperatingPoint:
        """The point at a place, under the lowest signal that is alerted on unless another threshold is given."""
        curve = self.curve
        if threshold is None and place > 0:
            threshold = float(curve.signal[place - 1])
        return OperatingPoint(
            threshold=threshold,
            alerts_per_day=float(curve.alerts_per_day[place]),
            busiest_day=0.0 if threshold is None else self.payments.busiest_day(threshold),
            recall=defined(curve.recall[place]),
            recall_by_amount=defined(curve.recall_by_amount[place]),
            precision=defined(curve.precision[place]),
            false_alarms_per_fraud=defined(curve.false_alarms_per_fraud[place]),
            money_saved=float(curve.saved(self.costs)[place]) if self.money_known else None,
        )

    def reaching(self, threshold: float | None) -> OperatingPoint | None:
        return None if threshold is None else self.at(self.curve.reaching(threshold), threshold)

    def best(self) -> OperatingPoint | None:
        place = self.curve.best(self.costs) if self.money_known else None
        return None if place is None else self.at(place)


def _one_currency(currency: pa.Array | pa.ChunkedArray | None, rows: int) -> tuple[str | None, Flags]:
    """The most common currency, of equally common ones the first by name, and which payments have it."""
    if currency is None:
        return None, np.ones(rows, dtype=bool)
    counts = {entry["values"]: entry["counts"] for entry in pc.value_counts(currency).to_pylist()}
    chosen = min(counts, key=lambda name: (-counts[name], name is None, name or ""))
    same = pc.is_null(currency) if chosen is None else pc.fill_null(pc.equal(currency, chosen), False)
    return chosen, np.asarray(same, dtype=bool)


def _label_notes(label: Labels) -> list[str]:
    unknown = int((label == UNKNOWN).sum())
    notes = [f"payments without a label: {unknown:,}; alerts on them cost, and count as neither right nor wrong"]
    return notes if unknown else []


def _budget_notes(by_budget: Sequence[tuple[int, OperatingPoint]]) -> list[str]:
    return [
        f"payments of one signal are never told apart: the highest alone are more than {budget:,} alerts a day"
        for budget, point in by_budget
        if point.threshold is None
    ]


def _money_notes(
    chosen: str | None, priced: Flags, unpriced: Flags, currency: pa.Array | pa.ChunkedArray | None
) -> list[str]:
    notes, counted = [], int(priced.sum())
    if counted < priced.size:
        which = f"in {chosen}" if chosen else "without a currency"
        notes.append(
            f"money is that of the payments {which}, {counted:,} of {priced.size:,}, and of the alerts on them: "
            f"amounts of different currencies ({len(pc.unique(currency)):,} here, none being one too) are never added"
        )
    missing = int((priced & unpriced).sum())
    if missing == counted:
        notes.append("no payment has an amount: no money is counted")
    elif missing:
        notes.append(f"payments without an amount: {missing:,}; it counts as 0")
    return notes


def _check(
    signal: Doubles,
    label: Labels,
    amount: Doubles,
    event_time: NDArray[np.datetime64],
    weights: Doubles,
    alerts_per_day: Sequence[int],
) -> None:
    lengths = {signal.size, label.size, amount.size, event_time.size, weights.size}
    if len(lengths) > 1:
        raise UsageError(f"signal, label, amount, event_time and weights differ in length: {sorted(lengths)} rows")
    if not signal.size:
        raise UsageError("there is no payment to choose a threshold on")
    if not np.isin(label, (FRAUD, GOOD, UNKNOWN)).all():
        raise UsageError(f"label may only be {FRAUD}, {GOOD} or {UNKNOWN}")
    if not (np.isfinite(signal).all() and np.isfinite(weights).all() and (weights >= 0).all()):
        raise UsageError("signals and weights must be finite numbers, and weights not below 0")
    if (amount < 0).any() or np.isinf(amount).any():
        raise UsageError("amounts must be finite numbers that are not below 0")
    if not alerts_per_day or min(alerts_per_day) < 1:
        raise UsageError(f"alerts a day must be 1 or more, not {list(alerts_per_day)}")
