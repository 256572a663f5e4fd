"""When labels of an entity's payments became known: the last one by one, older ones by the tile they fall in."""

from dataclasses import dataclass, field

import numpy as np

from counterfoil.domain.arrays import Integers

NEVER = int(np.iinfo(np.int64).min)


@dataclass
class Arrivals:
    """Moments in order, in microseconds; `tiles` have a start and a count, of what came up to `until`."""

    moments: Integers = field(default_factory=lambda: np.empty(0, np.int64))
    tiles: Integers = field(default_factory=lambda: np.empty((0, 2), np.int64))
    until: int = NEVER

    def add(self, known: int) -> None:
        """Count one from `known` on, which is later than `until`."""
        self.moments = np.insert(self.moments, np.searchsorted(self.moments, known), known)

    def settle(self, now: int, kept: int, tile: int) -> None:
        """Add up those that are known by now, but for the last `kept`, into tiles of that length."""
        if len(self.moments) <= kept:
            return
        known = np.searchsorted(self.moments, now, side="right")
        for _ in range(int(known) - kept):
            self.until, self.moments = int(self.moments[0]), self.moments[1:]
            start = self.until // tile * tile
            if not len(self.tiles) or self.tiles[-1, 0] != start:
                self.tiles = np.vstack([self.tiles, [start, 0]])
            self.tiles[-1, 1] += 1

    def forget(self, first: int) -> bool:
        """Let go of what is older than `first`, where a tile begins; say whether anything is gone."""
        is_older = any(len(one) and one.flat[0] < first for one in (self.moments, self.tiles))
        if is_older:
            self.moments = self.moments[np.searchsorted(self.moments, first) :]
            self.tiles = self.tiles[self.tiles[:, 0] >= first]
        self.until = NEVER if self.until < first else self.until
        return is_older
