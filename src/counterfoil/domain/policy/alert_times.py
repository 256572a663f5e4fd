"""A budget of alerts that is kept: never more a day than people can look at, the riskiest first, the whole day long.

Every alert is held first. The day's budget is given out little by little, to the riskiest that are held: a surge that
lifts everybody does not use it up by noon, and no threshold has to be guessed.
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

_DAY = np.timedelta64(1, "D")


def allowed_until(now: datetime, per_day: int) -> int:
    """How many alerts may have been sent of this day (UTC) by now."""
    begun = now.astimezone(UTC)
    share = (begun - begun.replace(hour=0, minute=0, second=0, microsecond=0)) / timedelta(days=1)
    return _allowed(share, per_day)


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

    It goes to the riskiest that wait, which may be on the day after the payment.

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
    # A payment is looked at when the step in which it came is over.
    ticks = (moments[order].astype(np.int64) // step.astype(np.int64) + 1) * step.astype(np.int64)
    day, used, place = None, 0, 0
    for tick in _ticks(ticks, int(step.astype(np.int64)), int(life.astype(np.int64))):
        now = np.datetime64(tick, "us")
        today = now.astype("datetime64[D]")
        if today != day:
            day, used = today, 0
        while place < order.size and ticks[place] <= tick:
            row = int(order[place])
            heapq.heappush(waiting, (-float(risk[row]), str(names[row]), row))
            place += 1
        left = _allowed(float((now - today) / _DAY), per_day) - used
        while left > 0 and waiting:
            row = heapq.heappop(waiting)[2]
            if now - moments[row] <= life:
                sent[row] = now
                left, used = left - 1, used + 1
    return sent


def alert_moments(
    calls: Flags, event_time: NDArray[np.datetime64], risk: Doubles, ids: NDArray[np.object_], per_day: int | None
) -> NDArray[np.datetime64]:
    """When people are alerted on each payment that calls for it, (rows,), UTC; NaT: never.

    Without `per_day` that is when it is made, else as `alert_times` gives the budget out among those that call.
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
