"""The formulas of all aggregates, and the compiled loops that give them a window's statistics.

A formula knows an aggregate by its code, and gives NaN where the value is null. Amounts are integers of 1/10,000 of a
unit of the currency, times are microseconds. The loops are those of a whole table, by position in the order of (entity,
time, id), and that of one payment (`newest`). A window is `[left, position]`; it is evaluated where `wanted` says so
(by row), into `out[column, row]`. All is in one file: what is compiled is kept until its own file changes.
"""

import math

import numpy as np

from counterfoil.domain.arrays import Doubles, Flags, Integers
from counterfoil.domain.compiled import compiled

_COUNT, _FIRST, _SHARE, _SINCE = 0, 1, 2, 3
_SUM, _MEAN, _STD, _TO_MEAN, _DEVIATIONS = 0, 1, 2, 3, 4
_LARGEST, _TO_LARGEST = 0, 1
_ENDED, _RATE, _FRAUDS, _JUDGED = 0, 1, 2, 3

_SECOND = 1_000_000
_UNIT = 10_000.0

_PAYMENTS, _AMOUNTS, _OF_LARGEST, _ACCOUNTS, _MERCHANTS = range(5)
"""The families, in the order of `aggregates.Family`; the last is of labels."""


@compiled
def _payments_value(code: int, payments: int, alike: int, since: int, window: int) -> float:
    """A value of Family.PAYMENTS; `since` the last payment and `window` are in microseconds."""
    if code == _COUNT:
        return float(payments)
    if code == _FIRST:
        return 1.0 if payments == 0 else 0.0
    if code == _SHARE:
        return alike / payments if payments else math.nan
    return (since if payments else window) / _SECOND


@compiled
def _amounts_value(code: int, amount: int, has_amount: bool, count: int, total: float, squares: float) -> float:
    """A value of Family.AMOUNTS, for a payment of `amount`."""
    if count == 0 or (code >= _TO_MEAN and not has_amount):
        return math.nan
    mean = total / count
    if code == _SUM:
        return total / _UNIT
    if code == _MEAN:
        return mean / _UNIT
    if code == _TO_MEAN:
        return amount / mean if mean != 0.0 else math.nan
    deviation = math.nan
    if count > 1:
        deviation = math.sqrt(max(squares - total * total / count, 0.0) / (count - 1))
    if code == _STD:
        return deviation / _UNIT
    # A tenth of the mean is the least deviation: equal payments would make any other infinitely far.
    least = abs(mean) / 10
    if deviation > least:  # not so for NaN
        least = deviation
    return (amount - mean) / least if least != 0.0 else math.nan


@compiled
def _largest_value(code: int, amount: int, has_amount: bool, any_amount: bool, largest: int) -> float:
    """A value of Family.LARGEST."""
    if not any_amount:
        return math.nan
    if code == _LARGEST:
        return largest / _UNIT
    return amount / largest if has_amount and largest != 0 else math.nan


@compiled
def _labels_value(code: int, ended: int, judged: int, frauds: int) -> float:
    """A value of Family.LABELS: of payments whose delay ended, labels and frauds that became known, in the window.

    A late label can become known in a window in which no delay ended: a rate never exceeds 1.
    """
    if code == _ENDED:
        return float(ended)
    if code == _FRAUDS:
        return float(frauds)
    if code == _RATE:
        return frauds / max(ended, frauds, 1)
    if code == _JUDGED:
        return float(judged)
    return frauds / judged if judged else math.nan


@compiled
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


@compiled
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


@compiled
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


@compiled
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


@compiled
def labels(
    ended: Integers, judged: Integers, frauds: Integers,
    row: Integers, wanted: Flags, codes: Integers, columns: Integers, out: Doubles,
) -> None:  # fmt: skip
    """Values of Family.LABELS, of the counts at each position."""
    for i in range(len(row)):
        if wanted[row[i]]:
            for k in range(len(codes)):
                out[columns[k], row[i]] = _labels_value(codes[k], ended[i], judged[i], frauds[i])


@compiled
def _later(edge: int, tick: Integers, tiled: Integers, tiled_until: int, tile: int) -> int:
    """How many of an entity's moments are later than `edge`: of `tick`, and of tiles where they reach beyond it."""
    if tiled_until > edge:
        found = len(tick)
        for t in range(len(tiled)):
            if tiled[t, 0] >= (edge + 1) // tile * tile:
                found += tiled[t, 1]
        return found
    low, high = 0, len(tick)
    while low < high:
        middle = (low + high) // 2
        if tick[middle] <= edge:
            low = middle + 1
        else:
            high = middle
    return len(tick) - low


@compiled
def _within(edge: int, end: int, tick: Integers, tiled: Integers, tiled_until: int, tile: int) -> int:
    """How many of an entity's moments are later than `edge`, and not later than `end`."""
    return _later(edge, tick, tiled, tiled_until, tile) - _later(end, tick, tiled, tiled_until, tile)


