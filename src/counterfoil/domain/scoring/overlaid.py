"""A comparison with the base of a release and its overlay together.

A confirmed payment joins the references of its side as training would have put it there: one of many. And it speaks
for its whole side where a payment is nearly its copy: what was confirmed a moment ago must not wait until the mean of
twenty neighbours has moved.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from counterfoil.domain.arrays import Doubles, Flags, Floats
from counterfoil.domain.schemas import FRAUD, GOOD
from counterfoil.domain.scoring.compare import NOTHING, TIE, Comparison, Side
from counterfoil.domain.scoring.overlay import OverlayReference

NEAR = 0.99
"""A payment is nearly a copy of a confirmed one from this cosine of the two as they were scored. In the simulated data
no good payment is as near to a fraud; ordinary payments of one kind, such as small purchases in groceries, come so near
to each other, which is why each word of feedback is tried before it acts."""
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
    asked: Doubles
    confirmed: Flags
    position: np.ndarray

    @classmethod
    def of(cls, references: Sequence[OverlayReference], label: int, dimensions: int, first: int) -> "OverlaySide":
        """The side of a label; the first reference of the overlay is at row `first`."""
        places = [place for place, one in enumerate(references) if one.label == label]
        vectors, asked = (
            np.array([getattr(references[place], name) for place in places], np.float64).reshape(-1, dimensions)
            for name in ("vector", "asked")
        )
        confirmed = np.array([references[place].confirmed for place in places], np.bool_)
        return cls(vectors, asked, confirmed, first + np.array(places, np.int64))

    def similarities(self, vectors: Floats) -> tuple[Doubles, Doubles]:
        """Cosines of payments to these references, (rows, references), and those to the one they nearly copy.

        The second is (rows,), -1 where there is none. Of a copied reference the cosine is that of the two payments.
        """
        asking = vectors.astype(np.float64)
        similarity = asking @ self.vectors.T
        copied = np.full(len(asking), -1.0)
        if self.confirmed.any():
            own = np.where(self.confirmed, asking @ self.asked.T, -1.0)
            similarity = np.where(own >= NEAR, np.maximum(own, similarity), similarity)
            nearest = own.max(axis=1)
            copied = np.where(nearest >= NEAR, np.minimum(nearest, 1.0), -1.0)
        return np.minimum(similarity, 1.0), copied


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
    own, copied = overlay.similarities(vectors)
    similarity = np.hstack([base.similarity, own])
    position = np.hstack([base.position, np.broadcast_to(overlay.position, own.shape)])
    order = np.argsort(-similarity, axis=1, kind="stable")[:, : k + 1]
    similarity, position = (np.take_along_axis(one, order, axis=1) for one in (similarity, position))
    last = similarity[:, k - 1]
    tied = (similarity[:, k] >= last - TIE) | (base.tied & (base.similarity[:, k - 1] >= last - TIE))
    return Side(similarity[:, :k], position[:, :k], tied & (last > NOTHING), copied)
