"""The nearest of many unit vectors without looking at all of them, and still exactly those.

The vectors are projected on their principal axes and cut into the leaves of a k-d tree (Bentley 1975). A projection
never lengthens a distance. So the distance of a query to the box around a leaf, and then to each vector along the axes
alone, says from below how far the vector is; only one that may be among the nearest is compared in full. The more
its first axes tell, the less is compared: how many they are changes the time, and never what is found.
"""

from dataclasses import dataclass

import numpy as np

from counterfoil.domain.arrays import Doubles, Floats, Integers

AXES = 48
"""More would say more of a distance, and take longer to read. Of a million references grown from the demo's a query
compares some 5,000 in full with 32 axes and some 2,000 with 48."""
STEP = 8
"""A leaf is given up between so many axes."""
LEAF = 64
"""Vectors of a leaf."""
FIRST_LEAVES = 16
"""So many of the nearest leaves are looked at first, wherever they lie: the others are then read in their order."""
SAMPLED = 20_000
"""The axes are those of so many vectors."""
LOOKED_AT = 1_000
"""Where the tree is cut is chosen by so many."""
SLACK = np.float32(1e-4)
"""Added to the squared distance within which something may be nearest: more than all rounding in float32 can be."""
UNIT = 1e-4
"""Lengths differ from 1 by less, or the largest product would not be the smallest distance."""


@dataclass(frozen=True)
class Leaves:
    """Vectors ready to be searched.

    `vectors` are all of them, (rows, dimensions). `axes` is (dimensions, axes) and `centre` what is subtracted on
    them. `order` has the rows leaf by leaf, `low` and `high` (axes, leaves) are the boxes, and `projected`
    (leaves, axes, LEAF) are the places on the axes; what fills up the last leaf repeats its last vector.
    """

    vectors: Floats
    axes: Floats
    centre: Floats
    order: Integers
    low: Floats
    high: Floats
    projected: Floats

    @classmethod
    def of(cls, vectors: Floats) -> "Leaves | None":
        """Cut these vectors into leaves; None if they are none or their length is not 1."""
        if not len(vectors) or np.abs(np.linalg.norm(vectors, axis=1) - 1.0).max() > UNIT:
            return None
        axes = _principal_axes(vectors)
        projected = vectors @ axes
        centre = projected.mean(axis=0, dtype=np.float64).astype(np.float32)
        projected -= centre
        order = _leaf_by_leaf(projected)
        filled = np.append(order, np.repeat(order[-1:], -len(order) % LEAF))
        leaves = projected[filled].reshape(-1, LEAF, axes.shape[1])
        low, high = (np.ascontiguousarray(end(leaves, axis=1).T) for end in (np.min, np.max))
        return cls(vectors, axes, centre, order, low, high, np.ascontiguousarray(leaves.transpose(0, 2, 1)))

    def nearest(self, query: Floats, most: int) -> Integers:
        """The rows of the `most` vectors with the largest products with a query (dimensions,), the largest first.

        There are at least `most` vectors.
        """
        from counterfoil.domain.scoring.highest import box_distances, highest_in_leaves

        place = query @ self.axes - self.centre
        apart = np.empty(self.low.shape[1], np.float32)
        box_distances(place, self.low, self.high, apart)
        found, products = np.empty(most, np.int64), np.full(most, -np.inf, np.float32)
        first = np.argpartition(apart, FIRST_LEAVES)[:FIRST_LEAVES] if len(apart) > FIRST_LEAVES else np.arange(0)
        others = np.ones(len(apart), np.bool_)
        others[first] = False
        for leaves in (first, np.flatnonzero(others)):
            highest_in_leaves(
                leaves, apart, query, place, self.projected, self.vectors, self.order, STEP, SLACK, products, found
            )
        return found


def _principal_axes(vectors: Floats) -> Floats:
    """The first principal axes of a sample, filled up with zeros to whole steps."""
    some = vectors[:: -(-len(vectors) // SAMPLED)].astype(np.float64)
    centred = some - some.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    chosen: Doubles = axes[:, ::-1][:, :AXES]
    return np.ascontiguousarray(np.pad(chosen, ((0, 0), (0, -chosen.shape[1] % STEP))), np.float32)


def _leaf_by_leaf(projected: Floats) -> Integers:
    """The rows in the order of the leaves: cut in two on the axis on which they differ most, again and again."""
    waiting, done = [np.arange(len(projected))], []
    while waiting:
        rows = waiting.pop()
        if len(rows) <= LEAF:
            done.append(rows)
            continue
        axis = projected[rows[:: -(-len(rows) // LOOKED_AT)]].var(axis=0).argmax()
        half = -(-len(rows) // (2 * LEAF)) * LEAF  # whole leaves before it
        ordered = rows[np.argpartition(projected[rows, axis], half - 1)]
        waiting += [ordered[half:], ordered[:half]]
    return np.concatenate(done)
