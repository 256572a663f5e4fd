"""Exact blocked cosine against both sides of a reference set.

A matrix product finds the candidates, block by block, and a compiled loop the nearest of them (`highest`). Rows that
come in small numbers are compared with many references leaf by leaf (`leaves`), which leaves out most of them. On a
GPU, or in half precision, torch does the same (`on_device`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np

from counterfoil.domain.arrays import Doubles, Flags, Floats, Integers, Labels
from counterfoil.domain.scoring.leaves import Leaves

NOTHING = -2.0
"""Stands below every cosine: marks places where a side has no reference."""
TIE = 1e-6
SPARE = 3
"""So many more than asked for are looked at again, since the product may put close ones in the wrong order."""
PRODUCTS = 2**17
"""So many products at once stay in a processor's second cache while the highest are chosen."""
MOST_ROWS, FEWEST_ROWS = 256, 32
"""Rows of a block at most, and at least, even if their products leave the cache: the references are read for each."""
FEW_REFERENCES = 20_000
"""A side of more is faster to look through by leaves."""
FEW_ROWS = 64
"""So many rows at most are compared with a large side leaf by leaf; more of them share one pass over all references."""


@dataclass(frozen=True)
class Side:
    """The nearest references of one side, most similar first.

    `similarity` and `position` are (rows, k); a position is the reference's row in the reference table.
    `tied` tells where reference k + 1 is as similar as reference k, so that the choice is arbitrary. `copied` is the
    cosine to a confirmed payment of which the row is nearly a copy, -1 where there is none (see `overlaid`).
    """

    similarity: Doubles
    position: Integers
    tied: Flags
    copied: Doubles | None = None

    @property
    def mean(self) -> Doubles:
        """Mean cosine to the nearest, (rows,), or to the one that is copied; -1 where the side is empty."""
        found = self.similarity > NOTHING
        total = np.where(found, self.similarity, 0).sum(axis=1)
        mean: Doubles = np.where(found.any(axis=1), total / np.maximum(found.sum(axis=1), 1), -1.0)
        return mean if self.copied is None else np.maximum(mean, self.copied)


@dataclass(frozen=True)
class Comparison:
    """What a block of payments is like: its nearest frauds and its nearest good payments."""

    fraud: Side
    good: Side


class References:
    """A reference set made ready for comparison, on the CPU or a GPU.

    `vectors` are unit rows, `labels` are 1 or 0. With `half` the products are of half precision.
    """

    def __init__(self, vectors: Floats, labels: Labels, *, device: str = "cpu", half: bool = False) -> None:
        sides = [np.flatnonzero(labels == label) for label in (1, 0)]
        self._sides: list[_Kept]
        if device == "cpu" and not half:
            self._sides = [InMemory.of(vectors[positions], positions) for positions in sides]
        else:
            from counterfoil.domain.scoring.on_device import SideOnDevice

            self._sides = [SideOnDevice(vectors[positions], positions, device=device, half=half) for positions in sides]

    def compare(self, vectors: Floats, k: int) -> Comparison:
        """Compare unit rows of shape (rows, dimensions) with both sides; k is at least 1."""
        fraud, good = (_as_side(*kept.nearest(vectors, k + 1, SPARE), k) for kept in self._sides)
        return Comparison(fraud, good)

    def prepare(self) -> None:
        """Make large sides ready for few payments at a time: this takes seconds for a million references."""
        self._sides = [
            kept.in_leaves() if isinstance(kept, InMemory) and len(kept.vectors) > FEW_REFERENCES else kept
            for kept in self._sides
        ]


class _Kept(Protocol):
    """The references of one side."""

    def nearest(self, vectors: Floats, most: int, spare: int) -> tuple[Doubles, Integers]:
        """Cosines (rows, most) of unit rows to the nearest, highest first, and the positions of these references.

        `spare` more are compared again.
        """
        ...


@dataclass(frozen=True)
class InMemory:
    """The references of one side, their lengths and positions. With `leaves` they are in the leaves' order."""

    vectors: Floats
    lengths: Doubles
    places: Integers
    leaves: Leaves | None = None

    @classmethod
    def of(cls, vectors: Floats, places: Integers) -> Self:
        return cls(np.ascontiguousarray(vectors), np.linalg.norm(vectors.astype(np.float64), axis=1), places)

    def in_leaves(self) -> "InMemory":
        """The same references leaf by leaf, if they can be."""
        cut = Leaves.of(self.vectors)
        if cut is None:
            return self
        leaves, order = cut
        return InMemory(self.vectors[order], self.lengths[order], self.places[order], leaves)

    def nearest(self, vectors: Floats, most: int, spare: int) -> tuple[Doubles, Integers]:
        """As `_Kept` says; rows are alike alone and among others."""
        from counterfoil.domain.scoring import highest

        vectors = np.require(vectors, np.float32, ("C", "W"))  # loops are compiled for arrays of one kind
        similarity = np.full((len(vectors), most), NOTHING)
        position = np.zeros((len(vectors), most), np.int64)
        if self.leaves is not None and len(vectors) <= FEW_ROWS:
            for row, vector in enumerate(vectors):
                found = self.leaves.nearest(self.vectors, vector, most + spare)
                found = found[np.argsort(self.places[found])]  # of equal ones the first, as elsewhere
                highest.rank(
                    found, vector, self.vectors, self.lengths, self.places, similarity[row], position[row]
                )  # fmt: skip
            return similarity, position
        step = min(MOST_ROWS, max(FEWEST_ROWS, PRODUCTS // max(len(self.vectors), 1)))
        for start in range(0, len(vectors), step):
            rows = slice(start, start + step)
            asked = vectors[rows]
            highest.nearest(
                asked @ self.vectors.T, asked, self.vectors, self.lengths, self.places, most + spare,
                similarity[rows], position[rows],
            )  # fmt: skip
        return similarity, position


def _as_side(similarity: Doubles, position: Integers, k: int) -> Side:
    """The k nearest of k + 1."""
    last = similarity[:, k - 1]
    tied = (similarity[:, k] >= last - TIE) & (last > NOTHING)
    return Side(similarity[:, :k], position[:, :k], tied)


def joined(parts: Sequence[Comparison]) -> Comparison:
    """The comparisons of rows that follow each other, as one; at least one."""
    if len(parts) == 1:
        return parts[0]
    return Comparison(_joined([part.fraud for part in parts]), _joined([part.good for part in parts]))


def _joined(sides: Sequence[Side]) -> Side:
    similarity, position, tied = (
        np.concatenate([getattr(side, name) for side in sides]) for name in ("similarity", "position", "tied")
    )
    copied = [side.copied for side in sides if side.copied is not None]
    return Side(similarity, position, tied, np.concatenate(copied) if copied else None)
