"""How far a payment lies from what good payments look like, column by column: what novelty is the rank of.

A learned metric only tells what is like known frauds; a new kind of fraud has to be seen without it. A column
surprises when few good payments go that far (the tail) and when it is far in deviations (a tail alone cannot tell the
far from the farthest). The sum is over a payment's few most surprising columns, as one or two odd values drown in the
sum of all.
"""

from dataclasses import dataclass

import numpy as np

from counterfoil.domain.arrays import Doubles, Floats, Integers

TOP = 5
"""So many columns, the most surprising ones, make up a payment's surprise."""
KNOTS = 64
"""Most places on each side of the median at which a column's tail is kept."""
LEAST_SCALE = 0.05
"""Columns are standardised already: a smaller deviation is that of a column that hardly varies among good payments."""


@dataclass(frozen=True)
class Surprise:
    """Tails of each column among good training payments.

    Column c has the knots `knots[starts[c]:starts[c + 1]]`, ascending, and `tails` there: minus the log of twice the
    share of good payments at least as far from the median. `farthest` is the tail of what lies beyond them all.
    """

    starts: Integers
    knots: Doubles
    tails: Doubles
    farthest: float
    mean: Doubles
    scale: Doubles

    @classmethod
    def fit(cls, good: Floats) -> "Surprise":
        """Fit on evidence of good payments, (rows, columns), without missing values."""
        columns = [_tails(np.sort(column)) for column in good.T.astype(np.float64)]
        sizes = [len(knots) for knots, _ in columns]
        return cls(
            np.cumsum([0, *sizes]).astype(np.int64),
            np.concatenate([np.zeros(0), *(knots for knots, _ in columns)]),
            np.concatenate([np.zeros(0), *(tails for _, tails in columns)]),
            float(np.log(max(len(good), 2) / 2)),
            good.mean(axis=0, dtype=np.float64) if len(good) else np.zeros(good.shape[1]),
            np.maximum(good.std(axis=0, dtype=np.float64), LEAST_SCALE) if len(good) else np.ones(good.shape[1]),
        )

    def of(self, values: Floats) -> Doubles:
        """The surprise of evidence rows (rows, columns), at least 0; higher is farther from good payments."""
        found = np.zeros((len(values), max(values.shape[1], TOP)))
        for column in range(values.shape[1]):
            asked = values[:, column].astype(np.float64)
            kept = slice(self.starts[column], self.starts[column + 1])
            tail = np.interp(asked, self.knots[kept], self.tails[kept], left=self.farthest, right=self.farthest)
            apart = np.abs(asked - self.mean[column]) / self.scale[column]
            found[:, column] = tail * np.log1p(apart)
        return np.asarray(np.partition(found, -TOP, axis=1)[:, -TOP:].sum(axis=1))


def _tails(ordered: Doubles) -> tuple[Doubles, Doubles]:
    """Places of a sorted column, denser towards its ends, and the tails there."""
    rows = len(ordered)
    if not rows:
        return np.zeros(1), np.zeros(1)
    shares = np.geomspace(0.5 / rows, 0.5, KNOTS)
    places = np.concatenate([shares, 1 - shares]) * (rows - 1)
    knots = np.unique(ordered[np.round(places).astype(int)])
    above = rows - np.searchsorted(ordered, knots, side="left")
    below = np.searchsorted(ordered, knots, side="right")
    share = np.minimum(above, below) / rows
    return knots, -np.log(np.minimum(2 * share, 1.0))
