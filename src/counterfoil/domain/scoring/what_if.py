"""What a comparison would be without one reference, or with it on the other side: exact, from one neighbour more.

A comparison with k + 1 neighbours holds all that is needed: where a reference leaves the k nearest of a side, number
k + 1 takes its place. A reference that changes sides is one more candidate of the other side, with its own cosine.
"""

from dataclasses import dataclass, replace

import numpy as np

from counterfoil.domain.arrays import Doubles
from counterfoil.domain.scoring.compare import NOTHING, Comparison, Side
from counterfoil.domain.scoring.signal import margin

ROUNDING = 1e-6
"""Scores keep cosines in single precision."""


@dataclass(frozen=True)
class Taken:
    """A reference that is taken from its side: its row in the table of references, and its label.

    With `moved`, its cosine to each payment (rows,), it stands on the other side then.
    """

    position: int
    label: int
    moved: Doubles | None = None


def margins_of(compared: Comparison, k: int) -> Doubles:
    """The margins by the k nearest of a comparison with k + 1, (rows,)."""
    return margin(_first(compared.fraud, k).mean, _first(compared.good, k).mean)


def margins_without(compared: Comparison, taken: Taken, k: int) -> Doubles:
    """The margins by the k nearest once a reference is taken away or moved, of a comparison with k + 1, (rows,)."""
    own, other = (compared.fraud, compared.good) if taken.label == 1 else (compared.good, compared.fraud)
    own = _without(own, taken.position)
    other = other if taken.moved is None else _with(other, taken.moved)
    fraud, good = (own, other) if taken.label == 1 else (other, own)
    return margin(_first(fraud, k).mean, _first(good, k).mean)


def most_moved(compared: Comparison, k: int) -> Doubles:
    """The most that the mean similarity of a side can move where one of its references is taken away, (rows,).

    The nearest leaves and number k + 1 comes: their difference, shared by k. Of two sides the greater.
    """
    moves = [(side.similarity[:, 0] - np.maximum(side.similarity[:, k], -1.0)) / k
             for side in (compared.fraud, compared.good)]  # fmt: skip
    return np.asarray(np.maximum(*moves))


def least_similar(similarity: Doubles, number_k: float) -> Doubles:
    """The least cosine that any of a payment's k nearest can have once a reference is taken from a side, (rows,).

    `similarity` are the payments' cosines to the reference, `number_k` is that of the reference to the k-th nearest of
    its side. These k are no further from a payment than the two angles together, so k as near as that remain.
    """
    own, theirs = (np.arccos(np.clip(np.asarray(cosine) - ROUNDING, -1.0, 1.0)) for cosine in (similarity, number_k))
    return np.asarray(np.cos(np.minimum(own + theirs, np.pi)))


def _first(side: Side, k: int) -> Side:
    return replace(side, similarity=side.similarity[:, :k], position=side.position[:, :k])


def _without(side: Side, position: int) -> Side:
    gone = (side.position == position) & (side.similarity > NOTHING)
    return _sorted(side, np.where(gone, NOTHING, side.similarity))


def _with(side: Side, cosine: Doubles) -> Side:
    return _sorted(side, np.hstack([side.similarity, cosine[:, None]]))


def _sorted(side: Side, similarity: Doubles) -> Side:
    """The highest first; positions are not followed."""
    ordered = -np.sort(-similarity, axis=1)
    return replace(side, similarity=ordered, position=np.zeros(ordered.shape, np.int64))
