"""Trees as flat arrays: no pickle, and one payment goes the same ways alone as among a million.

The compiler is imported where it is used: a release can be read and listed without it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from counterfoil.domain.arrays import Doubles, Floats, Integers


@dataclass(frozen=True)
class FlatTrees:
    """Node i of any tree goes to `left[i]`, or to `left[i] + 1` if its value is greater than the threshold.

    `roots` has the first node of each tree. A leaf points to itself with an infinite threshold. `depth` is the
    largest number of steps from a root to a leaf.
    """

    roots: Integers
    feature: Integers
    threshold: Floats
    left: Integers
    value: Floats
    depth: int

    @classmethod
    def of_forest(cls, estimators: Sequence[Any]) -> "FlatTrees":
        """The trees of a scikit-learn forest; a leaf's value is its share of the second class."""
        return cls._joined([_of_classifier(estimator.tree_) for estimator in estimators])

    @classmethod
    def of_boosting(cls, predictors: Sequence[Any]) -> "FlatTrees":
        """The trees of scikit-learn's histogram gradient boosting; a leaf's value is what it adds to the log-odds."""
        return cls._joined([_of_predictor(predictor.nodes) for predictor in predictors])

    @classmethod
    def _joined(cls, trees: Sequence["_Tree"]) -> "FlatTrees":
        flat = [_in_breadth(tree) for tree in trees]
        sizes = np.cumsum([0, *(len(one[0]) for one in flat)])
        feature, threshold, left, value = (np.concatenate(parts) for parts in list(zip(*flat, strict=True))[:4])
        left = left + np.repeat(sizes[:-1], np.diff(sizes))
        return cls(sizes[:-1].astype(np.int64), feature, threshold, left, value, max(one[4] for one in flat))

    def scaled(self, factor: float) -> "FlatTrees":
        """The same trees with every value multiplied."""
        return replace(self, value=self.value * np.float32(factor))

    def values(self, rows: Floats) -> Floats:
        """The value of the leaf that each row reaches in each tree, (rows, trees)."""
        found = np.zeros((len(rows), len(self.roots)), np.float32)
        self._add_values(rows, found, 1)
        return found

    def sums(self, rows: Floats) -> Doubles:
        """The sum of those values over all trees, (rows,), without holding them all."""
        found = np.zeros((len(rows), 1))
        self._add_values(rows, found, 0)
        return found[:, 0]

    def _add_values(self, rows: Floats, found: Floats | Doubles, apart: int) -> None:
        from counterfoil.domain.encoding.walk import add_values

        rows = np.ascontiguousarray(rows)
        add_values(rows, self.roots, self.depths, self.leads, self.threshold, self.value, found, apart)

    @cached_property
    def leads(self) -> npt.NDArray[np.uint32]:
        """The left child and the feature of each node side by side, (nodes, 2): one look finds both."""
        return np.stack([self.left, self.feature], axis=1).astype(np.uint32)

    @cached_property
    def depths(self) -> Integers:
        """The largest number of steps from each root to a leaf, (trees,)."""
        found = np.zeros(len(self.roots), np.int64)
        nodes, tree = self.roots, np.arange(len(self.roots))
        while len(nodes):
            inner = self.left[nodes] != nodes
            nodes, tree = self.left[nodes[inner]], tree[inner]
            found[np.unique(tree)] += 1
            nodes, tree = np.append(nodes, nodes + 1), np.append(tree, tree)
        return found


@dataclass(frozen=True)
class _Tree:
    """A tree in any order of nodes; `left` is negative at leaves."""

    left: Integers
    right: Integers
    feature: Integers
    threshold: Doubles
    value: Doubles


def _of_classifier(tree: Any) -> _Tree:
    share: Doubles = tree.value[:, 0, 1] / tree.value[:, 0].sum(axis=1)
    return _Tree(tree.children_left, tree.children_right, tree.feature, tree.threshold, share)


def _of_predictor(nodes: Any) -> _Tree:
    leaf = nodes["is_leaf"].astype(bool)
    left = np.where(leaf, -1, nodes["left"].astype(np.int64))
    right = np.where(leaf, -1, nodes["right"].astype(np.int64))
    return _Tree(left, right, nodes["feature_idx"].astype(np.int64), nodes["num_threshold"], nodes["value"])


def _in_breadth(tree: _Tree) -> tuple[Integers, Floats, Integers, Floats, int]:
    """Feature, threshold, left child and value in breadth-first order, so that a right child follows its left sibling.

    And the tree's depth.
    """
    order, depths = [0], [0]
    left_of: list[int] = []
    for place, node in enumerate(order):
        inner = tree.left[node] >= 0
        left_of.append(len(order) if inner else place)
        if inner:
            order += [int(tree.left[node]), int(tree.right[node])]
            depths += [depths[place] + 1] * 2
    nodes = np.asarray(order)
    is_leaf = tree.left[nodes] < 0
    return (
        np.where(is_leaf, 0, tree.feature[nodes]).astype(np.int64),
        _round_down(np.where(is_leaf, np.inf, tree.threshold[nodes])),
        np.asarray(left_of, dtype=np.int64),
        tree.value[nodes].astype(np.float32),
        depths[-1],
    )


def _round_down(thresholds: Doubles) -> Floats:
    """Float32 thresholds that split float32 values exactly as the float64 ones do (`value > threshold`)."""
    rounded = thresholds.astype(np.float32)
    lower = np.nextafter(rounded, np.float32(-np.inf), dtype=np.float32)
    return np.where(rounded.astype(np.float64) > thresholds, lower, rounded).astype(np.float32)
