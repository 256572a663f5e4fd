"""How well scores rank frauds above good payments, for rows with whole-number weights.

A bootstrap draw is a weight for every row, so one sort serves all draws. Rows of equal score are one step
of the curve: their order in the file never changes a figure.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from counterfoil.domain.arrays import Doubles, Integers, last_of_runs


@dataclass(frozen=True)
class Curve:
    """Weight of the frauds and of the good payments at or above each distinct score, starting from none.

    Both arrays have one entry more than there are distinct scores; the last is the total.
    """

    frauds: Doubles
    goods: Doubles

    @property
    def one_sided(self) -> bool:
        """Whether frauds or good payments are missing, so that nothing can be ranked."""
        return bool(self.frauds[-1] == 0 or self.goods[-1] == 0)


@dataclass(frozen=True)
class Ranking:
    """Rows in order of falling score: `order` (rows,), their labels, and the last place of each tie."""

    order: Integers
    label: Doubles
    ends: Integers

    @classmethod
    def of(cls, label: NDArray[np.int8], score: Doubles) -> "Ranking":
        """Sort once; `label` is 1 for fraud and 0 for good."""
        order = np.argsort(-score, kind="stable")
        return cls(order, label[order].astype(np.float64), last_of_runs(score[order]))

    def curve(self, weight: Doubles | None = None) -> Curve:
        """Accumulate `weight` (rows,), in the order of the rows given to `of`; none means one each."""
        placed = np.ones(self.order.size) if weight is None else weight[self.order]
        frauds = np.cumsum(placed * self.label)[self.ends]
        everything = np.cumsum(placed)[self.ends]
        return Curve(np.append(0.0, frauds), np.append(0.0, everything - frauds))


def area_under_curve(curve: Curve) -> float:
    """Probability that a fraud outranks a good payment, a tie counting half; NaN for want of either."""
    if curve.one_sided:
        return float("nan")
    mean_height = (curve.frauds[1:] + curve.frauds[:-1]) / 2
    return float(np.diff(curve.goods) @ mean_height / (curve.frauds[-1] * curve.goods[-1]))


def average_precision(curve: Curve) -> float:
    """Sum over the steps of precision times the gain in recall (no interpolation, as in scikit-learn)."""
    if curve.one_sided:
        return float("nan")
    frauds = curve.frauds[1:]
    flagged = frauds + curve.goods[1:]
    precision = np.divide(frauds, flagged, out=np.zeros_like(frauds), where=flagged > 0)
    return float(np.diff(curve.frauds) @ precision / curve.frauds[-1])


def recall_at_fpr(curve: Curve, fpr: float) -> float:
    """Highest recall of a threshold that flags at most the share `fpr` of the good payments.

    A tie is flagged whole or not at all; flagging nothing is a threshold too, so 0 is possible.
    """
    if curve.one_sided:
        return float("nan")
    # Weights are whole numbers: the allowance is the whole number of good payments, free of rounding error.
    allowed = np.floor(fpr * curve.goods[-1] + 1e-9)
    last = np.searchsorted(curve.goods, allowed, side="right") - 1
    return float(curve.frauds[last] / curve.frauds[-1])
