"""A comparison with the base of a release and its overlay together.

A confirmed payment speaks for its whole side where a payment is nearly its copy, and for nothing else: what was
confirmed a moment ago must act on the next payment like it. What it says of all others the next training learns, which
weighs it against everything else that is known by then. As one more of the base's references it would only do harm:
the base's good references are few and cover what is ordinary, so frauds that come to it alone, and good payments beside
them too, draw the margins of payments that they say nothing of (`tests/benchmarks/quality_feedback.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from counterfoil.domain.arrays import Doubles, Floats
from counterfoil.domain.schemas import FRAUD, GOOD
from counterfoil.domain.scoring.compare import NOTHING, TIE, Comparison, Side
from counterfoil.domain.scoring.overlay import OverlayReference

BLOCK_ROWS = 1024


class Compared(Protocol):
    """References made ready for comparison."""

    def compare(self, vectors: Floats, k: int) -> Comparison:
        """Compare unit rows of shape (rows, dimensions) with both sides."""
        ...


@dataclass(frozen=True)
class OverlaySide:
    """The references of one side of an overlay; `position` are their rows in the table of all references."""

    vectors: Doubles
    reach: Doubles
    position: np.ndarray

    @classmethod
    def of(cls, references: Sequence[OverlayReference], label: int, dimensions: int, first: int) -> "OverlaySide":
        """The side of a label; the first reference of the overlay is at row `first`."""
        places = [place for place, one in enumerate(references) if one.label == label]
        vectors = np.array([references[place].vector for place in places], np.float64).reshape(-1, dimensions)
        reach = np.array([references[place].reach for place in places], np.float64)
        return cls(vectors, reach, first + np.array(places, np.int64))

    def similarities(self, vectors: Floats) -> Doubles:
        """Cosines of payments to the references that they nearly copy, (rows, references); NOTHING for all others."""
        similarity = vectors.astype(np.float64) @ self.vectors.T
        similarity[similarity < self.reach] = NOTHING
        return np.minimum(similarity, 1.0)


class Overlaid:
    """A base of `rows` references with an overlay, ready for comparison."""

    def __init__(self, base: Compared, rows: int, references: Sequence[OverlayReference], dimensions: int) -> None:
        self._base = base
        self._fraud, self._good = (OverlaySide.of(references, label, dimensions, rows) for label in (FRAUD, GOOD))

    def compare(self, vectors: Floats, k: int) -> Comparison:
        """Compare unit rows of shape (rows, dimensions) with both sides of base and overlay."""
        found = self._base.compare(vectors, k)
        return Comparison(merged(found.fraud, self._fraud, vectors), merged(found.good, self._good, vectors))


def merged(base: Side, overlay: OverlaySide, vectors: Floats) -> Side:
    """The nearest references of both."""
    if not len(overlay.position):
        return base
    parts = [
        _merged(_rows(base, slice(start, start + BLOCK_ROWS)), overlay, vectors[start : start + BLOCK_ROWS])
        for start in range(0, max(len(vectors), 1), BLOCK_ROWS)
    ]
    if len(parts) == 1:
        return parts[0]
    names = ("similarity", "position", "tied", "copied")
    return Side(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def _rows(side: Side, rows: slice) -> Side:
    return replace(side, similarity=side.similarity[rows], position=side.position[rows], tied=side.tied[rows])


def _merged(base: Side, overlay: OverlaySide, vectors: Floats) -> Side:
    k = base.similarity.shape[1]
    own = overlay.similarities(vectors)
    nearest = own.max(axis=1)
    similarity = np.hstack([base.similarity, own])
    position = np.hstack([base.position, np.broadcast_to(overlay.position, own.shape)])
    order = _highest(similarity, k + 1)
    similarity, position = (np.take_along_axis(one, order, axis=1) for one in (similarity, position))
    last = similarity[:, k - 1]
    tied = (similarity[:, k] >= last - TIE) | (base.tied & (base.similarity[:, k - 1] >= last - TIE))
    copied = np.where(nearest > NOTHING, nearest, -1.0)
    return Side(similarity[:, :k], position[:, :k], tied & (last > NOTHING), copied)


def _highest(similarity: Doubles, most: int) -> np.ndarray:
    """The columns of the highest of each row, highest first; of equal ones the first column comes first."""
    found = np.argpartition(-similarity, min(most, similarity.shape[1]) - 1, axis=1)[:, :most]
    found.sort(axis=1)
    order = np.argsort(-np.take_along_axis(similarity, found, axis=1), axis=1, kind="stable")
    return np.take_along_axis(found, order, axis=1)
