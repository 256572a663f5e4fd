"""Exact blocked cosine against both sides of a reference set.

The k nearest of a side are found without sorting the side: its references are cut into groups, the best of
each group is kept, and only the k groups with the highest bests are looked at again. They hold the k
nearest, whatever the groups. That is one pass over the product instead of a partial sort of it.
"""

from dataclasses import dataclass

import numpy as np
import torch

from counterfoil.domain.arrays import Flags, Floats, Integers, Labels

GROUP = 64
BLOCK_ROWS = 2048
NOTHING = -2.0
"""Stands below every cosine: marks places where a side has no reference."""
TIE = 1e-6


@dataclass(frozen=True)
class Side:
    """The nearest references of one side, most similar first.

    `similarity` and `position` are (rows, k); a position is the reference's row in the reference table.
    `tied` tells where reference k + 1 is as similar as reference k, so that the choice is arbitrary.
    """

    similarity: Floats
    position: Integers
    tied: Flags

    @property
    def mean(self) -> Floats:
        """Mean cosine to the nearest, (rows,); -1 where the side is empty."""
        found = self.similarity > NOTHING
        total = np.where(found, self.similarity, 0).sum(axis=1)
        mean: Floats = np.where(found.any(axis=1), total / np.maximum(found.sum(axis=1), 1), -1.0)
        return mean.astype(np.float32)


@dataclass(frozen=True)
class Comparison:
    """What a block of payments is like: nearest frauds, nearest good payments, distance in evidence space."""

    fraud: Side
    good: Side
    evidence_similarity: Floats  # the largest cosine to any reference, of the evidence part alone


class References:
    """A reference set made ready for comparison, on the CPU or a GPU.

    `vectors` are unit rows whose first `vote_dimensions` are the votes; `labels` are 1 or 0. With `half` the
    products are of half precision, which finds the candidates; these are then compared again in full, since
    half precision cannot tell a distance of 0.0003 from none.
    """

    def __init__(
        self, vectors: Floats, labels: Labels, vote_dimensions: int, *, device: str = "cpu", half: bool = False
    ) -> None:
        self._half = half
        self._device = device
        self._split = vote_dimensions
        evidence = vectors[:1, vote_dimensions:]
        self._evidence_share = float((evidence**2).sum()) if len(vectors) else 1.0
        self._sides = [self._side(vectors, np.flatnonzero(labels == label)) for label in (1, 0)]

    def _side(self, vectors: Floats, positions: Integers) -> "_Kept":
        width = max(-(-len(positions) // GROUP), 1) * GROUP
        padded = np.zeros((width, vectors.shape[1]), dtype=np.float32)
        padded[: len(positions)] = vectors[positions]
        known = np.zeros(width, dtype=np.int64)
        known[: len(positions)] = positions
        full = torch.from_numpy(padded).to(self._device)
        fast = full.half() if self._half else full
        return _Kept(full, fast, torch.from_numpy(known).to(self._device), len(positions))

    def compare(self, vectors: Floats, k: int) -> Comparison:
        """Compare unit rows of shape (rows, dimensions) with both sides; k is at least 1."""
        blocks = [self._compare(vectors[i : i + BLOCK_ROWS], k) for i in range(0, len(vectors), BLOCK_ROWS)]
        blocks = blocks or [self._compare(vectors, k)]
        return Comparison(
            _concatenate([b.fraud for b in blocks]),
            _concatenate([b.good for b in blocks]),
            np.concatenate([b.evidence_similarity for b in blocks]),
        )

    def _compare(self, vectors: Floats, k: int) -> Comparison:
        full = torch.from_numpy(np.ascontiguousarray(vectors)).to(self._device)
        queries = full.half() if self._half else full
        sides, nearest = [], []
        for kept in self._sides:
            similarity = queries[:, self._split :] @ kept.fast[:, self._split :].T
            similarity[:, kept.count :] = NOTHING
            nearest.append(self._largest(full, kept, similarity))
            if self._split:
                similarity.addmm_(queries[:, : self._split], kept.fast[:, : self._split].T)
                similarity[:, kept.count :] = NOTHING
            sides.append(self._nearest(full, kept, similarity, k))
        best = torch.maximum(*nearest).cpu().numpy() / max(self._evidence_share, 1e-6)
        return Comparison(sides[0], sides[1], np.clip(best, -1.0, 1.0).astype(np.float32))

    def _largest(self, queries: torch.Tensor, kept: "_Kept", similarity: torch.Tensor) -> torch.Tensor:
        """The largest cosine of each row's evidence part to a reference."""
        if not self._half:
            return similarity.amax(dim=1)
        column = similarity.argmax(dim=1, keepdim=True)
        found = _again(queries[:, self._split :], kept.full[:, self._split :], column)[:, 0]
        return torch.where(column[:, 0] < kept.count, found, NOTHING)

    def _nearest(self, queries: torch.Tensor, kept: "_Kept", similarity: torch.Tensor, k: int) -> Side:
        if not self._half:
            values, column = _highest(similarity, k + 1)
        else:
            _, candidates = _highest(similarity, 2 * k + 8)
            exact = _again(queries, kept.full, candidates)
            exact[candidates >= kept.count] = NOTHING
            values, order = exact.topk(min(k + 1, exact.shape[1]), dim=1)
            column = candidates.gather(1, order)
        return _as_side(values, kept.positions[column], k)


@dataclass(frozen=True)
class _Kept:
    """The references of one side, padded to whole groups; `count` of them are real."""

    full: torch.Tensor
    fast: torch.Tensor
    positions: torch.Tensor
    count: int


def _highest(similarity: torch.Tensor, most: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The highest of each row of a (rows, groups * GROUP) matrix and their columns, by the best of each group."""
    rows, width = similarity.shape
    wanted = min(most, width // GROUP)
    grouped = similarity.view(rows, width // GROUP, GROUP)
    best = grouped.amax(dim=2).topk(wanted, dim=1).indices
    candidates = grouped.gather(1, best.unsqueeze(2).expand(-1, -1, GROUP)).reshape(rows, wanted * GROUP)
    top = candidates.topk(min(most, wanted * GROUP), dim=1)
    group, within = top.indices // GROUP, top.indices % GROUP
    return top.values, best.gather(1, group) * GROUP + within


def _again(queries: torch.Tensor, references: torch.Tensor, column: torch.Tensor) -> torch.Tensor:
    """Cosines of each row to the references in its columns, in full precision: (rows, columns)."""
    return torch.einsum("rd,rcd->rc", queries, references[column])


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
