"""The odds block: how risky three machines think a payment is, as a direction.

Gradient boosting (Friedman 2001; histograms as in LightGBM, Ke et al. 2017) ranks where forests tie. There are two
trios, whose log-odds are averaged; which one serves is chosen on validation. `bagged` are three equal machines of deep
trees that learn fast (bagging, Breiman 1996). `varied` are deep trees that learn slowly, shallow ones, and a logistic
regression, which err in different ways: better on validation blocks of the Handbook and of the registrations, worse on
the cards of 2019.

The answer is one number, and a unit vector of one number would keep the sign alone. So it is read on a row of
levels, like a thermometer: neighbouring payments light nearly the same levels, and a cosine falls steadily with the
distance of their odds.

Of a reference the label is known, and its odds are those that it then has. So a payment is the nearer to known frauds
the riskier it is; else it would be chance whether more frauds or more good references happen to lie about its odds.

Scikit-learn is imported where it is used: a release can be read and listed without it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from counterfoil.domain.arrays import Doubles, Floats, Integers, Labels, unit_rows
from counterfoil.domain.encoding.boosting import BinnedEvidence, GrownTree
from counterfoil.domain.encoding.trees import FlatTrees
from counterfoil.domain.encoding.votes import MOST_GOOD

BAGGED = "bagged"
VARIED = "varied"
ROUNDS = 400
"""Trees of a machine with deep trees; one with shallow trees has three for every four of them."""
LEVELS: Floats = np.arange(-12, 9.1, 1.5, dtype=np.float32)
"""Log-odds from one fraud in 160,000 payments to 8,000 frauds to one good payment."""
FEWEST_SEEN = 10
"""Columns that a tree sees at least: a tree of two columns cannot find what three of them say together."""
SOFTNESS = 2.0
"""A level goes from dark to light over so many log-odds."""
LABEL = 6.0
"""Log-odds that a known label adds or takes: of one that is wrong once in 400 times. More would pin all references to
the ends, where their odds tell them apart no more. On validation blocks 6 was better than 0 on the registrations and
about as good elsewhere; 3 and 20 were near 6 where they were tried."""


@dataclass(frozen=True)
class Grown:
    """A machine: its log-odds are the sum of the trees' values, the evidence times `slopes`, and `base`."""

    trees: Sequence[GrownTree]
    slopes: Doubles
    base: float


@dataclass(frozen=True)
class OddsBlock:
    """Machines as one: the trees' values, the evidence times `slopes`, and `base` add up to the mean log-odds."""

    trees: FlatTrees
    slopes: Doubles
    base: float

    @classmethod
    def of(cls, machines: Sequence["Grown"]) -> "OddsBlock":
        """The mean of machines."""
        share = 1 / len(machines)
        trees = FlatTrees.of_boosting([tree for one in machines for tree in one.trees])
        slopes = np.sum([one.slopes for one in machines], axis=0)
        return cls(trees.scaled(share), slopes * share, share * sum(one.base for one in machines))

    @property
    def dimensions(self) -> int:
        """How many levels there are."""
        return len(LEVELS)

    def log_odds(self, values: Floats) -> Doubles:
        """Mean log-odds of fraud, (rows,)."""
        # Row by row and not as a matrix product, whose sums depend on how many rows there are.
        linear: Doubles = (values.astype(np.float64) * self.slopes).sum(axis=1)
        return self.trees.sums(values) + linear + self.base

    def transform(self, values: Floats, labels: Labels | None = None) -> Floats:
        """The levels as unit rows, (rows, dimensions); with labels, as those of references."""
        found = self.log_odds(values)
        return lit(found if labels is None else found + np.where(labels == 1, LABEL, -LABEL))


def lit(log_odds: Doubles) -> Floats:
    """Levels from -1 (dark) to 1 (light) as unit rows, (rows, len(LEVELS))."""
    return unit_rows(np.asarray(np.tanh((log_odds[:, None] - LEVELS) / SOFTNESS), dtype=np.float32))


def _rows_of(labels: Labels, seed: int) -> Integers:
    """All frauds and half of the good payments, ascending, so that the machines differ."""
    frauds, goods = np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)
    drawn = np.random.default_rng(seed).choice(goods, min(-(-len(goods) // 2), MOST_GOOD), replace=False)
    return np.sort(np.concatenate([frauds, drawn]))


def machines_of(
    name: str, binned: BinnedEvidence, values: Floats, labels: Labels, seed: int, rounds: int = ROUNDS
) -> list[Callable[[], Grown]]:
    """What makes each machine of a trio (one of MACHINES) from scaled evidence (rows, columns).

    `binned` holds the same rows, in an order without meaning; both kinds of labels are among them.
    """
    return [
        partial(make, Learner(binned, values, labels, _rows_of(labels, 3 * seed + place), 3 * seed + place, rounds))
        for place, make in enumerate(MACHINES[name])
    ]


@dataclass(frozen=True)
class Learner:
    """What a machine learns from: `rows` are positions in the others."""

    binned: BinnedEvidence
    values: Floats
    labels: Labels
    rows: Integers
    seed: int
    rounds: int


def _fast(learner: Learner) -> Grown:
    return _boosting(learner, learner.rounds, learning_rate=0.1, max_depth=6)


def _slow(learner: Learner) -> Grown:
    return _boosting(learner, learner.rounds, learning_rate=0.03, max_depth=6)


def _shallow(learner: Learner) -> Grown:
    return _boosting(learner, -(-3 * learner.rounds // 4), learning_rate=0.05, max_depth=3)


def _boosting(learner: Learner, rounds: int, **steps: Any) -> Grown:
    """Each tree sees a fifth of the columns, FEWEST_SEEN at least."""
    columns = learner.values.shape[1]
    share = min(1.0, max(0.2, FEWEST_SEEN / columns))
    trees = learner.binned.grow(
        learner.rows, rounds, objective="binary", num_leaves=31, min_data_in_leaf=20, feature_fraction=share,
        seed=learner.seed, **steps,
    )  # fmt: skip
    return Grown(trees, np.zeros(learner.values.shape[1]), 0.0)


def _linear(learner: Learner) -> Grown:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=0.1, max_iter=2_000, random_state=learner.seed)
    model.fit(learner.values[learner.rows], learner.labels[learner.rows] == 1)
    return Grown((), model.coef_[0].astype(np.float64), model.intercept_.item())


MACHINES: Mapping[str, tuple[Callable[[Learner], Grown], ...]] = {
    BAGGED: (_fast, _fast, _fast),
    VARIED: (_slow, _shallow, _linear),
}
"""What makes the machines of each trio."""
