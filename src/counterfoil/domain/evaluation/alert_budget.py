"""Recall and precision when a fixed number of payments, or of cards, can be looked at on each day."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from counterfoil.domain.arrays import Doubles, Integers, last_of_runs

Days = NDArray[np.datetime64]


def alerted(score: Doubles, day: Days, alerts_per_day: int) -> Doubles:
    """How much of each row (rows,) is alerted on, 0 to 1, alerting on the highest scores of each day (UTC date).

    A tie that does not fit into what is left of the budget gets it in equal parts, which is the expectation over
    random orders of the tie. A day of fewer rows raises fewer alerts.
    """
    order = np.lexsort((-score, day))
    ends = last_of_runs(day[order], score[order])  # of ties
    size = np.diff(ends, prepend=-1)
    opens = np.searchsorted(day[order], day[order][ends], side="left")
    taken = np.clip(alerts_per_day - (ends + 1 - size - opens), 0, size)
    found = np.empty(score.size)
    found[order] = np.repeat(taken / size, size)
    return found


@dataclass(frozen=True)
class LookedAt:
    """What is looked at within a budget, how much of it is fraud, and all fraud: each by account, (accounts,).

    Bootstrap draws change how often an account counts, and not what was looked at. Were the places of a day given out
    anew, the copies of an account would compete for them, and days on which no drawn account paid would drop out: the
    figures of draws would lie on one side of the table's, and an interval of them might not even hold it.
    """

    looked: Doubles
    caught: Doubles
    frauds: Doubles

    @classmethod
    def of(
        cls, label: NDArray[np.int8], score: Doubles, account: Integers, accounts: int, day: Days, alerts_per_day: int
    ) -> "LookedAt":
        """The payments alerted on; `account` (rows,) numbers the accounts from 0."""
        share = alerted(score, day, alerts_per_day)
        parts = (share, share * label, label.astype(np.float64))
        return cls(*(np.bincount(account, weights=part, minlength=accounts).astype(np.float64) for part in parts))

    def recall(self, copies: Integers) -> Doubles:
        """Share of frauds that are caught, (draws,), for `copies` (draws, accounts); NaN without frauds."""
        return _ratio(copies @ self.caught, copies @ self.frauds)

    def precision(self, copies: Integers) -> Doubles:
        """Share of frauds in what is looked at, (draws,), for `copies` (draws, accounts); NaN where that is nothing."""
        return _ratio(copies @ self.caught, copies @ self.looked)


def _ratio(part: Doubles, whole: Doubles) -> Doubles:
    ratio: Doubles = np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0)
    return ratio
