"""The compiled loops of the encoder: the walk through flat trees, from the roots to the leaves, and curves.

A walk is a chain of loads, each of which waits for the one before. So many walks go side by side, one step at a time:
those of many rows through one tree, or those of few rows through many trees. Each makes as many steps as the deepest
needs, since a leaf leads to itself; without a branch a processor has dozens of them under way.
"""

import numpy as np
import numpy.typing as npt

from counterfoil.domain.arrays import Doubles, Floats, Integers
from counterfoil.domain.compiled import compiled

Places = npt.NDArray[np.uint32]
"""Positions of nodes, or what a node says: where it leads and which column it asks, (nodes, 2)."""

_WALKS = 64
"""Walks side by side: what they stand on stays in a processor's nearest cache."""
_FEW_ROWS = 16
"""So many rows at most go through many trees at once each."""


@compiled
def _rows_to_leaves(rows: Floats, root: int, depth: int, leads: Places, threshold: Floats, at: Places) -> None:
    """Set `at[row]` to the leaf that each row reaches from a root in `depth` steps."""
    count = len(rows)
    at[:count] = root
    for _ in range(depth):
        for row in range(count):
            node = at[row]
            at[row] = leads[node, 0] + np.uint32(rows[row, leads[node, 1]] > threshold[node])


@compiled
def _row_to_leaves(
    row: Floats, roots: Integers, depths: Integers, leads: Places, threshold: Floats, at: Places
) -> None:
    """Set `at[tree]` to the leaf that a row reaches from each root."""
    count = len(roots)
    at[:count] = roots
    for _ in range(depths.max()):
        for tree in range(count):
            node = at[tree]
            at[tree] = leads[node, 0] + np.uint32(row[leads[node, 1]] > threshold[node])


@compiled
def add_values(
    rows: Floats, roots: Integers, depths: Integers, leads: Places, threshold: Floats, value: Floats,
    out: Floats | Doubles, apart: int,
) -> None:  # fmt: skip
    """Add to `out[row, tree * apart]` the value of the leaf that the row reaches in each tree, in the trees' order.

    So `apart` is 1 for a column of each tree's own, and 0 for their sum. Other names are those of `trees.FlatTrees`.
    """
    at = np.empty(_WALKS, np.uint32)
    if len(rows) <= _FEW_ROWS:
        for row in range(len(rows)):
            for start in range(0, len(roots), _WALKS):
                end = min(start + _WALKS, len(roots))
                _row_to_leaves(rows[row], roots[start:end], depths[start:end], leads, threshold, at)
                for tree in range(start, end):
                    out[row, tree * apart] += value[at[tree - start]]
        return
    for start in range(0, len(rows), _WALKS):
        end = min(start + _WALKS, len(rows))
        for tree in range(len(roots)):
            _rows_to_leaves(rows[start:end], roots[tree], depths[tree], leads, threshold, at)
            for row in range(start, end):
                out[row, tree * apart] += value[at[row - start]]


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