@compiled
def _with_square(amount: int, squares: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """Sums of squares with an amount's, by its parts of 30 bits, as `groups.running_squares` has them."""
    size = abs(amount)
    above, least = size >> 30, size & 1073741823
    below, between, top = least * least, 2 * above * least, above * above
    return (
        squares[0] + (below & 1073741823), squares[1] + (below >> 30) + (between & 1073741823),
        squares[2] + (between >> 30) + (top & 1073741823), squares[3] + (top >> 30),
    )  # fmt: skip


Money = tuple[int, int, int, int, tuple[int, int, int, int]]
"""Of the amounts in a window: how many, the largest, their sum's halves, their squares' four limbs."""
_NO_MONEY = (0, 0, 0, 0, (0, 0, 0, 0))


@compiled
def _with_amount(amount: int, money: Money) -> Money:
    """The amounts with one more."""
    amounts, top, high, low, squares = money
    largest = amount if amounts == 0 else max(top, amount)
    return amounts + 1, largest, high + (amount >> 32), low + (amount & 4294967295), _with_square(amount, squares)


@compiled
def _with_tile(tiles: Integers, t: int, money: Money) -> Money:
    """The amounts with those of a tile."""
    amounts, top, high, low, squares = money
    return (
        amounts + tiles[t, 5],
        tiles[t, 4] if amounts == 0 else max(top, tiles[t, 4]),
        high + tiles[t, 6],
        low + tiles[t, 7],
        (
            squares[0] + tiles[t, 8], squares[1] + tiles[t, 9], squares[2] + tiles[t, 10], squares[3] + tiles[t, 11],
        ),
    )  # fmt: skip


@compiled
def _money_value(family: int, code: int, minor: int, has: bool, itself: int, money: Money) -> float:
    """A value of Family.AMOUNTS or Family.LARGEST for a payment of `minor`, which counts too if `itself` says so."""
    amounts, top, high, low, squares = money
    own = itself and has
    if family == _OF_LARGEST:
        if own:
            return _largest_value(code, minor, has, True, minor if amounts == 0 else max(top, minor))
        return _largest_value(code, minor, has, amounts > 0, top)
    mine = minor if own else 0
    with_own = _with_square(mine, squares)
    total = (high + (mine >> 32)) * 4294967296.0 + (low + (mine & 4294967295))
    square = 0.0
    for limb in range(3, -1, -1):
        square = square * 1073741824.0 + with_own[limb]
    return _amounts_value(code, minor, has, amounts + (1 if own else 0), total, square)


@compiled
def _first_seen(number: int, mark: int, seen: Integers) -> int:
    """1 if the number was not marked yet, which it then is; 0 for none (below 0)."""
    if number < 0 or seen[number] & mark:
        return 0
    seen[number] |= mark
    return 1


@compiled
def _asks(program: Integers, one: int, other: int) -> bool:
    """Whether a program has features of one of two families."""
    found = False
    for p in range(len(program)):
        found |= program[p, 0] == one or program[p, 0] == other
    return found


@compiled
def newest(
    now: int, minor: int, has: bool, quarter: int, currency: int, account: int, merchant: int,
    rows: Integers, tiles: Integers, tiled_until: int, tile: int,
    frauds: Integers, fraud_tiles: Integers, frauds_until: int,
    judged: Integers, judged_tiles: Integers, judged_until: int, delay: int,
    program: Integers, seen: Integers, out: Doubles,
) -> None:  # fmt: skip
    """Values of all families for a payment at `now` that comes after an entity's `rows` and `tiles`.

    `rows[i]` is a payment: tick, amount, whether it has one, quarter, currency, account, merchant. `tiles[t]` is
    start, payments, currency, quarter, largest, amounts, then their sum's halves and their squares' four limbs.
    `program` is sorted by window: family, code, window, itself, place in `out`. `seen` has room for each account's and
    merchant's number.
    """
    count = alike = accounts = merchants = 0
    money = _NO_MONEY
    priced = _asks(program, _AMOUNTS, _OF_LARGEST)  # what the program does not ask for is not looked at
    others = _asks(program, _ACCOUNTS, _MERCHANTS)
    if others:
        seen[:] = 0
    place, tiled = len(rows) - 1, len(tiles) - 1
    for p in range(len(program)):
        family, code, window, itself, column = program[p]
        edge = now - window
        while place >= 0 and rows[place, 0] > edge:
            count += 1
            alike += rows[place, 3] == quarter
            if priced and rows[place, 2] and rows[place, 4] == currency:
                money = _with_amount(rows[place, 1], money)
            if others:
                accounts += _first_seen(rows[place, 5], 1, seen)
                merchants += _first_seen(rows[place, 6], 2, seen)
            place -= 1
        if tiled_until > edge:
            while tiled >= 0 and tiles[tiled, 0] >= (edge + 1) // tile * tile:
                count += tiles[tiled, 1]
                alike += tiles[tiled, 1] if tiles[tiled, 3] == quarter else 0
                if priced and tiles[tiled, 5] and tiles[tiled, 2] == currency:
                    money = _with_tile(tiles, tiled, money)
                tiled -= 1
        if family == _PAYMENTS:
            since = now - rows[-1, 0] if len(rows) else 0
            out[column] = _payments_value(code, count + itself, alike, since, window)
        elif family in (_AMOUNTS, _OF_LARGEST):
            out[column] = _money_value(family, code, minor, has, itself, money)
        elif family == _ACCOUNTS:
            out[column] = accounts + (1 if account >= 0 and not seen[account] & 1 else 0)
        elif family == _MERCHANTS:
            out[column] = merchants + (1 if merchant >= 0 and not seen[merchant] & 2 else 0)
        else:
            ended = _within(edge - delay, now - delay, rows[:, 0], tiles, tiled_until, tile)
            labelled = _within(edge, now, judged, judged_tiles, judged_until, tile)
            known = _within(edge, now, frauds, fraud_tiles, frauds_until, tile)
            out[column] = _labels_value(code, ended, labelled, known)
