"""The nearest of many unit vectors without looking at all of them, and still exactly those.

The vectors are projected on their principal axes and cut into the leaves of a k-d tree (Bentley 1975). How far a vector
lies off these axes is one more coordinate: a query that is unlike all of them lies far off. No two vectors are further
apart in these coordinates than they are. So the distance of a query to the box around a leaf, and then to each vector's
place, says from below how far the vector is; only one that may be among the nearest is compared in full. How many axes
there are changes the time, and never what is found.
"""

from dataclasses import dataclass

import numpy as np

from counterfoil.domain.arrays import Doubles, Floats, Integers

AXES = 79
"""More say more of a distance, and take more memory: a third of the vectors' with these. Of 200,000 frauds grown from
the demo's some payments compared 9,000 in full with 47 axes, and a tenth of them with 95."""
STEP = 8
"""A leaf is given up between so many coordinates."""
LEAF = 64
"""Vectors of a leaf."""
FIRST_LEAVES = 64
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
    """Where vectors lie that are to be searched, leaf by leaf.

    `axes` is (dimensions, axes), orthonormal, and `centre` (dimensions,)
    is where they meet. `low` and `high` (coordinates, leaves) are the boxes, and
    `places` (leaves, coordinates, LEAF) are the vectors'; what fills up the last leaf repeats its last vector.
    """

    axes: Doubles
    centre: Doubles
    low: Floats
    high: Floats
    places: Floats

    @classmethod
    def of(cls, vectors: Floats) -> "tuple[Leaves, Integers] | None":
        """Cut vectors (rows, dimensions) into leaves; return these, and the rows in their order.

        None if there are no vectors or their length is not 1.
        """
        if not len(vectors) or np.abs(np.linalg.norm(vectors, axis=1) - 1.0).max() > UNIT:
            return None
        axes, centre = _principal_axes(vectors)
        parts = range(0, len(vectors), SAMPLED)
        places = np.concatenate([_places(vectors[part : part + SAMPLED], axes, centre) for part in parts])
        order = _leaf_by_leaf(places)
        filled = np.append(order, np.repeat(order[-1:], -len(order) % LEAF))
        leaves = places[filled].reshape(-1, LEAF, places.shape[1])
        low, high = (np.ascontiguousarray(end(leaves, axis=1).T) for end in (np.min, np.max))
        return cls(axes, centre, low, high, np.ascontiguousarray(leaves.transpose(0, 2, 1))), order

    def nearest(self, vectors: Floats, query: Floats, most: int) -> Integers:
        """The rows of the `most` vectors with the largest products with a query (dimensions,), the largest first.

        The vectors are those that the leaves were made of, in their order, and at least `most`.
        """
        from counterfoil.domain.scoring.highest import box_distances, highest_in_leaves

        [place] = _places(query[None], self.axes, self.centre)
        apart = np.empty(self.low.shape[1], np.float32)
        box_distances(place, self.low, self.high, apart)
        ranked = np.argsort(-np.abs(place))  # what is unusual of a query is most of its distance from most vectors
        found, products = np.empty(most, np.int64), np.full(most, -np.inf, np.float32)
        first = np.argpartition(apart, FIRST_LEAVES)[:FIRST_LEAVES] if len(apart) > FIRST_LEAVES else np.arange(0)
        others = np.ones(len(apart), np.bool_)
        others[first] = False
        for leaves in (first, np.flatnonzero(others)):
            highest_in_leaves(
                leaves, apart, query, place, self.places, vectors, ranked, STEP, SLACK, products, found
            )  # fmt: skip
        return found


def _principal_axes(vectors: Floats) -> tuple[Doubles, Doubles]:
    """The first principal axes of a sample, and its centre."""
    some = vectors[:: -(-len(vectors) // SAMPLED)].astype(np.float64)
    centre = some.mean(axis=0)
    _, axes = np.linalg.eigh((some - centre).T @ (some - centre))
    return np.ascontiguousarray(axes[:, ::-1][:, :AXES]), centre


def _places(vectors: Floats, axes: Doubles, centre: Doubles) -> Floats:
    """How far vectors lie off the axes, then where along them, (rows, coordinates): zeros make whole steps of them."""
    centred = vectors.astype(np.float64) - centre  # in float64, since the first is a small difference of large numbers
    along = centred @ axes
    off = np.sqrt(np.maximum((centred**2).sum(axis=1) - (along**2).sum(axis=1), 0.0))
    filling = np.zeros((len(vectors), -(1 + axes.shape[1]) % STEP))
    return np.hstack([off[:, None], along, filling]).astype(np.float32)


def _leaf_by_leaf(places: Floats) -> Integers:
    """The rows in the order of the leaves: cut in two by what they differ in most, again and again."""
    waiting, done = [np.arange(len(places))], []
    while waiting:
        rows = waiting.pop()
        if len(rows) <= LEAF:
            done.append(rows)
            continue
        which = places[rows[:: -(-len(rows) // LOOKED_AT)]].var(axis=0).argmax()
        half = -(-len(rows) // (2 * LEAF)) * LEAF  # whole leaves before it
        ordered = rows[np.argpartition(places[rows, which], half - 1)]
        waiting += [ordered[half:], ordered[:half]]
    return np.concatenate(done)
