"""Comparison with one side of a reference set on a GPU, or in half precision.

The k nearest are found without sorting the side: its references are cut into groups, the best of each group is kept,
and only the k groups with the highest bests are looked at again. They hold the k nearest, whatever the groups. That is
one pass over the product instead of a partial sort of it.
"""

import numpy as np
import torch

from counterfoil.domain.arrays import Doubles, Floats, Integers
from counterfoil.domain.scoring.compare import NOTHING

GROUP = 64
BLOCK_ROWS = 2048
FEW_CANDIDATES = 64
"""So many are compared again at once; more would leave the processor's cache."""


class SideOnDevice:
    """The references of one side, padded to whole groups, on a device.

    `vectors` are unit rows and `places` what is told of each. With `half` the products are of half precision, which
    cannot tell a distance of 0.0003 from none: more candidates are then compared again.
    """

    def __init__(self, vectors: Floats, places: Integers, *, device: str, half: bool) -> None:
        width = max(-(-len(vectors) // GROUP), 1) * GROUP
        padded = np.zeros((width, vectors.shape[1]), dtype=np.float32)
        padded[: len(vectors)] = vectors
        known = np.zeros(width, dtype=np.int64)
        known[: len(vectors)] = places
        self._device, self._half, self._count = device, half, len(vectors)
        self._rows = torch.from_numpy(padded).to(device)
        self._fast = self._rows.half() if half else self._rows
        self._length = _lengths(self._rows)
        self._places = torch.from_numpy(known).to(device)

    def nearest(self, vectors: Floats, most: int, spare: int) -> tuple[Doubles, Integers]:
        """Cosines (rows, most) of unit rows to the nearest references, highest first, and these references' places.

        `spare` more are compared again, since a product may put close ones in the wrong order.
        Raises ValueError if more are asked for than a small side's groups hold.
        """
        found = [
            self._block(vectors[start : start + BLOCK_ROWS], most, spare)
            for start in range(0, max(len(vectors), 1), BLOCK_ROWS)
        ]
        similarity, position = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return similarity, position

    def _block(self, vectors: Floats, most: int, spare: int) -> tuple[Doubles, Integers]:
        # What Arrow gives may be read-only, which torch warns of.
        queries = torch.from_numpy(np.require(vectors, requirements=("C", "W"))).to(self._device)
        similarity = (queries.half() if self._half else queries) @ self._fast.T
        similarity[:, self._count :] = NOTHING
        candidates = _highest(similarity, 2 * most + 6 if self._half else most + spare)
        exact = self._again(queries, candidates)
        if exact.shape[1] < most - 1:
            raise ValueError(f"k is {most - 1}, at most {GROUP - 1} neighbours can be asked for")
        values, order = exact.topk(min(most, exact.shape[1]), dim=1)
        places = self._places[candidates.gather(1, order)]
        missing = (0, most - values.shape[1])
        values = torch.nn.functional.pad(values.clamp(NOTHING, 1.0), missing, value=NOTHING)
        return values.cpu().numpy(), torch.nn.functional.pad(places, missing).cpu().numpy()

    def _again(self, queries: torch.Tensor, column: torch.Tensor) -> torch.Tensor:
        """Cosines (rows, columns) of each row to the references in its columns; NOTHING where these are padding.

        From |q - r|^2 = (|q| - |r|)^2 + 2 |q| |r| (1 - cosine): the error of a small distance is as small as itself.
        """
        apart = torch.empty(column.shape, dtype=torch.float64, device=queries.device)
        if column.numel() <= FEW_CANDIDATES:
            apart[:] = torch.linalg.vector_norm(self._rows[column].sub_(queries[:, None]), dim=2)
        else:
            for place in range(column.shape[1]):  # all at once would leave the processor's cache
                difference = self._rows.index_select(0, column[:, place]).sub_(queries)
                apart[:, place] = torch.linalg.vector_norm(difference, dim=1)
        ours, theirs = _lengths(queries)[:, None], self._length[column]
        cosine = 1.0 - (apart**2 - (ours - theirs) ** 2) / (2.0 * ours * theirs).clamp_min(1e-12)
        return cosine.masked_fill_(ours * theirs < 1e-12, 0.0).masked_fill_(column >= self._count, NOTHING)


def _highest(similarity: torch.Tensor, most: int) -> torch.Tensor:
    """Columns of the highest of each row of a (rows, groups * GROUP) matrix, by the best of each group."""
    rows, width = similarity.shape
    wanted = min(most, width // GROUP)
    grouped = similarity.view(rows, width // GROUP, GROUP)
    best = grouped.amax(dim=2).topk(wanted, dim=1).indices
    candidates = grouped.gather(1, best.unsqueeze(2).expand(-1, -1, GROUP)).reshape(rows, wanted * GROUP)
    places = candidates.topk(min(most, wanted * GROUP), dim=1).indices
    return best.gather(1, places // GROUP) * GROUP + places % GROUP


def _lengths(rows: torch.Tensor) -> torch.Tensor:
    lengths: torch.Tensor = torch.linalg.vector_norm(rows, dim=1, dtype=torch.float64)
    return lengths
