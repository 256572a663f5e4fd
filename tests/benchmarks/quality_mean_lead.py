"""Our lead over each peer, as the mean of several test windows, with one interval for all of them.

One window has a few hundred frauds, which is too few to tell leads of .01 from luck. An account that pays in several
windows is drawn for all of them at once: what makes it easy or hard for us stays with it from week to week.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from counterfoil.domain.arrays import Doubles, Integers, Labels
from counterfoil.domain.evaluation.intervals import account_numbers, bootstrap
from counterfoil.domain.evaluation.paired import Difference
from counterfoil.domain.evaluation.ranking import Ranking, average_precision


@dataclass(frozen=True)
class Window:
    """The rows of one test window, and what each peer and we (`ours`) make of them; higher is riskier."""

    labels: Labels
    accounts: np.ndarray
    ours: Doubles
    peers: Mapping[str, Doubles]


def mean_leads(windows: Sequence[Window], *, draws: int, seed: int = 0) -> dict[str, Difference]:
    """By the name of each peer that is in all windows: the mean of our average precision less its, and 95 % bounds."""
    shared = [name for name in windows[0].peers if all(name in window.peers for window in windows)]
    sizes = [window.labels.size for window in windows]
    numbers = account_numbers(np.concatenate([window.accounts for window in windows]), sum(sizes))
    apart = np.split(numbers, np.cumsum(sizes)[:-1])
    ranked = [_Ranked.of(window, shared, number) for window, number in zip(windows, apart, strict=True)]

    def measure(copies: Integers) -> dict[str, Doubles]:
        leads = np.mean([[one.leads(drawn) for drawn in copies] for one in ranked], axis=0)
        return {name: leads[:, place] for place, name in enumerate(shared)}

    once = measure(np.ones((1, int(numbers.max()) + 1), dtype=np.int64))
    bounds = bootstrap(
        measure, np.concatenate([window.labels for window in windows]), numbers, draws=draws, seed=seed
    ).bounds
    return {name: Difference(float(once[name][0]), *bounds.get(name, (None, None))) for name in shared}


@dataclass(frozen=True)
class _Ranked:
    """A window whose rows are sorted by each system's scores once for all draws."""

    accounts: Integers
    ours: Ranking
    peers: tuple[Ranking, ...]

    @classmethod
    def of(cls, window: Window, peers: Sequence[str], accounts: Integers) -> "_Ranked":
        rankings = tuple(Ranking.of(window.labels, window.peers[name]) for name in peers)
        return cls(accounts, Ranking.of(window.labels, window.ours), rankings)

    def leads(self, drawn: Integers) -> list[float]:
        """Our average precision less each peer's when each account counts as often as it was drawn."""
        weight = drawn.astype(np.float64)[self.accounts]
        ours = average_precision(self.ours.curve(weight))
        return [ours - average_precision(peer.curve(weight)) for peer in self.peers]
