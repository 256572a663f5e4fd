"""The signals from which on a payment is looked at or stopped, chosen on payments that training had not seen."""

from dataclasses import dataclass

import numpy as np

from counterfoil.domain.arrays import Doubles, Flags, Labels, last_of_runs

ALERT_BUDGET = 0.005
"""Share of the payments that people are assumed to have time for."""
BLOCK_PRECISION = 0.9
HANDFUL = 5
"""Fewer frauds say nothing of a precision."""


@dataclass(frozen=True)
class Thresholds:
    """Signals in [0, 1]: a payment at or above `review` is looked at, one at or above `block` is stopped.

    At most the share `alert_budget` of the payments reached `review`, and at least the share `block_precision`
    of those that reached `block` were frauds, when they were chosen. None where there is no such signal.
    """

    review: float | None = None
    block: float | None = None
    alert_budget: float = ALERT_BUDGET
    block_precision: float = BLOCK_PRECISION


def choose_thresholds(
    signal: Doubles,
    labels: Labels,
    weights: Doubles,
    *,
    alert_budget: float = ALERT_BUDGET,
    block_precision: float = BLOCK_PRECISION,
    least_frauds: int = HANDFUL,
) -> Thresholds:
    """Choose on out-of-fold signals; all arrays are (rows,), `weights` are the inverse sampling rates.

    `review` is the lowest signal that at most the share `alert_budget` of the payments reaches; `block` the
    lowest one such that of the payments that reach it at least the share `block_precision` are frauds, and of
    these at least `least_frauds` were seen. `block` is never below `review`. Payments of one signal are never
    told apart, so there may be no such signal.
    """
    if not len(signal):
        return Thresholds(None, None, alert_budget, block_precision)
    order = np.argsort(-signal, kind="stable")
    ends = last_of_runs(signal[order])
    distinct, fraud = signal[order][ends], (labels == 1)[order]
    weight = weights[order]
    reached = np.cumsum(weight)[ends]
    # Sums of weights carry rounding errors, which must not decide over a payment.
    affordable = reached <= alert_budget * reached[-1] * (1 + 1e-9)
    precise = np.cumsum(weight * fraud)[ends] >= block_precision * reached * (1 - 1e-9)
    review = _lowest(distinct, affordable)
    block = _lowest(distinct, precise & (np.cumsum(fraud)[ends] >= least_frauds))
    if review is not None and block is not None:
        block = max(block, review)
    return Thresholds(review, block, alert_budget, block_precision)


def _lowest(falling: Doubles, allowed: Flags) -> float | None:
    places = np.flatnonzero(allowed)
    return float(falling[places[-1]]) if len(places) else None
