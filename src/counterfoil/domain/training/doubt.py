"""Whether payments can tell which of two ways of ranking them is better: the lead, and how far chance moves it.

The payments of an account are alike, so whole accounts are drawn (cluster bootstrap: Davison and Hinkley 1997, section
3.8), the same ones for both ways.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from sklearn.metrics import average_precision_score

from counterfoil.domain.arrays import Doubles, Integers, Labels

DRAWS = 50


@dataclass(frozen=True)
class Ranked:
    """A block of payments, (rows,) each, that two ways rank: their labels, weights, accounts' numbers, and margins."""

    labels: Labels
    weights: Doubles
    accounts: Integers
    first: Doubles
    second: Doubles

    def lead(self, copies: Integers | None = None) -> float:
        """Average precision of the first way less that of the second; NaN if no fraud was drawn.

        `copies` is how often each account was drawn; without it each counts once.
        """
        weights = self.weights if copies is None else self.weights * copies[self.accounts]
        drawn = weights > 0
        if not (self.labels[drawn] == 1).any():
            return float("nan")
        first, second = (
            average_precision_score(self.labels[drawn], margins[drawn], sample_weight=weights[drawn])
            for margins in (self.first, self.second)
        )
        return float(first - second)

    def drawn_lead(self, rng: np.random.Generator) -> float:
        """The lead on accounts drawn with replacement."""
        accounts = int(self.accounts.max()) + 1
        return self.lead(np.bincount(rng.integers(accounts, size=accounts), minlength=accounts))


def lead(blocks: Sequence[Ranked], seed: int) -> tuple[float, float]:
    """The mean lead over the blocks, and its standard error; infinite where it cannot be told."""
    rng = np.random.default_rng(seed)
    drawn = np.array([[block.drawn_lead(rng) for block in blocks] for _ in range(DRAWS)]).mean(axis=1)
    drawn = drawn[np.isfinite(drawn)]
    error = float(drawn.std(ddof=1)) if len(drawn) > 1 else float("inf")
    return float(np.mean([block.lead() for block in blocks])), error


def account_numbers(payments: pa.Table) -> Integers:
    """The accounts of payments as numbers from 0; a payment without one has a number of its own."""
    encoded = payments.column("account_id").combine_chunks().dictionary_encode()
    numbers = encoded.indices.cast(pa.int64()).fill_null(-1).to_numpy().copy()
    nobody = numbers < 0
    numbers[nobody] = len(encoded.dictionary) + np.arange(nobody.sum())
    return np.asarray(numbers, np.int64)
