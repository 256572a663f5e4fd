"""The vote block: what each tree of a random forest thinks of a payment.

Two payments are close in this space when many trees judge them alike, which is a metric learned from the
labels. The trees are kept as flat arrays: no pickle, and one payment gets the same votes as a million.
Torch and scikit-learn are imported where they are used: a release can be read and listed without them.
"""

from dataclasses import dataclass

import numpy as np

from counterfoil.domain.arrays import Doubles, Floats, Integers, Labels

TREES = 128
MAX_DEPTH = 16
MIN_LEAF = 5
ROWS_AT_ONCE = 8192


@dataclass(frozen=True)
class VoteBlock:
    """Trees as flat arrays: node i of any tree goes to `left[i]`, or to `left[i] + 1` if its value is greater.

    A leaf points to itself with an infinite threshold; `vote` is its share of fraud in training. `mean` and
    `scale` standardise each tree's vote.
    """

    roots: Integers
    feature: Integers
    threshold: Floats
    left: Integers
    vote: Floats
    mean: Floats
    scale: Floats
    depth: int

    @classmethod
    def fit(cls, values: Floats, labels: Labels, seed: int) -> "VoteBlock":
        """Fit on scaled evidence (rows, columns) and labels with both kinds present."""
        from sklearn.ensemble import RandomForestClassifier

        forest = RandomForestClassifier(
            TREES, max_depth=MAX_DEPTH, min_samples_leaf=MIN_LEAF, n_jobs=-1, random_state=seed
        ).fit(values, labels == 1)
        trees = [_flatten(estimator.tree_) for estimator in forest.estimators_]
        sizes = np.cumsum([0, *(len(tree[0]) for tree in trees)])
        feature, threshold, left, vote = (np.concatenate(parts) for parts in zip(*trees, strict=True))
        left = left + np.repeat(sizes[:-1], np.diff(sizes))
        block = cls(
            sizes[:-1].astype(np.int64), feature, threshold, left, vote,
            np.zeros(TREES, np.float32), np.ones(TREES, np.float32),
            max(estimator.tree_.max_depth for estimator in forest.estimators_),
        )  # fmt: skip
        # Half frauds, half good payments: else the good ones' agreement would be the whole scale.
        votes = block.votes(values)
        mean = (votes[labels == 1].mean(0) + votes[labels == 0].mean(0)) / 2
        spread = np.sqrt(((votes[labels == 1] - mean) ** 2).mean(0) + ((votes[labels == 0] - mean) ** 2).mean(0))
        return cls(
            block.roots, feature, threshold, left, vote,
            mean.astype(np.float32), np.maximum(spread, 1e-6).astype(np.float32), block.depth,
        )  # fmt: skip

    def votes(self, values: Floats) -> Floats:
        """The trees' shares of fraud, (rows, trees), for scaled evidence as in training."""
        import torch

        feature, left = torch.from_numpy(self.feature), torch.from_numpy(self.left)
        threshold, vote = torch.from_numpy(self.threshold), torch.from_numpy(self.vote)
        roots = torch.from_numpy(self.roots)
        result = np.empty((len(values), len(self.roots)), dtype=np.float32)
        for start in range(0, len(values), ROWS_AT_ONCE):
            rows = torch.from_numpy(np.ascontiguousarray(values[start : start + ROWS_AT_ONCE]))
            node = roots.expand(len(rows), -1)
            for _ in range(self.depth):
                node = left[node] + (rows.gather(1, feature[node]) > threshold[node])
            result[start : start + ROWS_AT_ONCE] = vote[node].numpy()
        return result

    def transform(self, values: Floats) -> Floats:
        """Standardised votes, (rows, trees)."""
        return (self.votes(values) - self.mean) / self.scale


def _flatten(tree: object) -> tuple[Integers, Floats, Integers, Floats]:
    """One scikit-learn tree in breadth-first order, so that a right child follows its left sibling."""
    lefts, rights = tree.children_left, tree.children_right  # type: ignore[attr-defined]
    order = [0]
    left_of: list[int] = []
    for node in order:
        left_of.append(len(order) if lefts[node] >= 0 else len(left_of))
        if lefts[node] >= 0:
            order += [int(lefts[node]), int(rights[node])]
    nodes = np.asarray(order)
    is_leaf = lefts[nodes] < 0
    shares: Doubles = tree.value[nodes, 0, 1] / tree.value[nodes, 0].sum(axis=1)  # type: ignore[attr-defined]
    return (
        np.where(is_leaf, 0, tree.feature[nodes]).astype(np.int64),  # type: ignore[attr-defined]
        _round_down(np.where(is_leaf, np.inf, tree.threshold[nodes])),  # type: ignore[attr-defined]
        np.asarray(left_of, dtype=np.int64),
        shares.astype(np.float32),
    )


def _round_down(thresholds: Doubles) -> Floats:
    """Float32 thresholds that split float32 values exactly as the float64 ones do (`value > threshold`)."""
    rounded = thresholds.astype(np.float32)
    lower = np.nextafter(rounded, np.float32(-np.inf), dtype=np.float32)
    return np.where(rounded.astype(np.float64) > thresholds, lower, rounded).astype(np.float32)
