"""The compiled walk through flat trees, from the roots to the leaves."""

from counterfoil.domain.arrays import Doubles, Floats, Integers
from counterfoil.domain.compiled import compiled

_ROWS = 64
"""Rows that go through one tree after the other: they and a tree fit into a processor's nearest cache."""


@compiled
def leaf(root: int, row: Floats, feature: Integers, threshold: Floats, left: Integers) -> int:
    """The leaf that a row reaches from a root."""
    node = root
    while left[node] != node:
        node = left[node] + (1 if row[feature[node]] > threshold[node] else 0)
    return node


@compiled
def values(
    rows: Floats, roots: Integers, feature: Integers, threshold: Floats, left: Integers, value: Floats, out: Floats
) -> None:
    """Set `out[row, tree]` to the value of the leaf that the row reaches in the tree."""
    for start in range(0, len(rows), _ROWS):
        for tree in range(len(roots)):
            for row in range(start, min(start + _ROWS, len(rows))):
                out[row, tree] = value[leaf(roots[tree], rows[row], feature, threshold, left)]


@compiled
def sums(
    rows: Floats, roots: Integers, feature: Integers, threshold: Floats, left: Integers, value: Floats, out: Doubles
) -> None:
    """Add to `out[row]` the values of the leaves that the row reaches, one tree after the other."""
    for start in range(0, len(rows), _ROWS):
        for tree in range(len(roots)):
            for row in range(start, min(start + _ROWS, len(rows))):
                out[row] += value[leaf(roots[tree], rows[row], feature, threshold, left)]
