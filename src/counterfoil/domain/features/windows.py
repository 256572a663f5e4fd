"""The compiled loops that put payments together by entity, find where windows begin, and put values into rows.

They know sorted integers only: no columns, no names, no Arrow. `tick` are microseconds, in the order of (entity, time,
id). A group is one entity: positions `starts[g]` to `starts[g + 1]`. `row` is a position's row in the table.
"""

import numpy as np

from counterfoil.domain.arrays import Doubles, Flags, Integers
from counterfoil.domain.compiled import compiled


@compiled
def grouped(row: Integers, code: Integers, codes: int) -> Integers:
    """Sort rows by their code, below `codes`; those of one code stay in order. Rows with code -1 are left out."""
    place = np.zeros(codes + 1, np.int64)
    for r in row:
        if code[r] >= 0:
            place[code[r] + 1] += 1
    for c in range(codes):
        place[c + 1] += place[c]
    found = np.empty(place[codes], np.int64)
    for r in row:
        c = code[r]
        if c >= 0:
            found[place[c]] = r
            place[c] += 1
    return found


@compiled
def lefts(tick: Integers, starts: Integers, window: int, row: Integers, full: Flags, tile: int, left: Integers) -> None:
    """Set `left` to the first position of each position's window `(t - window, t]`.

    Where `full` (by row; empty if it is nowhere), the window begins with the whole tile that `t - window` falls in.
    """
    for g in range(len(starts) - 1):
        exact = whole = starts[g]
        for i in range(starts[g], starts[g + 1]):
            edge = tick[i] - window
            while tick[exact] <= edge:
                exact += 1
            left[i] = exact
            if len(full) and full[row[i]]:
                edge = (edge + 1) // tile * tile
                while tick[whole] < edge:
                    whole += 1
                left[i] = whole


@compiled
def overfull(tick: Integers, starts: Integers, window: int, kept: int, row: Integers, full: Flags) -> None:
    """Set `full` (by row) where more than `kept` payments before a payment are in its window."""
    for g in range(len(starts) - 1):
        for i in range(starts[g] + kept + 1, starts[g + 1]):
            full[row[i]] = tick[i - kept - 1] > tick[i] - window


@compiled
def up_to(
    ask: Integers, asks: Integers, tick: Integers, starts: Integers, behind: Integers, kept: int, tile: int,
    found: Integers,
) -> None:  # fmt: skip
    """Set `found[i]` to the first position in `tick` (sorted within groups) that is later than `ask[i]`.

    `asks` are the groups' starts in `ask`, which is sorted too. Where more than `kept` positions lie from there to
    `behind[i]`, those of the whole tile that `ask[i]` falls in are counted as later.
    """
    for g in range(len(starts) - 1):
        exact = whole = starts[g]
        end = starts[g + 1]
        for i in range(asks[g], asks[g + 1]):
            while exact < end and tick[exact] <= ask[i]:
                exact += 1
            found[i] = exact
            if behind[i] - exact > kept:
                edge = (ask[i] + 1) // tile * tile
                while whole < end and tick[whole] < edge:
                    whole += 1
                found[i] = whole


@compiled
def put(rows: Integers, values: Doubles, out: Doubles) -> None:
    """Set `out[rows[i]]` to `values[i]`; numpy's indexing takes twice as long."""
    for i in range(len(rows)):
        out[rows[i]] = values[i]
