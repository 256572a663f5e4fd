"""Payments put together by entity, and the running sums that windows are differences of."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from counterfoil.domain.arrays import Integers
from counterfoil.domain.features import windows
from counterfoil.domain.features.payments import Payments

_LIMB = 30
_LEAST = (1 << _LIMB) - 1


@dataclass(frozen=True)
class Groups:
    """Positions in the order of (entity, time, id): row and time of each, and where entities start (and the last ends).

    `lefts` has what was asked for of the first positions of windows.
    """

    row: Integers
    tick: Integers
    starts: Integers
    lefts: dict[tuple[int, bool], Integers] = field(default_factory=dict)

    @classmethod
    def of(cls, payments: Payments, columns: Sequence[str], alike: Sequence[str] = ()) -> "Groups":
        """Entities are told apart by `columns`, none of which is null, and by `alike`, whose null is a value."""
        row = np.arange(len(payments))
        coded = [payments.codes(name) for name in columns]
        coded += [(codes + 1, count + 1) for codes, count in map(payments.codes, alike)]
        for codes, count in reversed(coded):
            row = windows.grouped(row, codes, count)
        differs = np.zeros(len(row), np.bool_)
        differs[:1] = True
        for codes, _ in coded:
            differs[1:] |= np.diff(codes[row]) != 0
        return cls(row, payments.tick[row], np.append(np.flatnonzero(differs), len(row)))

    @property
    def longest(self) -> int:
        """How many payments the busiest entity has."""
        return int(np.diff(self.starts).max(initial=0))


def running(values: NDArray[Any]) -> Integers:
    """The sum before each position, and of all."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(values, dtype=np.int64)])


def running_totals(minor: Integers) -> Integers:
    """Running sums of amounts, of the parts above and below 2**32: below 2**31 payments neither overflows."""
    return np.stack([running(minor >> 32), running(minor & 0xFFFF_FFFF)])


def running_squares(minor: Integers) -> Integers:
    """Running sums of squares, of each 30 bits, least first: below 2**31 payments none overflows."""
    size = np.abs(minor)
    high, low = size >> _LIMB, size & _LEAST
    below, between, above = low * low, 2 * high * low, high * high
    limbs = [below & _LEAST, (below >> _LIMB) + (between & _LEAST)]
    if high.any():
        limbs += [(between >> _LIMB) + (above & _LEAST), above >> _LIMB]
    return np.stack([running(limb) for limb in limbs])
