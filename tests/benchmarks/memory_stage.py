"""One stage in a process of its own, so that its peak memory can be told: prints JSON as its last line."""

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

from card_year import TEST, build_year, collect_year, newest_release, train_year

from counterfoil.steps.intake.curate import curate
from counterfoil.workspace.wiring import Workspace, open_workspace


def _collect(workspace: Workspace, path: Path) -> int:
    return collect_year(workspace, path)


def _curate(workspace: Workspace, _: Path) -> int:
    """Number of payments whose source IPs were curated."""
    return curate(workspace.tables).payments


def _features(workspace: Workspace, _: Path) -> int:
    return build_year(workspace)


def _train(workspace: Workspace, _: Path) -> int:
    return train_year(workspace).training_rows


def _detect(workspace: Workspace, _: Path) -> int:
    from counterfoil.progress import Progress
    from counterfoil.steps.scoring.score import detect  # torch's memory would count for the other stages too
    from counterfoil.steps.scoring.scorer import Detector  # torch's memory would count for the other stages too

    store = workspace.references_for_scoring
    detector = Detector.load(newest_release(workspace), store, workspace.embedder, workspace.compute)
    scored = 0

    def count(done: int, _all: int) -> None:
        nonlocal scored
        scored = done

    detect(workspace.tables, detector, period=TEST, compute=workspace.compute, progress=Progress(count=count))
    return scored


STAGES: dict[str, Callable[[Workspace, Path], int]] = {
    "collect": _collect,
    "curate": _curate,
    "features": _features,
    "train": _train,
    "detect": _detect,
}


def main(stage: str, folder: Path, path: Path) -> None:
    """Run a stage on the workspace in `folder`, and tell what it took."""
    start = time.perf_counter()
    rows = STAGES[stage](open_workspace(folder), path)
    used = resource.getrusage(resource.RUSAGE_SELF)
    figures = {
        "rows": rows,
        "wall_s": time.perf_counter() - start,
        "cpu_s": used.ru_utime + used.ru_stime,
        "peak_bytes": used.ru_maxrss * 1024,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
