"""Parquet tables in a folder, published by manifest.

Layout: `<root>/<table>/runs/<run>.<number>-<random>/...` holds the files of a run, staged and published
alike, and `<root>/<table>/manifest.json` names those that are visible. Only the manifest decides: a killed
run leaves files that nobody reads. Whoever stages a run holds its folder's lock, so that the next `stage` of the
table, of whatever run, knows the folders of dead processes and removes them. The number tells what is staged
(above the published one) from what a killed publisher replaced and did not live to remove (below).
"""

import fcntl
import os
import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from counterfoil.adapters.folder.locks import Hold, is_held
from counterfoil.adapters.folder.manifest import (
    MANIFEST,
    RUNS,
    PublishedRun,
    damage,
    find_run,
    manifest_text,
    new_folder_name,
    nothing_staged,
    number_of,
    parse_manifest,
    require_name,
    run_of,
    staged_run,
    version_of,
    with_only,
)
from counterfoil.errors import StoreUnavailableError
from counterfoil.ports.lake import Version


class FolderTables:
    """A TableStore in the folder `root`, for any number of processes of one machine."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._staged: dict[Path, Hold] = {}

    def stage(self, table: str, run: str) -> Path:
        """Return an empty private folder for the files of `run`. Raises UsageError for an unusable name."""
        home = self._home(table)
        require_name("run", run)
        (home / RUNS).mkdir(parents=True, exist_ok=True)
        with _locked(home):
            for folder in self._own(home, run):
                self._staged.pop(folder).release()
            _remove(_nobodys(home))
            published = find_run(_read_manifest(home), run)
            names = [path.name for path in _folders(home, run)] + ([published.folder] if published else [])
            folder = home / RUNS / new_folder_name(run, above=max(map(number_of, names), default=0))
            folder.mkdir()
            self._staged[folder] = Hold(folder)
        return folder

    def publish(
        self,
        table: str,
        run: str,
        *,
        replace: bool = False,
        instead_of: Collection[str] = (),
        check: Callable[[Version], None] | None = None,
    ) -> None:
        """Make the staged files of `run` visible at once, in the place of the runs `instead_of`.

        With `replace`, instead of all other runs. `check` is asked under the table's lock, and may raise.

        With nothing staged and the run published already, that run stays: a publisher that was killed
        after its work was done can be run again. Raises NotFoundError if there is neither.
        """
        home = self._home(table)
        require_name("run", run)
        if not (home / RUNS).is_dir():
            raise nothing_staged(table, run)
        with _locked(home):
            before = _read_manifest(home)
            mine = self._staged_run(home, run) or find_run(before, run)
            if mine is None:
                raise nothing_staged(table, run)
            if check is not None and mine not in before:
                check(version_of(before))
            after = with_only(before, mine, instead_of, replace=replace)
            _write_manifest(home, after)
            kept = {entry.folder for entry in after}
            _remove([home / entry.folder for entry in before if entry.folder not in kept])
            self._staged.pop(home / mine.folder, None)

    def tidy(self, table: str) -> None:
        """Remove what is not visible and held by no living process."""
        home = self._home(table)
        if (home / RUNS).is_dir():
            with _locked(home):
                _remove(_nobodys(home))

    def files(self, table: str, run: str | None = None) -> list[Path]:
        """Return the Parquet files that are visible now, of one run or of all, sorted by path.

        Raises StoreUnavailableError if a file that the manifest names is missing or has another size.
        """
        home = self._home(table)
        entries = _read_manifest(home)
        while (fault := _damage(home, entries)) is not None:
            # A publisher may have replaced the run between our reading the manifest and looking at its files.
            again = _read_manifest(home)
            if again == entries:
                raise StoreUnavailableError(fault)
            entries = again
        return sorted(home / path for entry in entries if run in (None, entry.run) for path in entry.files)

    def runs(self, table: str) -> list[str]:
        """Return the published runs in the order of their first publication."""
        return [entry.run for entry in _read_manifest(self._home(table))]

    def version(self, table: str) -> Version:
        """Return the folder of each published run."""
        return version_of(_read_manifest(self._home(table)))

    def prepare(self, table: str) -> None:
        """Write a manifest that names nothing where the table has none yet."""
        home = self._home(table)
        home.mkdir(parents=True, exist_ok=True)
        with _locked(home):
            if not (home / MANIFEST).exists():
                _write_manifest(home, [])

    def tables(self) -> list[str]:
        """Return the names of the tables that have a manifest, sorted."""
        return sorted(path.parent.name for path in self._root.glob(f"*/{MANIFEST}"))

    def _own(self, home: Path, run: str) -> list[Path]:
        """Return the folders of `run` that this object has staged and not published."""
        return [path for path in self._staged if path.parent == home / RUNS and run_of(path.name) == run]

    def _staged_run(self, home: Path, run: str) -> PublishedRun | None:
        """Return the staged folder of `run`, ours before others', as a manifest entry; None if nothing is staged."""
        folders = self._own(home, run) or _folders(home, run)
        newest = max(folders, key=lambda folder: number_of(folder.name), default=None)
        if newest is None or newest not in _unlisted(home, run):
            return None
        entry = staged_run(home, newest, run)
        for name in entry.files:
            _sync(home / name)
        return entry

    def _home(self, table: str) -> Path:
        require_name("table", table)
        return self._root / table


@contextmanager
def _locked(home: Path) -> Iterator[None]:
    """Hold the table's lock; the system frees it when the process dies."""
    with (home / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _read_manifest(home: Path) -> list[PublishedRun]:
    path = home / MANIFEST
    try:
        return parse_manifest(path.read_bytes(), str(path))
    except FileNotFoundError:
        return []


def _write_manifest(home: Path, entries: list[PublishedRun]) -> None:
    """Put the new manifest in the old one's place; the data it names is on disk before it is."""
    aside = home / f"{MANIFEST}.new"
    aside.write_bytes(manifest_text(entries))
    _sync(aside)
    aside.replace(home / MANIFEST)
    _sync(home)


def _folders(home: Path, run: str) -> list[Path]:
    """Return the folders of `run`, visible or not."""
    return [folder for folder in (home / RUNS).iterdir() if run_of(folder.name) == run]


def _unlisted(home: Path, run: str | None = None) -> list[Path]:
    """Return the folders, of `run` or of all, that the manifest does not name."""
    listed = {home / entry.folder for entry in _read_manifest(home)}
    folders = list((home / RUNS).iterdir()) if run is None else _folders(home, run)
    return [folder for folder in folders if folder not in listed]


def _nobodys(home: Path) -> list[Path]:
    """Return the folders that the manifest does not name and no living process holds."""
    return [folder for folder in _unlisted(home) if not is_held(folder)]


def _damage(home: Path, entries: list[PublishedRun]) -> str | None:
    """Say which file the manifest names wrongly and what to do, or return None."""
    for entry in entries:
        for name, size in entry.files.items():
            path = home / name
            found = path.stat().st_size if path.is_file() else None
            if found != size:
                return damage(str(path), home.name, entry.run, size=size, found=found)
    return None


def _remove(folders: list[Path]) -> None:
    for folder in folders:
        if folder.exists():  # S3, where the table may come from, has no empty folders
            shutil.rmtree(folder)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
