"""From a signal to a decision: the same function for a batch and for a single payment."""

from enum import StrEnum
from functools import cache

import numpy as np
import pyarrow as pa

from counterfoil.domain.arrays import Doubles
from counterfoil.domain.policy.thresholds import Thresholds


class Decision(StrEnum):
    """What is done with a payment."""

    ALLOW = "allow"
    REVIEW = "review"
    BLOCK = "block"


def decide(signal: Doubles, thresholds: Thresholds) -> pa.Array:
    """The decision on each signal, (rows,), as strings: block from `thresholds.block` on, review from `.review` on.

    A threshold that is None is never reached: a release that knew no frauds allows everything.

    >>> decide(np.array([0.1, 0.6, 0.95]), Thresholds(review=0.5, block=0.9)).to_pylist()
    ['allow', 'review', 'block']
    """
    review, block = (np.inf if level is None else level for level in (thresholds.review, thresholds.block))
    return _decisions().take(pa.array(np.where(signal >= block, 2, (signal >= review).astype(np.int64))))


@cache
def _decisions() -> pa.Array:
    """Made once, and not on import: Arrow imports pandas to make an array of a list."""
    return pa.array([Decision.ALLOW.value, Decision.REVIEW.value, Decision.BLOCK.value])
