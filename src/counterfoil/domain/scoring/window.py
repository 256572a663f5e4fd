"""Payments that were scored lately, beside a base and an overlay: what a change of the overlay is tried on.

What is nearest to each payment is kept, and only what a change adds or takes away is compared: a word acts within a
second, however many were said before it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from counterfoil.domain.arrays import Doubles, Floats
from counterfoil.domain.schemas import FRAUD, GOOD
from counterfoil.domain.scoring.compare import NOTHING
from counterfoil.domain.scoring.overlay import OverlayReference
from counterfoil.domain.scoring.signal import margin

AT_ONCE = 1024
"""So many references are compared at once: 80 MB for ten thousand payments."""
CLOSE = 1e-5
"""A payment that is so little out of reach may have been a copy before: products round."""

Key = tuple[str, int, float]


@dataclass(frozen=True)
class Payments:
    """Payments: their ids and their unit vectors as they were asked, (rows, dimensions)."""

    ids: Sequence[str]
    vectors: Floats

    @cached_property
    def place(self) -> dict[str, int]:
        """The row of each payment."""
        return {name: row for row, name in enumerate(self.ids)}

    def take(self, rows: np.ndarray) -> "Payments":
        """Some of the rows (positions)."""
        return Payments([self.ids[row] for row in rows.tolist()], self.vectors[rows])

    def copies(self, references: Sequence[OverlayReference], slack: float = 0.0) -> Floats:
        """Cosines to the references of which a payment is nearly a copy, (rows, references); NOTHING for all others.

        No payment is a copy of itself. With `slack` cosines may be lower by so much.
        """
        cosines: Floats = self.vectors @ np.array([one.vector for one in references], np.float32).T
        cosines[cosines < np.array([one.reach - slack for one in references], np.float32)] = NOTHING
        for column, one in enumerate(references):
            row = self.place.get(one.reference_id)
            if row is not None:
                cosines[row, column] = NOTHING
        return np.minimum(cosines, np.float32(1.0), out=cosines)


@dataclass(frozen=True)
class Nearest:
    """What is nearest to payments on one side.

    `similarity` has the k highest cosines, (rows, k), in no order but that the last is the lowest; `copied` the cosine
    to the confirmed payment that is nearly copied, (rows,), -1 where there is none (see `overlaid`).
    """

    similarity: Doubles
    copied: Doubles

    @classmethod
    def of_base(cls, similarity: Doubles) -> "Nearest":
        """With the base alone, of which the nearest come highest first."""
        return cls(similarity, np.full(len(similarity), -1.0))

    def take(self, rows: np.ndarray) -> "Nearest":
        """Some of the rows (positions)."""
        return Nearest(self.similarity[rows], self.copied[rows])

    def put(self, rows: np.ndarray, others: "Nearest") -> "Nearest":
        """With other values in some rows (positions)."""
        similarity, copied = self.similarity.copy(), self.copied.copy()
        similarity[rows], copied[rows] = others.similarity, others.copied
        return Nearest(similarity, copied)

    def before(self, later: "Nearest", most: int) -> "Nearest":
        """These payments and later ones; of all the last `most`."""
        pairs = ((self.similarity, later.similarity), (self.copied, later.copied))
        return Nearest(*(np.concatenate(pair)[-most:] for pair in pairs))

    def added(self, payments: Payments, references: Sequence[OverlayReference]) -> "Nearest":
        """With more references."""
        similarity, copied = self.similarity, self.copied
        k = similarity.shape[1]
        for first in range(0, len(references), AT_ONCE):
            own = payments.copies(references[first : first + AT_ONCE])
            highest = own.max(axis=1, initial=NOTHING)
            copied = np.where(highest > NOTHING, np.maximum(highest, copied), copied)
            similarity = -np.partition(-np.hstack([similarity, own]), k - 1, axis=1)[:, :k]
        return Nearest(similarity, copied)

    @property
    def mean(self) -> Doubles:
        """Mean cosine to the nearest, or to the payment that is copied, (rows,); -1 where the side is empty."""
        found = self.similarity > NOTHING
        total = np.where(found, self.similarity, 0).sum(axis=1)
        mean = np.where(found.any(axis=1), total / np.maximum(found.sum(axis=1), 1), -1.0)
        similarity: Doubles = np.minimum(np.maximum(mean, self.copied), 1.0)
        return similarity


@dataclass(frozen=True)
class Window:
    """Payments scored lately, beside the references of a base and of an overlay.

    `base` and `nearest` have what is nearest with the base alone and with both, frauds first.
    """

    payments: Payments
    base: tuple[Nearest, Nearest]
    nearest: tuple[Nearest, Nearest]
    references: Mapping[Key, OverlayReference] = field(default_factory=dict)

    @classmethod
    def of(cls, ids: Sequence[str], vectors: Floats, fraud: Doubles, good: Doubles) -> "Window":
        """Payments with the cosines to their k nearest of the base, (rows, k), as `compare.Side` has them."""
        base = Nearest.of_base(fraud), Nearest.of_base(good)
        return cls(Payments(ids, vectors), base, base)

    def __len__(self) -> int:
        return len(self.payments.ids)

    @property
    def ids(self) -> Sequence[str]:
        """The payments' ids, oldest first."""
        return self.payments.ids

    def before(self, later: "Window", most: int) -> "Window":
        """These payments and later ones, beside the references of this window; of all the last `most`."""
        if not len(later):
            return self
        later = Window(later.payments, later.base, later.base).beside(self.references.values())
        payments = Payments(
            [*self.ids, *later.ids][-most:],
            np.concatenate([self.payments.vectors, later.payments.vectors])[-most:],
        )
        base, nearest = (
            (own[0].before(new[0], most), own[1].before(new[1], most))
            for own, new in ((self.base, later.base), (self.nearest, later.nearest))
        )
        return Window(payments, base, nearest, self.references)

    def beside(self, references: Iterable[OverlayReference]) -> "Window":
        """The same payments beside the base and these references alone."""
        wanted = {(one.reference_id, one.label, one.reach): one for one in references}
        gone = [one for key, one in self.references.items() if key not in wanted]
        new = [one for key, one in wanted.items() if key not in self.references]
        if not gone and not new:
            return self
        kept = [one for key, one in wanted.items() if key in self.references]
        fraud, good = (
            self._changed(side, *(_of_side(some, label) for some in (gone, kept, new)))
            for side, label in enumerate((FRAUD, GOOD))
        )
        return Window(self.payments, self.base, (fraud, good), wanted)

    def _changed(
        self,
        side: int,
        gone: Sequence[OverlayReference],
        kept: Sequence[OverlayReference],
        new: Sequence[OverlayReference],
    ) -> Nearest:
        """What is nearest on a side without the references that are gone, and with new ones."""
        nearest = self.nearest[side]
        if gone:
            rows = np.flatnonzero((self.payments.copies(gone, CLOSE) > NOTHING).any(axis=1))
            nearest = nearest.put(rows, self.base[side].take(rows).added(self.payments.take(rows), kept))
        return nearest.added(self.payments, new)

    @property
    def alone(self) -> Doubles:
        """The margins with the base alone, (rows,)."""
        return margin(*(side.mean for side in self.base))

    @property
    def margins(self) -> Doubles:
        """The margins with base and overlay, (rows,)."""
        return margin(*(side.mean for side in self.nearest))


def _of_side(references: Iterable[OverlayReference], label: int) -> list[OverlayReference]:
    return [one for one in references if one.label == label]
