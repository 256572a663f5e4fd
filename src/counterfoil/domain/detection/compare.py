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

    `vectors` are unit rows whose first `vote_dimensions` are the votes; `labels` are 1 or 0. On a GPU,
    `half` halves memory and time at the cost of about three digits.
    """

    def __init__(
        self,
        vectors: Floats,
        labels: Labels,
        vote_dimensions: int,
        *,
        device: str = "cpu",
        half: bool = False,
    ) -> None:
        self._kind = torch.float16 if half and device != "cpu" else torch.float32
        self._device = device
        self._split = vote_dimensions
        evidence = vectors[:1, vote_dimensions:]
        self._evidence_share = float((evidence**2).sum()) if len(vectors) else 1.0
        self._sides = [self._side(vectors, np.flatnonzero(labels == label)) for label in (1, 0)]

    def _side(self, vectors: Floats, positions: Integers) -> tuple[torch.Tensor, torch.Tensor, int]:
        width = max(-(-len(positions) // GROUP), 1) * GROUP
        padded = np.zeros((width, vectors.shape[1]), dtype=np.float32)
        padded[: len(positions)] = vectors[positions]
        known = np.zeros(width, dtype=np.int64)
        known[: len(positions)] = positions
        tensor = torch.from_numpy(padded).to(self._device, self._kind)
        return tensor, torch.from_numpy(known).to(self._device), len(positions)

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
        queries = torch.from_numpy(np.ascontiguousarray(vectors)).to(self._device, self._kind)
        sides, nearest = [], []
        for references, positions, count in self._sides:
            evidence = queries[:, self._split :] @ references[:, self._split :].T
            evidence[:, count:] = NOTHING
            nearest.append(evidence.amax(dim=1) if len(queries) else evidence.sum(dim=1))
            if self._split:
                evidence.addmm_(queries[:, : self._split], references[:, : self._split].T)
                evidence[:, count:] = NOTHING
            sides.append(_nearest(evidence.float(), positions, k))
        best = torch.maximum(*nearest).float().cpu().numpy() / max(self._evidence_share, 1e-6)
        return Comparison(sides[0], sides[1], np.clip(best, -1.0, 1.0).astype(np.float32))


def _nearest(similarity: torch.Tensor, positions: torch.Tensor, k: int) -> Side:
    """The k highest of each row of a (rows, groups * GROUP) matrix, by the best of each group."""
    rows, width = similarity.shape
    wanted = min(k + 1, width // GROUP)
    grouped = similarity.view(rows, width // GROUP, GROUP)
    best = grouped.amax(dim=2).topk(wanted, dim=1).indices
    candidates = grouped.gather(1, best.unsqueeze(2).expand(-1, -1, GROUP)).reshape(rows, wanted * GROUP)
    top = candidates.topk(k + 1 if wanted * GROUP > k else k, dim=1)
    group, within = top.indices // GROUP, top.indices % GROUP
    column = best.gather(1, group) * GROUP + within
    values = top.values.clamp(NOTHING, 1.0).cpu().numpy()
    tied = values[:, k] >= values[:, k - 1] - TIE if values.shape[1] > k else np.zeros(rows, dtype=bool)
    tied &= values[:, k - 1] > NOTHING
    return Side(values[:, :k], positions[column[:, :k]].cpu().numpy(), tied)


def _concatenate(sides: list[Side]) -> Side:
    return Side(
        np.concatenate([s.similarity for s in sides]),
        np.concatenate([s.position for s in sides]),
        np.concatenate([s.tied for s in sides]),
    )
