"""How many cores this process may use: one answer for every library and every pool of ours."""

import os
from collections.abc import Mapping, MutableMapping
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
OMP_THREADS = "OMP_NUM_THREADS"
WAIT_POLICY = "OMP_WAIT_POLICY"
BLAS_THREADS = "OPENBLAS_NUM_THREADS"


def cores(environment: Mapping[str, str] = os.environ, cgroup: Path = CGROUP) -> int:
    """The cores that this process may keep busy, at least 1.

    The smallest of the cores that it may run on, its control group's share of processor time (`cpu.max` of cgroup v2,
    a part of a core counts as one), and `OMP_NUM_THREADS`, the number that the user gives all numeric libraries.
    """
    limits = [len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1]
    limits += [limit for limit in (_of_cgroup(cgroup), _of_user(environment)) if limit is not None]
    return max(1, min(limits))


def settle_threads(environment: MutableMapping[str, str] = os.environ) -> None:
    """Let the libraries that are imported from now on start `cores()` threads that sleep while they wait.

    OpenMP's threads spin at barriers by default: on a machine with other work each spin takes a core from what is
    waited for. Those of numpy's OpenBLAS always do, so it gets none: our own pools keep the cores busy, and beside
    other work batches took 9 s of CPU and more instead of 2. What the user has set stays.
    """
    environment.setdefault(OMP_THREADS, str(cores(environment)))
    environment.setdefault(WAIT_POLICY, "passive")
    environment.setdefault(BLAS_THREADS, "1")


def _of_cgroup(folder: Path) -> int | None:
    """The limit of this process's control group; None where there is none."""
    try:
        quota, _, period = (folder / "cpu.max").read_text(encoding="ascii").strip().partition(" ")
        return None if quota == "max" else -(-int(quota) // int(period))
    except (OSError, ValueError, ZeroDivisionError):
        return None


def _of_user(environment: Mapping[str, str]) -> int | None:
    first = environment.get(OMP_THREADS, "").partition(",")[0].strip()
    return int(first) if first.isdigit() and int(first) > 0 else None
