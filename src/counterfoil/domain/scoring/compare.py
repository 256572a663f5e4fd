"""Exact blocked cosine against both sides of a reference set.

The k nearest of a small side are found by a compiled loop. Those of a large side, and on a GPU, are found without
sorting the side: its references are cut into groups, the best of each group is kept, and only the k groups with the
highest bests are looked at again. They hold the k nearest, whatever the groups. That is one pass over the product
instead of a partial sort of it.

The product only finds the nearest. Its rounding depends on how many rows are compared at once, and one in 1e7
of a cosine moves the signal of a payment that is nearly a copy of a reference. So the cosines of the nearest
are taken again from differences, which makes a score the same alone and among others.

A payment that comes alone is compared with few references by numpy, to the same bits: torch takes longer to begin its
steps than to do them. With many references it is compared leaf by leaf (`leaves`), which leaves out most of them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from counterfoil.domain.arrays import Doubles, Flags, Floats, Integers, Labels
from counterfoil.domain.scoring.leaves import Leaves

GROUP = 64
BLOCK_ROWS = 2048
NOTHING = -2.0
"""Stands below every cosine: marks places where a side has no reference."""
TIE = 1e-6
SPARE = 3
"""So many more than asked for are looked at again, since the product may put close ones in the wrong order."""
FEW_CANDIDATES = 64
"""So many are compared again at once; more would leave the processor's cache."""
FEW_REFERENCES = 20_000
"""A side of more is faster to look through by groups, or by leaves."""
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

    `vectors` are unit rows, `labels` are 1 or 0. With `half` the products are of half precision, which cannot tell a
    distance of 0.0003 from none: more candidates are then compared again.
    """

    def __init__(self, vectors: Floats, labels: Labels, *, device: str = "cpu", half: bool = False) -> None:
        self._half = half
        self._device = device
        self._on_cpu = device == "cpu" and not half
        self._sides = [self._side(vectors, np.flatnonzero(labels == label)) for label in (1, 0)]

    def _side(self, vectors: Floats, positions: Integers) -> "_Kept":
        width = max(-(-len(positions) // GROUP), 1) * GROUP
        padded = np.zeros((width, vectors.shape[1]), dtype=np.float32)
        padded[: len(positions)] = vectors[positions]
        known = np.zeros(width, dtype=np.int64)
        known[: len(positions)] = positions
        full = torch.from_numpy(padded).to(self._device)
        fast = full.half() if self._half else full
        places = torch.from_numpy(known).to(self._device)
        return _Kept(fast, full, _lengths(full), places, len(positions))

    def compare(self, vectors: Floats, k: int) -> Comparison:
        """Compare unit rows of shape (rows, dimensions) with both sides; k is at least 1."""
        if self._row_by_row(len(vectors), k):
            sides = [self._compare_one(_writable(vectors[row : row + 1]), k) for row in range(len(vectors))]
            return Comparison(*(_concatenate(list(side)) for side in zip(*sides, strict=True)))
        blocks = [self._compare(vectors[i : i + BLOCK_ROWS], k) for i in range(0, len(vectors), BLOCK_ROWS)]
        blocks = blocks or [self._compare(vectors, k)]
        return Comparison(
            _concatenate([b.fraud for b in blocks]),
            _concatenate([b.good for b in blocks]),
        )

    def prepare(self) -> None:
        """Make large sides ready for few payments at a time: this takes seconds for a million references."""
        if self._on_cpu:
            self._sides = [kept.in_leaves() if kept.count > FEW_REFERENCES else kept for kept in self._sides]

    def _row_by_row(self, rows: int, k: int) -> bool:
        """Whether each row is compared by itself: one row, or few of them where leaves spare most of the work."""
        most = 1 if all(kept.leaves is None for kept in self._sides) else FEW_ROWS
        return 0 < rows <= most and all(kept.leaves is not None or self._by_loop(kept, k) for kept in self._sides)

    def _by_loop(self, kept: "_Kept", k: int) -> bool:
        return self._on_cpu and k + 1 + SPARE <= kept.count <= FEW_REFERENCES

    def _compare(self, vectors: Floats, k: int) -> Comparison:
        full = torch.from_numpy(_writable(vectors)).to(self._device)
        queries = full.half() if self._half else full
        sides = []
        for kept in self._sides:
            similarity = queries @ kept.fast.T
            similarity[:, kept.count :] = NOTHING
            sides.append(self._nearest(full, kept, similarity, k))
        return Comparison(*sides)

    def _compare_one(self, vector: Floats, k: int) -> Iterator[Side]:
        """The sides of a single row, whose shape is (1, dimensions)."""
        query = torch.from_numpy(vector)
        length = float(_lengths(query)[0])
        for kept in self._sides:
            if kept.leaves is None:
                candidates = _highest_by_loop((kept.array @ vector[0])[None], kept.count, k)[0]
            else:
                candidates = kept.leaves.nearest(kept.array, vector[0], k + 1 + SPARE)
                candidates = candidates[np.argsort(kept.places[candidates])]  # of equal ones the first, as elsewhere
            difference = kept.rows.index_select(0, torch.from_numpy(candidates)).sub_(query)
            apart = torch.linalg.vector_norm(difference, dim=1).numpy().astype(np.float64)
            cosine = _cosine_of(apart, length, kept.lengths[candidates])
            order = np.argsort(-cosine, kind="stable")[: k + 1]
            found = np.clip(cosine[order], NOTHING, 1.0)
            tied = np.array([found[k] >= found[k - 1] - TIE])
            yield Side(found[None, :k], kept.places[candidates[order[:k]]][None], tied)

    def _nearest(self, queries: torch.Tensor, kept: "_Kept", similarity: torch.Tensor, k: int) -> Side:
        if self._by_loop(kept, k):
            candidates = torch.from_numpy(_highest_by_loop(similarity.numpy(), kept.count, k))
        else:
            candidates = _highest(similarity, 2 * k + 8 if self._half else k + 1 + SPARE)
        exact = _again(queries, kept, candidates)
        values, order = exact.topk(min(k + 1, exact.shape[1]), dim=1)
        return _as_side(values, kept.positions[candidates.gather(1, order)], k)


def _writable(vectors: Floats) -> Floats:
    """The rows as torch takes them: what Arrow gives may be read-only, which it warns of."""
    return np.require(vectors, requirements=("C", "W"))


@dataclass(frozen=True)
class _Kept:
    """The references of one side, padded to whole groups, and their lengths; `count` of them are real.

    With `leaves` they are in the leaves' order.
    """

    fast: torch.Tensor
    rows: torch.Tensor
    length: torch.Tensor
    positions: torch.Tensor
    count: int
    leaves: Leaves | None = None

    def in_leaves(self) -> "_Kept":
        """The same references leaf by leaf, if they can be."""
        cut = Leaves.of(self.array)
        if cut is None:
            return self
        leaves, order = cut
        taken = torch.from_numpy(np.append(order, np.arange(self.count, len(self.rows))))
        rows = self.rows[taken]
        return _Kept(rows, rows, self.length[taken], self.positions[taken], self.count, leaves)

    @cached_property
    def array(self) -> Floats:
        """The real rows, as numpy has them."""
        return np.asarray(self.rows[: self.count].numpy())

    @cached_property
    def lengths(self) -> Doubles:
        """Their lengths."""
        return np.asarray(self.length[: self.count].numpy())

    @cached_property
    def places(self) -> Integers:
        """Their positions."""
        return np.asarray(self.positions[: self.count].numpy())


def _highest(similarity: torch.Tensor, most: int) -> torch.Tensor:
    """Columns of the highest of each row of a (rows, groups * GROUP) matrix, by the best of each group."""
    rows, width = similarity.shape
    wanted = min(most, width // GROUP)
    grouped = similarity.view(rows, width // GROUP, GROUP)
    best = grouped.amax(dim=2).topk(wanted, dim=1).indices
    candidates = grouped.gather(1, best.unsqueeze(2).expand(-1, -1, GROUP)).reshape(rows, wanted * GROUP)
    places = candidates.topk(min(most, wanted * GROUP), dim=1).indices
    return best.gather(1, places // GROUP) * GROUP + places % GROUP


def _highest_by_loop(similarity: Floats, count: int, k: int) -> Integers:
    from counterfoil.domain.scoring.highest import highest

    found = np.empty((len(similarity), k + 1 + SPARE), np.int64)
    highest(similarity, count, k + 1 + SPARE, found)
    return found


def _again(queries: torch.Tensor, references: _Kept, column: torch.Tensor) -> torch.Tensor:
    """Cosines (rows, columns) of each row to the references in its columns; NOTHING where these are padding.

    From |q - r|^2 = (|q| - |r|)^2 + 2 |q| |r| (1 - cosine): the error of a small distance is as small as itself.
    """
    if column.numel() <= FEW_CANDIDATES:
        difference = references.rows[column].sub_(queries[:, None])
        return _cosines(torch.linalg.vector_norm(difference, dim=2).double(), queries, references, column)
    apart = torch.empty(column.shape, dtype=torch.float64, device=queries.device)
    for place in range(column.shape[1]):  # all at once would leave the processor's cache
        difference = references.rows.index_select(0, column[:, place]).sub_(queries)
        apart[:, place] = torch.linalg.vector_norm(difference, dim=1)
    return _cosines(apart, queries, references, column)


def _cosines(apart: torch.Tensor, queries: torch.Tensor, references: _Kept, column: torch.Tensor) -> torch.Tensor:
    """The cosines, of the distances."""
    ours, theirs = _lengths(queries)[:, None], references.length[column]
    cosine = 1.0 - (apart**2 - (ours - theirs) ** 2) / (2.0 * ours * theirs).clamp_min(1e-12)
    return cosine.masked_fill_(ours * theirs < 1e-12, 0.0).masked_fill_(column >= references.count, NOTHING)


def _cosine_of(apart: Doubles, ours: float, theirs: Doubles) -> Doubles:
    """`_cosines` of one row."""
    cosine: Doubles = 1.0 - (apart**2 - (ours - theirs) ** 2) / np.maximum(2.0 * ours * theirs, 1e-12)
    cosine[ours * theirs < 1e-12] = 0.0
    return cosine


def _lengths(rows: torch.Tensor) -> torch.Tensor:
    lengths: torch.Tensor = torch.linalg.vector_norm(rows, dim=1, dtype=torch.float64)
    return lengths


def _as_side(values: torch.Tensor, positions: torch.Tensor, k: int) -> Side:
    similarity = values.clamp(NOTHING, 1.0).cpu().numpy()
    rows = len(similarity)
    if similarity.shape[1] < k:
        raise ValueError(f"k is {k}, at most {GROUP - 1} neighbours can be asked for")
    tied = similarity[:, k] >= similarity[:, k - 1] - TIE if similarity.shape[1] > k else np.zeros(rows, dtype=bool)
    tied &= similarity[:, k - 1] > NOTHING
    return Side(similarity[:, :k], positions[:, :k].cpu().numpy(), tied)


def _concatenate(sides: list[Side]) -> Side:
    return Side(
        np.concatenate([s.similarity for s in sides]),
        np.concatenate([s.position for s in sides]),
        np.concatenate([s.tied for s in sides]),
    )
