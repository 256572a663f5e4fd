"""The odds block: how risky boosting machines think a payment is, as a direction.

Gradient boosting (Friedman 2001; histograms as in LightGBM, Ke et al. 2017) ranks where forests tie. Its answer
is one number, and a unit vector of one number would keep the sign alone. So the log-odds are read on a row of
levels, like a thermometer: neighbouring payments light nearly the same levels, and a cosine falls steadily with the
distance of their odds. Scikit-learn is imported where it is used: a release can be read and listed without it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from counterfoil.domain.arrays import Doubles, Floats, Labels, unit_rows
from counterfoil.domain.encoding.trees import FlatTrees
from counterfoil.domain.encoding.votes import MOST_GOOD

MACHINES = 3
"""Their log-odds are averaged (bagging, Breiman 1996): each learns from all frauds and its own good payments."""
ROUNDS = 400
"""Trees of a machine."""
LEVELS: Floats = np.arange(-12, 9.1, 1.5, dtype=np.float32)
"""Log-odds from one fraud in 160,000 payments to 8,000 frauds to one good payment."""
SOFTNESS = 2.0
"""A level goes from dark to light over so many log-odds."""


@dataclass(frozen=True)
class OddsBlock:
    """The trees of all machines, whose values add up to the mean log-odds less `base`."""

    trees: FlatTrees
    base: float

    @classmethod
    def fit(cls, values: Floats, labels: Labels, seed: int, rounds: int = ROUNDS) -> "OddsBlock":
        """Fit on scaled evidence (rows, columns) and labels with both kinds present, in an order without meaning."""
        found = [_machine(values, labels, seed * MACHINES + number, rounds) for number in range(MACHINES)]
        trees = FlatTrees.of_boosting([tree for machine in found for (tree,) in machine._predictors])
        base = float(np.mean([machine._baseline_prediction.item() for machine in found]))
        return cls(trees.scaled(1 / MACHINES), base)

    @property
    def dimensions(self) -> int:
        """How many levels there are."""
        return len(LEVELS)

    def log_odds(self, values: Floats) -> Doubles:
        """Mean log-odds of fraud, (rows,)."""
        return self.trees.sums(values) + self.base

    def transform(self, values: Floats) -> Floats:
        """The levels as unit rows, (rows, dimensions)."""
        return lit(self.log_odds(values))


def lit(log_odds: Doubles) -> Floats:
    """Levels from -1 (dark) to 1 (light) as unit rows, (rows, len(LEVELS))."""
    return unit_rows(np.asarray(np.tanh((log_odds[:, None] - LEVELS) / SOFTNESS), dtype=np.float32))


def _machine(values: Floats, labels: Labels, seed: int, rounds: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    frauds, goods = np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)
    # Half of them, so that the machines differ.
    drawn = np.random.default_rng(seed).choice(goods, min(-(-len(goods) // 2), MOST_GOOD), replace=False)
    rows = np.concatenate([frauds, drawn])
    return HistGradientBoostingClassifier(
        learning_rate=0.1, max_iter=rounds, max_depth=6, max_leaf_nodes=31, min_samples_leaf=20,
        max_features=0.2, early_stopping=False, random_state=seed,
    ).fit(values[rows], labels[rows] == 1)  # fmt: skip
