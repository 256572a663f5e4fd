"""Local copies of a table's files in S3, which the processes of a machine share.

An object below `runs/` is written once and its folder's name never comes again: a local file with the size that
the manifest names is a copy of that object.
"""

import shutil
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from counterfoil.adapters.aws.objects import S3Objects
from counterfoil.adapters.folder.locks import locked
from counterfoil.adapters.folder.manifest import RUNS, PublishedRun, damage

_FORGOTTEN = timedelta(days=1)  # no reader holds on to replaced files for this long


class TableCopies:
    """Copies in the folder `root` of the tables in `lake`."""

    def __init__(self, lake: S3Objects, root: Path) -> None:
        self._lake = lake
        self._root = root

    def path(self, table: str, name: str) -> Path:
        """Return where the copy of a table's file is, or would be."""
        return self._root / table / name

    def fetch(self, table: str, wanted: Sequence[PublishedRun], listed: Sequence[PublishedRun]) -> str | None:
        """Download the files of the runs `wanted` that are not here yet; `listed` are all that the manifest names.

        Return what is wrong with one of the files, or None. Raises StoreUnavailableError.
        """
        home = self._root / table
        if not _missing(home, wanted):
            return None
        home.mkdir(parents=True, exist_ok=True)
        with locked(home):  # what another process downloads is not downloaded here again
            _forget(home, listed, _FORGOTTEN)
            missing = _missing(home, wanted)
            _make_room({(home / name).parent for name in missing})
            gone = self._lake.download({f"{table}/{name}": home / name for name in missing})
            return self._damage(table, missing, gone)

    def forget(self, table: str, listed: Sequence[PublishedRun]) -> None:
        """Remove the copies of all runs but those that the manifest names."""
        home = self._root / table
        with locked(home) as there:
            if there:
                _forget(home, listed, timedelta(0))

    def _damage(self, table: str, files: Mapping[str, PublishedRun], gone: set[str]) -> str | None:
        for name, entry in files.items():
            key = f"{table}/{name}"
            found = None if key in gone else _size(self._root / key)
            if found != entry.files[name]:
                return damage(self._lake.place(key), table, entry.run, size=entry.files[name], found=found)
        return None


def _missing(home: Path, runs: Sequence[PublishedRun]) -> dict[str, PublishedRun]:
    """Return the files that are not here, or not whole, with their runs."""
    return {name: entry for entry in runs for name, size in entry.files.items() if _size(home / name) != size}


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None


def _make_room(folders: set[Path]) -> None:
    """Make the folders that are missing; what killed downloads left in the others goes."""
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob("*.parquet.*"):
            left.unlink()


def _forget(home: Path, listed: Sequence[PublishedRun], after: timedelta) -> None:
    """Remove the copies of runs that are not listed and older than `after`."""
    folders = {home / entry.folder for entry in listed}
    for folder in (home / RUNS).iterdir() if (home / RUNS).is_dir() else []:
        if folder not in folders and folder.stat().st_mtime < time.time() - after.total_seconds():
            shutil.rmtree(folder, ignore_errors=True)
