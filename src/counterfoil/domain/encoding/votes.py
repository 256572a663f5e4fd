"""The vote block: what voters of three families think of a payment.

Two payments are close in this space when the same voters judge them alike, which is a metric learned from the
labels. A voter is a tree of a random forest (Breiman 2001), a tree of extremely randomised ones (Geurts, Ernst and
Wehenkel 2006) or a small gradient boosting machine fitted on its own sample (bagged boosting). The families err in
different ways; each has the same share of the vector.
Scikit-learn is imported where it is used: a release can be read and listed without it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from counterfoil.domain.arrays import Doubles, Floats, Labels, unit_rows
from counterfoil.domain.encoding.trees import FlatTrees

GOOD_PER_FRAUD = 8
LEAST_GOOD = 5000
"""A boosting machine learns from a bootstrap sample of the frauds and so many good payments, drawn at random."""


@dataclass(frozen=True)
class Voters:
    """How many there are: trees in each of the two forests, boosting machines and the rounds of each."""

    trees: int = 64
    boosters: int = 8
    rounds: int = 60


VOTERS = Voters()


@dataclass(frozen=True)
class Family:
    """Voters of one kind. A vote is the sum of the values of the voter's trees, `mean` and `scale` standardise it."""

    trees: FlatTrees
    mean: Floats
    scale: Floats

    @classmethod
    def fit(cls, trees: FlatTrees, voters: int, values: Floats, labels: Labels) -> "Family":
        """Standardise the votes between the two kinds of training rows."""
        plain = cls(trees, np.zeros(voters, np.float32), np.ones(voters, np.float32))
        votes = plain.votes(values).astype(np.float64)
        # Half frauds, half good payments: else the good ones' agreement would be the whole scale.
        kinds = [votes[labels == label] for label in (1, 0)]
        mean: Doubles = np.add(*(kind.mean(axis=0) for kind in kinds)) / 2
        spread = np.sqrt(np.add(*(((kind - mean) ** 2).mean(axis=0) for kind in kinds)))
        return cls(trees, mean.astype(np.float32), np.maximum(spread, 1e-6).astype(np.float32))

    def votes(self, values: Floats) -> Floats:
        """The votes before they are standardised, (rows, voters): shares of fraud, or log-odds."""
        voters = len(self.mean)
        by_tree = self.trees.values(values).reshape(len(values), voters, len(self.trees.roots) // voters)
        return np.asarray(by_tree.sum(axis=2), dtype=np.float32)

    def transform(self, values: Floats) -> Floats:
        """Standardised votes as unit rows, (rows, voters)."""
        return unit_rows((self.votes(values) - self.mean) / self.scale)


@dataclass(frozen=True)
class VoteBlock:
    """The families, whose unit rows stand side by side in a row of length 1."""

    families: tuple[Family, ...]

    @classmethod
    def fit(cls, values: Floats, labels: Labels, seed: int, voters: Voters) -> "VoteBlock":
        """Fit on scaled evidence (rows, columns) and labels with both kinds present."""
        families = (
            (_random_forest(values, labels, seed, voters.trees), voters.trees),
            (_extra_trees(values, labels, seed, voters.trees), voters.trees),
            (_boosting(values, labels, seed, voters), voters.boosters),
        )
        return cls(tuple(Family.fit(trees, count, values, labels) for trees, count in families))

    @property
    def dimensions(self) -> int:
        """How many voters there are."""
        return sum(len(family.mean) for family in self.families)

    def transform(self, values: Floats) -> Floats:
        """Votes of all families, (rows, dimensions)."""
        share = np.float32(1 / np.sqrt(len(self.families)))
        return np.hstack([family.transform(values) * share for family in self.families])


def _random_forest(values: Floats, labels: Labels, seed: int, trees: int) -> FlatTrees:
    from sklearn.ensemble import RandomForestClassifier

    forest = RandomForestClassifier(
        trees, max_depth=16, min_samples_leaf=3, max_features=0.3, n_jobs=-1, random_state=seed
    )
    return FlatTrees.of_forest(forest.fit(values, labels == 1).estimators_)


def _extra_trees(values: Floats, labels: Labels, seed: int, trees: int) -> FlatTrees:
    from sklearn.ensemble import ExtraTreesClassifier

    forest = ExtraTreesClassifier(
        trees, max_depth=20, min_samples_leaf=3, max_features=1.0, n_jobs=-1, random_state=seed
    )
    return FlatTrees.of_forest(forest.fit(values, labels == 1).estimators_)


def _boosting(values: Floats, labels: Labels, seed: int, voters: Voters) -> FlatTrees:
    seeds = range(seed * voters.boosters, (seed + 1) * voters.boosters)
    machines = [_machine(values, labels, one, voters.rounds) for one in seeds]
    return FlatTrees.of_boosting([tree for machine in machines for (tree,) in machine._predictors])


def _machine(values: Floats, labels: Labels, seed: int, rounds: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    frauds, goods = np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)
    draw = np.random.default_rng(seed)
    fewer = min(len(goods), max(GOOD_PER_FRAUD * len(frauds), LEAST_GOOD))
    chosen = np.concatenate([draw.choice(frauds, len(frauds)), draw.choice(goods, fewer, replace=False)])
    return HistGradientBoostingClassifier(
        learning_rate=0.1, max_iter=rounds, max_depth=5, max_leaf_nodes=15, min_samples_leaf=10,
        l2_regularization=1.0, max_features=0.5, early_stopping=False, random_state=seed,
    ).fit(values[chosen], labels[chosen] == 1)  # fmt: skip
