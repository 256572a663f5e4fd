"""Bootstrap intervals that draw whole accounts.

The payments of an account are alike and its frauds come together, so drawing single rows would make intervals
far too narrow (cluster bootstrap: Davison and Hinkley 1997, section 3.8; percentile interval: section 5.3).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from counterfoil.domain.arrays import Doubles, Integers

Measure = Callable[[Integers], Mapping[str, Doubles]]
"""From copies (draws, accounts) of each account to metric -> values (draws,); NaN where undefined."""

LEVEL = 0.95
FEWEST_ACCOUNTS = 10
"""With fewer accounts with frauds the draws are nearly the same, and an interval of them would be far too narrow."""
CELLS_AT_ONCE = 4_000_000
"""Draws times accounts held at a time: 32 MB of counts, however many accounts there are."""


@dataclass(frozen=True)
class Intervals:
    """Percentile interval of each metric, the draws asked for, and those of them that had to be skipped."""

    bounds: dict[str, tuple[float, float]]
    draws: int
    skipped: int


def account_numbers(account: NDArray[np.object_] | NDArray[np.str_] | None, rows: int) -> Integers:
    """Number accounts from 0 in the order of their ids; a row without one (None, NaN) is one of its own."""
    if account is None:
        return np.arange(rows, dtype=np.int64)
    # By Arrow, which sorts no Python objects.
    try:
        named = pa.array(account, pa.string(), from_pandas=True)
    except (pa.ArrowTypeError, pa.ArrowInvalid):  # ids that are no texts
        named = pa.array([None if one is None or one != one else str(one) for one in account], pa.string())
    encoded = named.dictionary_encode()
    names, place = encoded.dictionary, encoded.indices.fill_null(-1).to_numpy()
    number = np.empty(len(names) + 1, dtype=np.int64)
    number[pc.sort_indices(names).to_numpy()] = np.arange(len(names))
    numbers = number[place]
    missing = place < 0
    numbers[missing] = len(names) + np.arange(missing.sum())
    return np.asarray(numbers, dtype=np.int64)


def bootstrap(measure: Measure, label: NDArray[np.int8], account: Integers, *, draws: int, seed: int) -> Intervals:
    """95 % percentile intervals of what `measure` gives, over `draws` draws of accounts with replacement.

    `account` (rows,) numbers the accounts from 0. A draw without a fraud or without a good payment says
    nothing about ranking: it is skipped and counted. Metrics that are never defined get no interval.
    """
    accounts = int(account.max()) + 1
    frauds = np.bincount(account, weights=label, minlength=accounts)
    goods = np.bincount(account, minlength=accounts) - frauds
    values: dict[str, list[Doubles]] = {}
    used = 0
    for copies in drawn_accounts(accounts, draws, np.random.default_rng(seed)):
        usable = copies[(copies @ frauds > 0) & (copies @ goods > 0)]
        used += usable.shape[0]
        for name, drawn in measure(usable).items():
            values.setdefault(name, []).append(drawn)
    return Intervals(_bounds(values), draws, draws - used)


def drawn_accounts(accounts: int, draws: int, rng: np.random.Generator) -> Iterator[Integers]:
    """Blocks (some draws, accounts) of how often each account was drawn."""
    block = max(1, CELLS_AT_ONCE // accounts)
    for first in range(0, draws, block):
        size = min(block, draws - first)
        # Drawn one after the other, so that the size of a block does not change the figures.
        picks = (rng.integers(accounts, size=accounts) for _ in range(size))
        yield np.stack([np.bincount(pick, minlength=accounts) for pick in picks])


def _bounds(values: Mapping[str, list[Doubles]]) -> dict[str, tuple[float, float]]:
    tails = [50 * (1 - LEVEL), 50 * (1 + LEVEL)]
    bounds = {}
    for name, parts in values.items():
        drawn = np.concatenate(parts)
        defined = drawn[~np.isnan(drawn)]
        if defined.size:
            low, high = np.percentile(defined, tails)
            bounds[name] = (float(low), float(high))
    return bounds
