"""Mean cosines to the nearest references, to judge many mixtures by.

Scoring names precedents and gives a payment the same cosines alone as among others (`scoring.compare`). Here neither is
needed: a matrix product and a partial sort are enough, and take a tenth of the time.
"""

from collections.abc import Sequence

import numpy as np

from counterfoil.domain.arrays import Doubles, Floats

BLOCK_ROWS = 1024
"""So many rows are compared at once: their cosines stay in the processor's cache."""


def mean_cosines(asked: Floats, references: Floats, neighbours: Sequence[int]) -> dict[int, Doubles]:
    """The mean cosine of each row to its nearest references, (rows,), by how many of them; -1 without references.

    `asked` and `references` are unit rows. Where there are fewer references all count.
    """
    most = min(max(neighbours), len(references))
    if most == 0:
        return {k: np.full(len(asked), -1.0) for k in neighbours}
    nearest = np.empty((len(asked), most), dtype=np.float64)
    for start in range(0, len(asked), BLOCK_ROWS):
        cosines = asked[start : start + BLOCK_ROWS] @ references.T
        highest = np.partition(cosines, len(references) - most, axis=1)[:, len(references) - most :]
        nearest[start : start + BLOCK_ROWS] = -np.sort(-highest, axis=1)
    return {k: nearest[:, :k].mean(axis=1) for k in neighbours}
