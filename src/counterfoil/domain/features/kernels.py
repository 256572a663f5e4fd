"""The compiled loops of the fold. They know sorted integers only: no columns, no names, no Arrow.

`tick` are microseconds, in the order of (entity, time, id). A group is one entity: positions `starts[g]` to
`starts[g + 1]`. `row` is a position's row in the table. A window is `[left, position]`; each kernel evaluates it where
`wanted` says so (by row) and writes to `out[column, row]`; NaN stays where there is no value.
"""

import numba
import numpy as np

from counterfoil.domain.arrays import Doubles, Flags, Integers
from counterfoil.domain.features import aggregates

_compiled = numba.njit(cache=True, nogil=True)
_payments_value = _compiled(aggregates.payments_value)
_amounts_value = _compiled(aggregates.amounts_value)
_largest_value = _compiled(aggregates.largest_value)
_labels_value = _compiled(aggregates.labels_value)


@_compiled
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


@_compiled
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


@_compiled
def overfull(tick: Integers, starts: Integers, window: int, kept: int, row: Integers, full: Flags) -> None:
    """Set `full` (by row) where more than `kept` payments before a payment are in its window."""
    for g in range(len(starts) - 1):
        for i in range(starts[g] + kept + 1, starts[g + 1]):
            full[row[i]] = tick[i - kept - 1] > tick[i] - window


@_compiled
def payments(
    tick: Integers, left: Integers, quarter: Integers, so_far: Integers, window: int,
    row: Integers, wanted: Flags, codes: Integers, itself: Flags, columns: Integers, out: Doubles,
) -> None:  # fmt: skip
    """Values of Family.PAYMENTS. `so_far[q, i]` is how many positions before i are of quarter q, if any asks."""
    for i in range(len(row)):
        if not wanted[row[i]]:
            continue
        alike = since = 0
        if left[i] < i:
            since = tick[i] - tick[i - 1]
            if so_far.shape[1]:
                alike = so_far[quarter[i], i] - so_far[quarter[i], left[i]]
        for k in range(len(codes)):
            count = i - left[i] + (1 if itself[k] else 0)
            out[columns[k], row[i]] = _payments_value(codes[k], count, alike, since, window)


@_compiled
def amounts(
    minor: Integers, has: Flags, left: Integers, count: Integers, total: Integers, squares: Integers,
    row: Integers, wanted: Flags, codes: Integers, itself: Flags, columns: Integers, out: Doubles,
) -> None:  # fmt: skip
    """Values of Family.AMOUNTS, from running sums before each position (one more than there are positions).

    `total` has the sums' halves above and below 2**32, `squares` those of each 30 bits, least first: they are exact.
    """
    for i in range(len(row)):
        if not wanted[row[i]]:
            continue
        for k in range(len(codes)):
            end = i + 1 if itself[k] else i
            start = left[i]
            value = (total[0, end] - total[0, start]) * 4294967296.0 + (total[1, end] - total[1, start])
            square = 0.0
            for limb in range(len(squares) - 1, -1, -1):
                square = square * 1073741824.0 + (squares[limb, end] - squares[limb, start])
            out[columns[k], row[i]] = _amounts_value(
                codes[k], minor[i], has[i], count[end] - count[start], value, square
            )


@_compiled
def largest(
    minor: Integers, has: Flags, starts: Integers, left: Integers,
    row: Integers, wanted: Flags, codes: Integers, itself: Flags, columns: Integers, out: Doubles,
) -> None:  # fmt: skip
    """Values of Family.LARGEST of several windows: `left[w]` is that of the column at place w.

    `falling` keeps the positions whose amount no later one reaches. The first of them in a window is its largest.
    """
    falling = np.empty(len(row), np.int64)
    for g in range(len(starts) - 1):
        height = 0
        for i in range(starts[g], starts[g + 1]):
            for turn in range(2):
                for k in range(len(codes)):
                    if itself[k] == (turn == 1) and wanted[row[i]]:
                        low, high = 0, height
                        while low < high:
                            middle = (low + high) // 2
                            if falling[middle] < left[k, i]:
                                low = middle + 1
                            else:
                                high = middle
                        found = low < height
                        amount = minor[falling[low]] if found else 0
                        out[columns[k], row[i]] = _largest_value(codes[k], minor[i], has[i], found, amount)
                if turn == 0 and has[i]:
                    while height and minor[falling[height - 1]] <= minor[i]:
                        height -= 1
                    falling[height] = i
                    height += 1


@_compiled
def distinct(
    other: Integers, others: int, starts: Integers, left: Integers, kept: int,
    row: Integers, wanted: Flags, column: int, out: Doubles,
) -> None:  # fmt: skip
    """How many codes of `other` (below `others`; -1 is none) are in the window, of the last `kept` and this payment."""
    times = np.zeros(others, np.int64)
    for g in range(len(starts) - 1):
        first, count = starts[g], 0
        for i in range(starts[g], starts[g + 1]):
            if other[i] >= 0:
                times[other[i]] += 1
                count += times[other[i]] == 1
            while first < left[i] or first < i - kept:
                if other[first] >= 0:
                    times[other[first]] -= 1
                    count -= times[other[first]] == 0
                first += 1
            if wanted[row[i]]:
                out[column, row[i]] = count
        for i in range(first, starts[g + 1]):
            if other[i] >= 0:
                times[other[i]] = 0


@_compiled
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


@_compiled
def labels(
    ended: Integers, arrived: Integers,
    row: Integers, wanted: Flags, codes: Integers, columns: Integers, out: Doubles,
) -> None:  # fmt: skip
    """Values of Family.LABELS, of the counts at each position."""
    for i in range(len(row)):
        if wanted[row[i]]:
            for k in range(len(codes)):
                out[columns[k], row[i]] = _labels_value(codes[k], ended[i], arrived[i])
