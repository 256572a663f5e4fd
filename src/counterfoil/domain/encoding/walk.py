"""The compiled loops of the encoder: the walk through flat trees, from the roots to the leaves, and curves."""

from counterfoil.domain.arrays import Doubles, Floats, Integers
from counterfoil.domain.compiled import compiled

_ROWS = 64
"""Rows that go through one tree after the other: they and a tree fit into a processor's nearest cache."""


@compiled
def _leaf(root: int, row: Floats, feature: Integers, threshold: Floats, left: Integers) -> int:
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
                out[row, tree] = value[_leaf(roots[tree], rows[row], feature, threshold, left)]


@compiled
def sums(
    rows: Floats, roots: Integers, feature: Integers, threshold: Floats, left: Integers, value: Floats, out: Doubles
) -> None:
    """Add to `out[row]` the values of the leaves that the row reaches, one tree after the other."""
    for start in range(0, len(rows), _ROWS):
        for tree in range(len(roots)):
            for row in range(start, min(start + _ROWS, len(rows))):
                out[row] += value[_leaf(roots[tree], rows[row], feature, threshold, left)]


@compiled
def curves(rows: Doubles, xs: Doubles, ys: Doubles, out: Doubles) -> None:
    """Set `out[row, column]` to `numpy.interp` of the column's curve `xs[column]`, `ys[column]`, to the bit."""
    last = xs.shape[1] - 1
    for row in range(len(rows)):
        for column in range(len(xs)):
            value = rows[row, column]
            x, y = xs[column], ys[column]
            if last == 0 or value < x[0]:
                out[row, column] = y[0]
                continue
            if value != value:  # NaN
                out[row, column] = value
                continue
            low, high = 0, last + 1
            while low < high:
                middle = (low + high) // 2
                if x[middle] <= value:
                    low = middle + 1
                else:
                    high = middle
            place = low - 1
            if place == last or x[place] == value:
                out[row, column] = y[place]
            else:
                out[row, column] = (y[place + 1] - y[place]) / (x[place + 1] - x[place]) * (value - x[place]) + y[place]
