"""The compiled loops that find the candidates of a comparison."""

import numpy as np

from counterfoil.domain.arrays import Floats, Integers
from counterfoil.domain.compiled import compiled


@compiled
def highest(similarity: Floats, count: int, most: int, out: Integers) -> None:
    """Set `out[row]` to the columns of the `most` highest of the first `count`, highest first; equal ones in order.

    `count` is at least `most`. A column is looked at once: hardly any is among the highest so far.
    """
    values = np.empty(most, np.float32)
    for row in range(len(similarity)):
        found = 0
        for column in range(count):
            value = similarity[row, column]
            if found == most and value <= values[most - 1]:
                continue
            place = min(found, most - 1)
            found = min(found + 1, most)
            while place > 0 and values[place - 1] < value:
                values[place] = values[place - 1]
                out[row, place] = out[row, place - 1]
                place -= 1
            values[place] = value
            out[row, place] = column


@compiled
def box_distances(place: Floats, low: Floats, high: Floats, out: Floats) -> None:
    """Set `out[box]` to the squared distance of a place (axes,) to each box from `low` to `high` (axes, boxes)."""
    out[:] = 0
    for axis in range(len(place)):
        for box in range(len(out)):
            outside = max(max(low[axis, box] - place[axis], place[axis] - high[axis, box]), np.float32(0))
            out[box] += outside * outside


@compiled
def _product(one: Floats, other: Floats) -> np.float32:
    """The product of two vectors, in four sums side by side."""
    a = b = c = d = np.float32(0)
    whole = len(one) // 4 * 4
    for place in range(0, whole, 4):
        a += one[place] * other[place]
        b += one[place + 1] * other[place + 1]
        c += one[place + 2] * other[place + 2]
        d += one[place + 3] * other[place + 3]
    for place in range(whole, len(one)):
        a += one[place] * other[place]
    return (a + b) + (c + d)


@compiled
def highest_in_leaves(
    leaves: Integers, apart: Floats, query: Floats, place: Floats, places: Floats, vectors: Floats,
    ranked: Integers, step: int, slack: np.float32, products: Floats, out: Integers,
) -> None:  # fmt: skip
    """Put the vectors of some leaves into the highest `products` so far, highest first, and their rows into `out`.

    Names are those of `leaves.Leaves`; `apart` are the squared distances to the boxes, and `ranked` are the
    coordinates in the order in which they are looked at, between `step` of which a leaf may be given up.
    The vectors are of length 1, so one is nearer than the last so far if its squared distance is less than
    |query|^2 + 1 - 2 * that product.
    """
    axes, size, last = places.shape[1], places.shape[2], len(products) - 1
    lengths = _product(query, query) + np.float32(1) + slack
    distance = np.empty(size, np.float32)
    for leaf in leaves:
        nearer = lengths - np.float32(2) * products[last]
        if apart[leaf] > nearer:
            continue
        distance[:] = 0
        for start in range(0, axes, step):
            for axis in ranked[start : start + step]:
                for one in range(size):
                    along = places[leaf, axis, one] - place[axis]
                    distance[one] += along * along
            near = 0
            for one in range(size):
                near += distance[one] <= nearer
            if near == 0:
                break
        if near == 0:
            continue
        for one in range(min(size, len(vectors) - leaf * size)):
            if distance[one] > nearer:
                continue
            row = leaf * size + one
            product = _product(query, vectors[row])
            if product <= products[last]:
                continue
            rank = last
            while rank > 0 and products[rank - 1] < product:
                products[rank], out[rank] = products[rank - 1], out[rank - 1]
                rank -= 1
            products[rank], out[rank] = product, row
            nearer = lengths - np.float32(2) * products[last]
