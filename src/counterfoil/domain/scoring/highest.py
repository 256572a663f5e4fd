"""The compiled loops of a comparison: candidates by their products, then the nearest of them by their distances.

The product only finds the candidates. Its rounding depends on how many rows are compared at once, and one in 1e7 of a
cosine moves the signal of a payment that is nearly a copy of a reference. So the cosines of the nearest are taken again
from differences, which makes a score the same alone and among others.
"""

import numpy as np

from counterfoil.domain.arrays import Doubles, Floats, Integers
from counterfoil.domain.compiled import compiled, compiled_in_any_order

_GROUPS = 64
"""The best of so many groups of products say which ones may be among the highest."""
_ROOM = 4
"""So many times as many candidates as are asked for are compared again; more of them are cut by their products."""


@compiled
def nearest(
    products: Floats, queries: Floats, vectors: Floats, lengths: Doubles, places: Integers, most: int,
    similarity: Doubles, position: Integers,
) -> None:  # fmt: skip
    """Set `similarity[row]` to the highest cosines of a query to the vectors, highest first; equal ones in order.

    `products` (rows, vectors) have the `most` highest of each row among them that are compared again, at least.
    `lengths` are the vectors' and `places` what `position[row]` says of each. What has no vector stays as it is.
    """
    best, candidates = np.empty(_GROUPS, np.float32), np.empty(_ROOM * most, np.int64)
    values, cosines = np.empty(most, np.float32), np.empty(len(candidates))
    for row in range(len(products)):
        found = _likely(products[row], most, best, candidates)
        if found > len(candidates):
            found = _highest(products[row], values, candidates)
        _rank(
            candidates[:found], queries[row], vectors, lengths, places, cosines, similarity[row], position[row]
        )  # fmt: skip


@compiled
def rank(
    candidates: Integers, query: Floats, vectors: Floats, lengths: Doubles, places: Integers, similarity: Doubles,
    position: Integers,
) -> None:  # fmt: skip
    """The same of some candidates (rows of the vectors) and one query: `similarity` and `position` are its rows."""
    _rank(candidates, query, vectors, lengths, places, np.empty(len(candidates)), similarity, position)


@compiled
def _likely(products: Floats, most: int, best: Floats, candidates: Integers) -> int:
    """Put the columns that may be among the `most` highest into `candidates`, in order; return how many there are.

    As many of the groups' bests as are asked for are so many products, so nothing below the last of them is among the
    highest. More than `candidates` has room for are not listed.
    """
    count = len(products)
    whole = count // _GROUPS * _GROUPS
    best[:] = -np.inf
    for start in range(0, whole, _GROUPS):
        for group in range(_GROUPS):
            if products[start + group] > best[group]:
                best[group] = products[start + group]
    for column in range(whole, count):
        best[column - whole] = max(best[column - whole], products[column])
    least = np.float32(np.inf if most <= _GROUPS else -np.inf)
    for group in range(_GROUPS):
        higher = 0
        for other in range(_GROUPS):
            higher += best[other] > best[group]
        if higher < most and best[group] < least:
            least = best[group]
    found = 0
    for column in range(count):
        if products[column] >= least:
            if found < len(candidates):
                candidates[found] = column
            found += 1
    return found


@compiled
def _highest(products: Floats, values: Floats, candidates: Integers) -> int:
    """Put the columns of the highest products into `candidates`, highest first; return how many: as many as `values`.

    There are at least so many products. A column is looked at once: hardly any is among the highest so far.
    """
    found, most = 0, len(values)
    for column in range(len(products)):
        value = products[column]
        if found == most and value <= values[most - 1]:
            continue
        place = min(found, most - 1)
        found = min(found + 1, most)
        while place > 0 and values[place - 1] < value:
            values[place], candidates[place] = values[place - 1], candidates[place - 1]
            place -= 1
        values[place], candidates[place] = value, column
    return found


@compiled_in_any_order
def _squared_distance(one: Floats, other: Floats) -> np.float32:
    total = np.float32(0)
    for place in range(len(one)):
        apart = one[place] - other[place]
        total += apart * apart
    return total


@compiled_in_any_order
def _squared_length(one: Floats) -> float:
    total = 0.0
    for place in range(len(one)):
        total += np.float64(one[place]) * np.float64(one[place])
    return total


@compiled
def _rank(
    candidates: Integers, query: Floats, vectors: Floats, lengths: Doubles, places: Integers, cosines: Doubles,
    similarity: Doubles, position: Integers,
) -> None:  # fmt: skip
    """Rank the candidates by their cosines; `cosines` has room for them.

    From |q - r|^2 = (|q| - |r|)^2 + 2 |q| |r| (1 - cosine): the error of a small distance is as small as itself.
    """
    length = np.sqrt(_squared_length(query))
    for one in range(len(candidates)):
        other = lengths[candidates[one]]
        apart = np.float64(_squared_distance(query, vectors[candidates[one]])) - (length - other) ** 2
        cosine = 1.0 - apart / max(2.0 * length * other, 1e-12) if length * other >= 1e-12 else 0.0
        cosines[one] = min(max(cosine, -2.0), 1.0)
    for one in range(len(candidates)):
        before = 0
        for other in range(len(candidates)):
            before += cosines[other] > cosines[one]
        for other in range(one):
            before += cosines[other] == cosines[one]
        if before < len(similarity):
            similarity[before] = cosines[one]
            position[before] = places[candidates[one]]


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
