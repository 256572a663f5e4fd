"""The peak memory of processes that others start, read from the system while they run (Linux)."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

_EVERY = 0.2


@contextmanager
def peaks_of(marker: str) -> Iterator[dict[int, int]]:
    """Watch our descendants whose command has `marker` among its words; yields their peaks in bytes by pid."""
    peaks: dict[int, int] = {}
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(_EVERY):
            for process in psutil.Process().children(recursive=True):
                _look(process, marker, peaks)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield peaks
    finally:
        ended.set()
        watcher.join()


def _look(process: psutil.Process, marker: str, peaks: dict[int, int]) -> None:
    try:
        if marker in process.cmdline():
            peaks[process.pid] = _high_water(process.pid)
    except (psutil.Error, OSError):
        pass  # it ended just now


def _high_water(pid: int) -> int:
    """The peak since the process began its program: unlike ru_maxrss it inherits nothing from its starter."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0
