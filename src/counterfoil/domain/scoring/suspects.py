"""References whose label the others contradict: each is judged as a payment would be, by all references but itself."""

import numpy as np

from counterfoil.domain.arrays import Doubles, Floats, Integers, Labels
from counterfoil.domain.scoring.compare import NOTHING, References, Side
from counterfoil.domain.scoring.signal import margin


def margins_of_others(vectors: Floats, labels: Labels, k: int, references: References | None = None) -> Doubles:
    """The margin of each reference by the k nearest others of both sides, (rows,).

    `vectors` are unit rows, `labels` 1 or 0; `references` are the same made ready, where that was done before.
    """
    compared = (references or References(vectors, labels)).compare(vectors, k + 1)
    own = np.arange(len(labels))
    fraud, good = (_nearest_others(side, own, k) for side in (compared.fraud, compared.good))
    return margin(fraud, good)


def _nearest_others(side: Side, own: Integers, k: int) -> Doubles:
    """The mean cosine to the k nearest, without the reference itself; -1 where there is no other."""
    there = (side.similarity > NOTHING) & (side.position != own[:, None])
    ordered = -np.sort(-np.where(there, side.similarity, NOTHING), axis=1)[:, :k]
    found = ordered > NOTHING
    total = np.where(found, ordered, 0.0).sum(axis=1)
    return np.where(found.any(axis=1), total / np.maximum(found.sum(axis=1), 1), -1.0)
