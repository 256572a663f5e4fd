"""Wall and CPU time of two or more ways of doing the same work, in turns."""

import gc
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Lap:
    """One run: seconds on the clock, CPU seconds of all threads, and the load average when it ended."""

    wall: float
    cpu: float
    load: float


@dataclass(frozen=True)
class Laps:
    """All runs of one way. The best is the least disturbed one."""

    laps: tuple[Lap, ...]

    @property
    def wall(self) -> float:
        return min(lap.wall for lap in self.laps)

    @property
    def cpu(self) -> float:
        return min(lap.cpu for lap in self.laps)

    def scaled(self, factor: float) -> "Laps":
        """The times of a sample, scaled up to all of the work."""
        return Laps(tuple(Lap(lap.wall * factor, lap.cpu * factor, lap.load) for lap in self.laps))

    def as_dict(self) -> dict[str, Any]:
        return {"wall_s": self.wall, "cpu_s": self.cpu, "laps": [asdict(lap) for lap in self.laps]}


def timed(work: Callable[[], object]) -> Lap:
    """Run once. CPU time is this process's: a server's is not in it."""
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Lap(time.perf_counter() - wall, time.process_time() - cpu, os.getloadavg()[0])


def alternate(ways: Mapping[str, Callable[[], object]], repeat: int) -> dict[str, Laps]:
    """Run the ways in turns, `repeat` times each, so that a busy minute hits all of them."""
    laps: dict[str, list[Lap]] = {name: [] for name in ways}
    for _ in range(repeat):
        for name, work in ways.items():
            laps[name].append(timed(work))
    return {name: Laps(tuple(found)) for name, found in laps.items()}
