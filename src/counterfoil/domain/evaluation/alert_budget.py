"""Recall and precision when a fixed number of payments can be looked at on each day."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from counterfoil.domain.arrays import Doubles, Integers, last_of_runs

Days = NDArray[np.datetime64]


@dataclass(frozen=True)
class AlertDays:
    """Rows by day and falling score; each tie ends at `ends` (ties,), its day begins at `opens` (ties,)."""

    order: Integers
    label: Doubles
    ends: Integers
    opens: Integers

    @classmethod
    def of(cls, label: NDArray[np.int8], score: Doubles, day: Days) -> "AlertDays":
        """Sort once; `day` (rows,) is the UTC date of each row."""
        order = np.lexsort((-score, day))
        sorted_day = day[order]
        ends = last_of_runs(sorted_day, score[order])
        opens = np.searchsorted(sorted_day, sorted_day[ends], side="left")
        return cls(order, label[order].astype(np.float64), ends, opens)


def recall_and_precision(days: AlertDays, alerts_per_day: int, weight: Doubles | None = None) -> tuple[float, float]:
    """Share of frauds alerted on, and share of alerts that are frauds, alerting on each day's highest scores.

    A tie that does not fit into what is left of the budget gets it in equal parts, which is the expectation
    over random orders of the tie. A day of fewer rows raises fewer alerts. NaN where there is nothing to
    divide by. `weight` (rows,) is a number of copies of each row.
    """
    placed = np.ones(days.order.size) if weight is None else weight[days.order]
    rows_to = np.append(0.0, np.cumsum(placed))
    frauds_to = np.append(0.0, np.cumsum(placed * days.label)[days.ends])
    through = rows_to[days.ends + 1]
    before = np.append(0.0, through[:-1])
    size = through - before
    taken = np.clip(alerts_per_day - (before - rows_to[days.opens]), 0, size)
    share = np.divide(taken, size, out=np.zeros_like(size), where=size > 0)
    caught = float(np.diff(frauds_to) @ share)
    frauds, alerts = float(frauds_to[-1]), float(taken.sum())
    return caught / frauds if frauds else float("nan"), caught / alerts if alerts else float("nan")
