"""The vote block: what the trees of two forests think of a payment.

Two payments are close in this space when the same voters judge them alike, which is a metric learned from the
labels. A voter is a tree of a random forest (Breiman 2001) or of extremely randomised ones (Geurts, Ernst and
Wehenkel 2006). The families err in different ways; each has the same share of the vector.
LightGBM grows the random forest from histograms, in a tenth of the time that scikit-learn takes to sort. Scikit-learn
grows the other, whose thresholds are drawn between the smallest and the largest value: LightGBM draws them among its
bins and finds far values less well (average precision on validation, cards of 2019: .85 instead of .91).
Scikit-learn is imported where it is used: a release can be read and listed without it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from counterfoil.domain.arrays import Doubles, Floats, Labels, frauds_and_first_good, unit_rows
from counterfoil.domain.encoding.boosting import BinnedEvidence
from counterfoil.domain.encoding.trees import FlatTrees

MOST_GOOD = 60_000
"""Voters learn from all frauds and so many good payments: the time that they take grows with them."""
STANDARD_GOOD = 10_000
"""Votes are standardised on all frauds and so many good payments."""
TREES = 64
"""Of each forest."""
FEWEST_TRIED = 10
"""Columns that extremely randomised trees try at a node, at least: with few of them all thresholds may leave too few
rows on one side, and a tree ends at its root."""


@dataclass(frozen=True)
class Family:
    """Voters of one kind. A vote is the value of the voter's tree; `mean` and `scale` standardise it."""

    trees: FlatTrees
    mean: Floats
    scale: Floats

    @classmethod
    def fit(cls, trees: FlatTrees, values: Floats, labels: Labels) -> "Family":
        """Standardise the votes between the two kinds of training rows."""
        votes = trees.values(values)
        # Half frauds, half good payments: else the good ones' agreement would be the whole scale.
        kinds = [votes[labels == label].astype(np.float64) for label in (1, 0)]
        mean: Doubles = np.add(*(kind.mean(axis=0) for kind in kinds)) / 2
        spread = np.sqrt(np.add(*(((kind - mean) ** 2).mean(axis=0) for kind in kinds)))
        return cls(trees, mean.astype(np.float32), np.maximum(spread, 1e-6).astype(np.float32))

    def transform(self, values: Floats) -> Floats:
        """Standardised votes as unit rows, (rows, voters); before that they are shares of fraud."""
        return unit_rows((self.trees.values(values) - self.mean) / self.scale)


@dataclass(frozen=True)
class VoteBlock:
    """The families, whose unit rows stand side by side in a row of length 1."""

    families: tuple[Family, ...]

    @classmethod
    def fit(cls, forests: Sequence[FlatTrees], values: Floats, labels: Labels) -> "VoteBlock":
        """A family for each grown forest; the rows are those that `forests_of` had."""
        rows = frauds_and_first_good(labels, STANDARD_GOOD)
        return cls(tuple(Family.fit(forest, values[rows], labels[rows]) for forest in forests))

    @property
    def dimensions(self) -> int:
        """How many voters there are."""
        return sum(len(family.mean) for family in self.families)

    def transform(self, values: Floats) -> Floats:
        """Votes of all families, (rows, dimensions)."""
        share = np.float32(1 / np.sqrt(len(self.families)))
        return np.hstack([family.transform(values) * share for family in self.families])


def forests_of(
    binned: BinnedEvidence, values: Floats, labels: Labels, seed: int, trees: int = TREES, workers: int = 1
) -> list[Callable[[], FlatTrees]]:
    """What grows each forest, of `trees` trees, on scaled evidence (rows, columns) with both kinds of labels.

    `binned` holds the same rows. They are expected in an order that has nothing to do with their content, as the first
    ones are taken. So many extremely randomised trees as there are `workers` grow at once; which does not change them.
    """
    rows = frauds_and_first_good(labels, MOST_GOOD)

    def random_forest() -> FlatTrees:
        # A tree that fits squares has the share of frauds in each leaf, and splits as one by Gini's impurity does.
        grown = binned.grow(
            rows, trees, objective="regression", boosting="rf", bagging_freq=1, bagging_fraction=0.632,
            feature_fraction=0.5, feature_fraction_bynode=0.5, num_leaves=1024, max_depth=16, min_data_in_leaf=3,
            min_sum_hessian_in_leaf=0.0, seed=seed,
        )  # fmt: skip
        return FlatTrees.of_boosting(grown)

    def extra_trees() -> FlatTrees:
        from sklearn.ensemble import ExtraTreesClassifier

        columns = values.shape[1]
        tried = min(columns, max(FEWEST_TRIED, round(0.3 * columns)))
        forest = ExtraTreesClassifier(
            trees, max_depth=20, min_samples_leaf=3, max_features=tried, n_jobs=workers, random_state=seed
        )
        return FlatTrees.of_forest(forest.fit(values[rows], labels[rows] == 1).estimators_)

    return [random_forest, extra_trees]
