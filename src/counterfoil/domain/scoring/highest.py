"""The compiled loop that finds the candidates of a comparison."""

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
