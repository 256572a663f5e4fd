"""Card precision@k of the Fraud Detection Handbook (Le Borgne et al. 2022, chapter 4, "Precision top-k").

On each day the k cards with the highest scores are looked at: the figure is the share of k that had a fraud
on that day. A card that was found out is blocked: it is gone from all later days.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from counterfoil.domain.arrays import Doubles, Integers, last_of_runs
from counterfoil.domain.evaluation.alert_budget import Days


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


def precision_by_day(days: tuple[CardDay, ...], top_k: int, copies: Integers) -> Doubles:
    """Card precision of each day (draws, days) for `copies` (draws, cards) of each card.

    Each copy is a card of its own with the same payments. Where the last places of a day go to some copies of
    a card only, those are found out and leave, and the others stay. A day on which no drawn card paid is NaN.
    """
    left = copies.copy()
    values = np.full((copies.shape[0], len(days)), np.nan)
    for place, entry in enumerate(days):
        present = left[:, entry.card]
        before = np.cumsum(present, axis=1) - present
        taken = np.clip(top_k - before, 0, present)[:, entry.fraud]
        left[:, entry.card[entry.fraud]] -= taken
        drawn = copies[:, entry.card].any(axis=1)
        values[drawn, place] = taken.sum(axis=1)[drawn] / top_k
    return values


def card_precision(days: tuple[CardDay, ...], top_k: int, copies: Integers) -> Doubles:
    """Mean over the days of `precision_by_day`, shape (draws,); NaN for a draw without payments."""
    by_day = precision_by_day(days, top_k, copies)
    counted = ~np.isnan(by_day)
    total = np.where(counted, by_day, 0.0).sum(axis=1)
    number = counted.sum(axis=1)
    mean: Doubles = np.divide(total, number, out=np.full(total.shape, np.nan), where=number > 0)
    return mean
