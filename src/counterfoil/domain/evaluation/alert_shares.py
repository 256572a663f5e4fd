"""How many payments two releases would alert on, of the same ones, and what of their difference may be chance."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from counterfoil.domain.arrays import Doubles, Flags
from counterfoil.domain.evaluation.intervals import FEWEST_ACCOUNTS, LEVEL, account_numbers, drawn_accounts
from counterfoil.domain.evaluation.paired import Difference


@dataclass(frozen=True)
class AlertShares:
    """Shares of payments that are alerted on, and the first minus the second with its 95 % interval."""

    first: float
    second: float
    difference: Difference


def compare_alerts(
    first: Flags, second: Flags, account: NDArray[np.object_], *, draws: int = 500, seed: int = 0
) -> AlertShares:
    """Compare who alerts on which of the same payments; arrays are (rows,), with one row at least.

    Each draw takes the same accounts for both. There is no interval of fewer than FEWEST_ACCOUNTS accounts.
    """
    numbers = account_numbers(account, first.size)
    accounts = int(numbers.max()) + 1
    payments, lead = np.bincount(numbers), np.bincount(numbers, first.astype(np.float64) - second.astype(np.float64))
    share, other = float(first.mean()), float(second.mean())
    if accounts < FEWEST_ACCOUNTS:
        return AlertShares(share, other, Difference(share - other))
    found: list[Doubles] = []
    for copies in drawn_accounts(accounts, draws, np.random.default_rng(seed)):
        found.append((copies @ lead) / np.maximum(copies @ payments, 1))
    low, high = np.percentile(np.concatenate(found), [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    return AlertShares(share, other, Difference(share - other, float(low), float(high)))
