"""The integer time that windows are computed in."""

from dataclasses import dataclass

from counterfoil.errors import MappingError

YEAR_ONE = 62_135_596_800_000_000
"""Microseconds from the year 1 to the epoch, in whole days. Times from then are positive: division rounds one way."""

QUARTER = f"((epoch_us(event_time) + {YEAR_ONE}) % 86400000000) // 21600000000"
"""The quarter of the day (UTC), from 0."""


@dataclass(frozen=True)
class Clock:
    """The integer time of the windows: microseconds in a tick, and the room for payments at one instant."""

    tick_us: int
    tie_span: int

    def ticks(self, hours: int) -> int:
        """Hours as ticks."""
        return hours * 3_600_000_000 // self.tick_us


CLOCK_QUERY = """
SELECT bool_and(epoch_us(event_time) % 1000000 = 0) AS whole_seconds,
       (SELECT max(n) FROM (SELECT count(*) AS n FROM transactions GROUP BY event_time)) AS most_at_once
FROM transactions
"""
"""Run over `transactions`: the figures that `clock_for` needs."""


def clock_for(whole_seconds: bool, most_at_once: int) -> Clock:
    """Choose the coarsest clock that is exact for the payments' times.

    Raises MappingError when so many payments share one sub-second instant that keys would not fit 63 bits.
    """
    tick_us = 1_000_000 if whole_seconds else 1
    span = 1 << max(4, (most_at_once + 1).bit_length())
    latest = 7_258_118_400_000_000 // tick_us  # the year 2200
    if latest * span >= 1 << 63:
        raise MappingError(
            f"{most_at_once} payments share one instant of less than a second, more than windows can tell apart:"
            " check the mapping's time column and format"
        )
    return Clock(tick_us, span)
