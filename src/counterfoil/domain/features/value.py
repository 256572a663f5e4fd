"""What each aggregate makes of its window, as SQL that both compilers share."""

from collections.abc import Callable

from counterfoil.domain.features.clock import Clock
from counterfoil.domain.features.spec import Aggregate, FeatureSpec
from counterfoil.domain.schemas import MINOR_UNITS

SQUARES = "sum(CAST(minor AS HUGEINT) * minor)"
IN_QUARTER = "count(quarter)"
"""The payments of the window that are of the same quarter of the day."""


def feature_value(spec: FeatureSpec, over: Callable[[str], str], clock: Clock) -> str:
    """The feature's value; `over` names an aggregate of its window."""

    def mean() -> str:
        return over("avg(minor)")  # of integers: their exact sum over their count

    def variance() -> str:
        count, total = over("count(minor)"), f"CAST({over('sum(minor)')} AS DOUBLE)"
        squares = f"CAST({over(SQUARES)} AS DOUBLE)"
        sum_of_squares = f"greatest({squares} - {total} * {total} / nullif({count}, 0), 0)"
        return f"({sum_of_squares} / nullif(greatest({count} - 1, 0), 0))"

    match spec.aggregate:
        case Aggregate.COUNT:
            return over("count(row_id)")
        case Aggregate.AMOUNT_SUM:
            return f"CAST({over('sum(minor)')} AS DOUBLE) / {MINOR_UNITS}.0"
        case Aggregate.AMOUNT_MEAN:
            return f"{mean()} / {MINOR_UNITS}.0"
        case Aggregate.AMOUNT_STD:
            return f"sqrt({variance()}) / {MINOR_UNITS}.0"
        case Aggregate.AMOUNT_MAX:
            return f"{over('max(minor)')} / {MINOR_UNITS}.0"
        case Aggregate.ACCOUNTS:
            return over("count(DISTINCT account_id_code)")
        case Aggregate.DISTINCT_MERCHANTS:
            return over("count(DISTINCT merchant_id_code)")
        case Aggregate.AMOUNT_TO_MEAN:
            return f"minor / nullif({mean()}, 0)"
        case Aggregate.AMOUNT_TO_MAX:
            return f"minor / nullif({over('max(minor)')}, 0)"
        case Aggregate.AMOUNT_DEVIATIONS:
            # A tenth of the mean is the least deviation: equal payments would make any other infinitely far.
            least = f"nullif(greatest(sqrt({variance()}), abs({mean()}) / 10), 0)"
            return f"(minor - {mean()}) / {least}"
        case Aggregate.IS_FIRST:
            return f"({over('count(row_id)')} = 0)::INTEGER"
        case Aggregate.QUARTER_SHARE:
            return f"{over(IN_QUARTER)} / nullif({over('count(row_id)')}, 0)"
        case Aggregate.SECONDS_SINCE_PREVIOUS:
            ticks = f"coalesce(tick - {over('max(tick)')}, {clock.ticks(spec.hours)})"
            return f"{ticks} / {1_000_000 // clock.tick_us}.0"
        case _:
            raise AssertionError(spec.aggregate)
