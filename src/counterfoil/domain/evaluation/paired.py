"""How much better one set of scores is than another on the same payments, with intervals by account."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from counterfoil.domain.arrays import Doubles, Integers
from counterfoil.domain.evaluation.evaluation import Evaluation, Measures, defined
from counterfoil.domain.evaluation.intervals import Intervals
from counterfoil.domain.evaluation.metrics import ALERTS_PER_DAY
from counterfoil.domain.evaluation.scored import Scored

COMPARED = ("average_precision", "auc", "card_precision")


@dataclass(frozen=True)
class Difference:
    """One figure of the first scores minus that of the second, and its 95 % interval; None: not defined."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Pair:
    """The evaluations of two sets of scores, and the differences of the `COMPARED` figures by their name."""

    first: Evaluation
    second: Evaluation
    differences: dict[str, Difference]


def evaluate_pair(
    first: Scored,
    second: Doubles,
    *,
    alerts_per_day: int = ALERTS_PER_DAY,
    top_k: int = 100,
    draws: int = 500,
    seed: int = 0,
) -> Pair:
    """Evaluate scores of payments and a `second` score, (rows,), of the same; takes and raises what `evaluate` does.

    Each bootstrap draw takes the same accounts for both, so that what makes a window hard for both is not
    counted as doubt about their difference.
    """
    ours, theirs = (
        Measures.of(scored, alerts_per_day=alerts_per_day, top_k=top_k) for scored in (first, first.by(second))
    )

    def together(copies: Integers) -> dict[str, Doubles]:
        return _side_by_side(ours.figures(copies), theirs.figures(copies))

    intervals = ours.bootstrapped(together, draws=draws, seed=seed)
    once = together(ours.once())
    lead = _of(intervals, _LEAD).bounds
    return Pair(
        ours.evaluation(_of(intervals, _FIRST)),
        theirs.evaluation(_of(intervals, _SECOND)),
        {name: Difference(defined(once[_LEAD + name][0]), *lead.get(name, (None, None))) for name in COMPARED},
    )


_FIRST, _SECOND, _LEAD = "first ", "second ", "lead "


def _side_by_side(first: Mapping[str, Doubles], second: Mapping[str, Doubles]) -> dict[str, Doubles]:
    """Both sets of figures and their differences, each under a name of its own."""
    return {
        **{_FIRST + name: values for name, values in first.items()},
        **{_SECOND + name: values for name, values in second.items()},
        **{_LEAD + name: first[name] - second[name] for name in COMPARED},
    }


def _of(intervals: Intervals, prefix: str) -> Intervals:
    mine = {name.removeprefix(prefix): found for name, found in intervals.bounds.items() if name.startswith(prefix)}
    return replace(intervals, bounds=mine)
