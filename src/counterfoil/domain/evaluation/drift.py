"""Whether payments look as they did when a release was trained: population stability, column by column.

A release keeps the quantiles of each column among good payments of its training (`domain.encoding.strangeness`), with
the exact share of payments beyond each. So bins and expected shares come from the release itself, and no training row
is needed.
"""

from dataclasses import dataclass

import numpy as np

from counterfoil.domain.arrays import Doubles, Floats, Integers
from counterfoil.domain.encoding.encoder import Encoder

TAILS = (0.0625, 0.125, 0.25)
"""Bins end near these shares of the training's payments, on each side, and at the middle."""
SOME, MUCH = 0.1, 0.25
"""From these indices on a column is commonly said to have moved somewhat, or much (Siddiqi 2006)."""
LEAST_SHARE = 1e-4
"""A share is taken as this at least: an empty bin would make the index infinite."""


@dataclass(frozen=True)
class ColumnProfile:
    """The training's profile of one column: bins by `lower` and `upper` edges, and the `expected` share of each.

    A value at or below `lower[i]` is in one of the first i + 1 bins, one at or above `upper[i]` in a later one; what
    is between is the middle bin. `expected` is (len(lower) + 1 + len(upper),).
    """

    name: str
    lower: Doubles
    upper: Doubles
    expected: Doubles

    def counts(self, values: Floats) -> Integers:
        """How many of the values (rows,) are in each bin."""
        place = len(self.lower) + np.searchsorted(self.upper, values, side="right")
        low = np.searchsorted(self.lower, values, side="left")
        place = np.where(low < len(self.lower), low, place)
        return np.bincount(place, minlength=len(self.expected)).astype(np.int64)


def profiles(encoder: Encoder) -> tuple[ColumnProfile, ...]:
    """The profiles of an encoder's numeric columns, in their order; a column that was constant has one bin."""
    strangeness = encoder.strangeness
    rows = zip(encoder.schema.numeric, strangeness.values, strangeness.surprises, strict=False)
    return tuple(_profile(name, values, surprises) for name, values, surprises in rows)


def scaled_values(encoder: Encoder, table: object) -> Floats:
    """The numeric columns of evidence rows as the profiles have them, (rows, columns)."""
    return encoder.numeric.scaled(table)


def stability_index(counts: Integers, expected: Doubles) -> float:
    """Population stability index: sum of (share - expected) ln(share / expected); NaN without rows."""
    if not counts.sum():
        return float("nan")
    share = np.maximum(counts / counts.sum(), LEAST_SHARE)
    known = np.maximum(expected, LEAST_SHARE)
    return float(((share - known) * np.log(share / known)).sum())


def chance_index(bins: int, rows: int) -> float:
    """What the index exceeds by chance alone in one week of a hundred, of `rows` payments that did not move.

    Nearly the index times the rows is distributed as chi-squared with bins - 1 degrees of freedom. Payments of one
    account are alike, so the true value is somewhat larger.
    """
    from scipy.stats import chi2

    return float(chi2.ppf(0.99, max(bins - 1, 1)) / max(rows, 1))


def _profile(name: str, values: Doubles, surprises: Doubles) -> ColumnProfile:
    """Bins from quantiles: a surprise is minus the log of twice the share that is as far out, signed by the side."""
    values, places = np.unique(values, return_index=True)
    surprises = surprises[places]
    below = 0.5 * np.exp(surprises[surprises < 0])  # share at or below the value
    above = 0.5 * np.exp(-surprises[surprises > 0])  # share at or above it
    lower, at_most = _some(values[surprises < 0], below, TAILS)
    upper, at_least = (part[::-1] for part in _some(values[surprises > 0][::-1], above[::-1], TAILS))
    middle = 1.0 - (at_most[-1] if len(at_most) else 0.0) - (at_least[0] if len(at_least) else 0.0)
    expected = np.concatenate([np.diff(at_most, prepend=0.0), [middle], -np.diff(at_least, append=0.0)])
    return ColumnProfile(name, lower, upper, expected)


def _some(values: Doubles, share: Doubles, wanted: tuple[float, ...]) -> tuple[Doubles, Doubles]:
    """The values whose shares, which rise, come nearest to those wanted, each once."""
    if not len(values):
        return values, share
    places = np.unique([int(np.abs(share - target).argmin()) for target in wanted])
    return values[places], share[places]
