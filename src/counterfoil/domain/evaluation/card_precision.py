"""Card precision@k of the Fraud Detection Handbook (Le Borgne et al. 2022, chapter 4, "Precision top-k").

On each day the k cards with the highest scores are looked at: the figure is the share of k that had a fraud
on that day. A card that was found out is blocked: it is gone from all later days.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from counterfoil.domain.arrays import Doubles, Integers, last_of_runs
from counterfoil.domain.evaluation.alert_budget import Days, LookedAt


@dataclass(frozen=True)
class CardDay:
    """Cards that paid on one day, most suspicious first, and whether they had a fraud on it."""

    day: np.datetime64
    card: Integers
    fraud: NDArray[np.bool_]


def card_days(label: NDArray[np.int8], score: Doubles, card: Integers, day: Days) -> tuple[CardDay, ...]:
    """Bring rows down to one entry per day and card: its highest score, and whether any row is a fraud.

    `card` (rows,) numbers the cards from 0; equal scores are ordered by that number. Days without rows are
    left out, as the Handbook does.
    """
    order = np.lexsort((-score, card, day))
    ends = last_of_runs(day[order], card[order])
    starts = np.append(0, ends[:-1] + 1) if ends.size else ends
    best = order[starts]
    fraud = np.maximum.reduceat(label[order], starts) == 1 if ends.size else np.empty(0, dtype=bool)
    ranked = np.lexsort((card[best], -score[best], day[best]))
    best, fraud = best[ranked], fraud[ranked]
    cuts = last_of_runs(day[best])[:-1] + 1
    pairs = zip(np.split(best, cuts), np.split(fraud, cuts), strict=True)
    return tuple(CardDay(day[rows[0]], card[rows], flags) for rows, flags in pairs if rows.size)


@dataclass(frozen=True)
class CardsLookedAt:
    """The cards looked at on each day: how many had a fraud (days,); by card, on how many days, and with a fraud."""

    top_k: int
    caught_by_day: Integers
    by_card: LookedAt

    @classmethod
    def of(cls, days: tuple[CardDay, ...], cards: int, top_k: int) -> "CardsLookedAt":
        """Look at the `top_k` cards of each day that were not found out before; there are `cards` in all."""
        gone = np.zeros(cards, dtype=bool)
        looked, caught, frauds = np.zeros(cards), np.zeros(cards), np.zeros(cards)
        caught_by_day = np.zeros(len(days), dtype=np.int64)
        for place, entry in enumerate(days):
            there = ~gone[entry.card]
            chosen = np.flatnonzero(there)[:top_k]
            card, fraud = entry.card[chosen], entry.fraud[chosen]
            looked[card] += 1
            caught[card] += fraud
            frauds[entry.card[there & entry.fraud]] += 1
            gone[card[fraud]] = True
            caught_by_day[place] = fraud.sum()
        return cls(top_k, caught_by_day, LookedAt(looked, caught, frauds))

    @property
    def by_day(self) -> Doubles:
        """Card precision of each day, (days,)."""
        return self.caught_by_day / self.top_k

    def precision(self, copies: Integers) -> Doubles:
        """Mean over the days, (draws,), for `copies` (draws, cards); NaN for a draw of no card that is looked at.

        It is of k cards a day, also where fewer paid: the share of frauds in what is looked at, times the share of the
        places that are used.
        """
        places = self.top_k * len(self.caught_by_day)
        used = self.by_card.looked.sum() / places if places else np.nan
        return self.by_card.precision(copies) * used
