"""A budget of alerts that is kept: never more a day than people can look at, the riskiest first, the whole day long.

Every alert is held first. The day's budget is given out little by little, to the riskiest that are held: a surge that
lifts everybody does not use it up by noon, and no threshold has to be guessed. Until the last quarter of the day it is
kept for alerts as risky as those that the budget just reached on the days before.
"""

import heapq
import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from counterfoil.domain.arrays import Doubles, Flags

AT_ONCE = 0.25
"""The share of a day's budget that may be used at its beginning; the rest comes evenly over the day."""
EVERY = timedelta(minutes=5)
HELD_FOR = timedelta(hours=6)
"""An alert that was not among the riskiest for so long is too old to be sent."""

LOOKED_BACK = 7
"""So many days before are looked at for what the budget reached."""
FEWEST_DAYS = 3
"""Fewer of them with alerts say nothing."""
FREE_FROM = 0.75
"""From this share of the day on the budget goes to whatever waits."""
ANYTHING = -math.inf

_DAY = np.timedelta64(1, "D")


def allowed_until(now: datetime, per_day: int) -> int:
    """How many alerts may have been sent of this day (UTC) by now."""
    return _allowed(_share(now), per_day)


def least_risk(now: datetime, reached: Sequence[float]) -> float:
    """The risk that an alert must have to be sent now.

    `reached` is, of each of the LOOKED_BACK days (UTC) before that had alerts, the least risk that its budget could
    have reached: that of the riskiest but `per_day` - 1, or ANYTHING where it had fewer.
    """
    return ANYTHING if _share(now) >= FREE_FROM else _usually(reached)


def _share(now: datetime) -> float:
    """How much of the day (UTC) is over, in [0, 1)."""
    begun = now.astimezone(UTC)
    return (begun - begun.replace(hour=0, minute=0, second=0, microsecond=0)) / timedelta(days=1)


def _usually(reached: Sequence[float]) -> float:
    """The middle of what was reached; ANYTHING for too few days. Of an even number the lesser one of the middle.

    >>> _usually([0.2, 0.9, 0.7])
    0.7
    """
    return sorted(reached)[(len(reached) - 1) // 2] if len(reached) >= FEWEST_DAYS else ANYTHING


def _allowed(share: float, per_day: int) -> int:
    return min(per_day, math.ceil(per_day * (AT_ONCE + (1 - AT_ONCE) * share)))


def alert_times(
    event_time: NDArray[np.datetime64],
    risk: Doubles,
    ids: Sequence[str],
    per_day: int,
    *,
    every: timedelta = EVERY,
    held_for: timedelta = HELD_FOR,
) -> NDArray[np.datetime64]:
    """When each payment is alerted on, (rows,), UTC; NaT: never. The budget is given out `every` so often.

    It goes to the riskiest that wait, which may be on the day after the payment, and for most of a day only to those
    that are as risky as what the budget reached on the days before (`least_risk`).

    `event_time` (rows,) is UTC, in any order. At no day (UTC) are more than `per_day` alerts sent. Payments of one risk
    are taken in the order of their ids, so that another order of the rows changes nothing. Of two payments that wait at
    once the less risky one is never sent before the other.
    """
    moments = event_time.astype("datetime64[us]")
    step, life = (np.timedelta64(span // timedelta(microseconds=1), "us") for span in (every, held_for))
    sent = np.full(moments.size, np.datetime64("NaT", "us"))
    names = np.asarray(ids, dtype=object)
    order = np.lexsort((names.astype(str), moments))
    waiting: list[tuple[float, str, int]] = []
    reached = _reached(moments, risk, per_day)
    # A payment is looked at when the step in which it came is over.
    ticks = (moments[order].astype(np.int64) // step.astype(np.int64) + 1) * step.astype(np.int64)
    day, used, place, usually = None, 0, 0, ANYTHING
    for tick in _ticks(ticks, int(step.astype(np.int64)), int(life.astype(np.int64))):
        now = np.datetime64(tick, "us")
        today = now.astype("datetime64[D]")
        if today != day:
            day, used = today, 0
            before = [today - back * _DAY for back in range(1, LOOKED_BACK + 1)]
            usually = _usually([reached[one] for one in before if one in reached])
        while place < order.size and ticks[place] <= tick:
            row = int(order[place])
            heapq.heappush(waiting, (-float(risk[row]), str(names[row]), row))
            place += 1
        share = float((now - today) / _DAY)
        left, least = _allowed(share, per_day) - used, ANYTHING if share >= FREE_FROM else usually
        while left > 0 and waiting and -waiting[0][0] >= least:
            row = heapq.heappop(waiting)[2]
            if now - moments[row] <= life:
                sent[row] = now
                left, used = left - 1, used + 1
    return sent


def _reached(moments: NDArray[np.datetime64], risk: Doubles, per_day: int) -> dict[np.datetime64, float]:
    """The least risk that the budget could have reached on each day (UTC) with payments."""
    days = moments.astype("datetime64[D]")
    order = np.lexsort((-risk, days))
    every, first, count = np.unique(days[order], return_index=True, return_counts=True)
    return {
        day: float(risk[order[begin + per_day - 1]]) if rows >= per_day > 0 else ANYTHING
        for day, begin, rows in zip(every, first, count, strict=True)
    }


def alert_moments(
    calls: Flags, event_time: NDArray[np.datetime64], risk: Doubles, ids: NDArray[np.object_], per_day: int | None
) -> NDArray[np.datetime64]:
    """When people are alerted on each payment that calls for it, (rows,), UTC; NaT: never.

    Without `per_day` that is when it is made, else as `alert_times` gives the budget out among those that call. Of
    what is blocked `risk` is 1 more than the signal, as in the alert log.
    """
    moments = np.full(calls.size, np.datetime64("NaT", "us"))
    rows = np.flatnonzero(calls)
    made = event_time[rows].astype("datetime64[us]")
    moments[rows] = made if per_day is None else alert_times(made, risk[rows], ids[rows].tolist(), per_day)
    return moments


def _ticks(arrivals: NDArray[np.int64], step: int, life: int) -> list[int]:
    """The moments (microseconds) at which anything can wait: those of arrivals, and what comes within a life after."""
    every: set[int] = set()
    for arrival in np.unique(arrivals).tolist():
        every.update(range(arrival, arrival + life + 1, step))
    return sorted(every)
