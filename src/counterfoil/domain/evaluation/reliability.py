"""Whether a score that claims to be a probability of fraud is one."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from counterfoil.domain.arrays import Doubles, Integers


@dataclass(frozen=True)
class ReliabilityBin:
    """Rows of neighbouring scores: their mean score, their share of frauds and their number."""

    mean_predicted: float
    observed_rate: float
    count: int


@dataclass(frozen=True)
class SquaredErrors:
    """Per account (accounts,): sum of squared errors, number of frauds and number of rows."""

    error: Doubles
    frauds: Doubles
    rows: Doubles

    @classmethod
    def of(cls, label: NDArray[np.int8], score: Doubles, account: Integers, accounts: int) -> "SquaredErrors":
        """Add rows up by their account's number, 0 to `accounts` - 1."""
        error = np.bincount(account, weights=(score - label) ** 2, minlength=accounts)
        frauds = np.bincount(account, weights=label, minlength=accounts)
        rows = np.bincount(account, minlength=accounts).astype(np.float64)
        return cls(error.astype(np.float64), frauds.astype(np.float64), rows)


def brier(errors: SquaredErrors, copies: Integers) -> tuple[Doubles, Doubles]:
    """Brier score (Brier 1950) and its skill, each (draws,), for `copies` (draws, accounts) of each account.

    The skill is 1 - Brier / (p (1 - p)): the divisor is the Brier score of always predicting the prevalence
    p of the draw. NaN where there are no rows, or for the skill where p is 0 or 1.
    """
    weights = copies.astype(np.float64)
    rows = weights @ errors.rows
    score = np.divide(weights @ errors.error, rows, out=np.full(rows.shape, np.nan), where=rows > 0)
    prevalence = np.divide(weights @ errors.frauds, rows, out=np.zeros_like(rows), where=rows > 0)
    constant = prevalence * (1 - prevalence)
    ratio = np.divide(score, constant, out=np.full(rows.shape, np.nan), where=constant > 0)
    return score, 1 - ratio


def reliability_bins(label: NDArray[np.int8], score: Doubles, bins: int = 10) -> tuple[ReliabilityBin, ...]:
    """At most `bins` bins of about equally many rows, from low scores to high.

    Rows of one score are never split: the middle of their ranks says which bin they are in, and bins that
    stay empty are left out.
    """
    values, group = np.unique(score, return_inverse=True)
    sizes = np.bincount(group, minlength=values.size)
    middle = np.cumsum(sizes) - sizes / 2
    place = np.floor(middle / max(score.size, 1) * bins).astype(np.int64)[group]
    count = np.bincount(place, minlength=bins)
    predicted = np.bincount(place, weights=score, minlength=bins)
    observed = np.bincount(place, weights=label, minlength=bins)
    return tuple(
        ReliabilityBin(float(predicted[i] / count[i]), float(observed[i] / count[i]), int(count[i]))
        for i in np.flatnonzero(count)
    )


def expected_calibration_error(bins: tuple[ReliabilityBin, ...]) -> float:
    """Mean over rows of |mean score - share of frauds| in their bin (Naeini et al. 2015); NaN for none."""
    rows = sum(entry.count for entry in bins)
    if rows == 0:
        return float("nan")
    return sum(entry.count * abs(entry.mean_predicted - entry.observed_rate) for entry in bins) / rows
