"""Parquet tables in a folder, published by manifest.

Layout: `<root>/<table>/runs/<run>.<number>-<random>/...` holds the files of a published run, and
`<root>/<table>/.manifest.json` names those that are visible. Only the manifest decides: a killed publisher leaves
files that nobody reads. A run is staged in `<root>/.staged/<table>`, so that those who read a table's folder without
its manifest find no half of a run. Whoever stages a run holds its folder's lock, so that the next `stage` of the
table, of whatever run, knows the folders of dead processes and removes them. The number tells what is staged
(above the published one) from what a killed publisher replaced and did not live to remove (below).
"""

import fcntl
import os
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

from counterfoil.adapters.folder.locks import Hold, is_held
from counterfoil.adapters.folder.manifest import (
    MANIFEST,
    OLD_MANIFEST,
    RUNS,
    PublishedRun,
    damage,
    find_manifest,
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

_STAGED = ".staged"
_SYNCED_AT_ONCE = 8


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
            folder = _aside(home) / new_folder_name(run, above=max(map(number_of, names), default=0))
            folder.mkdir(parents=True)
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
            newest, mine = self._newest_staged(home, run), find_run(before, run)
            if newest is not None:
                if check is not None:
                    check(version_of(before))
                mine = _placed(home, newest, run)
            if mine is None:
                raise nothing_staged(table, run)
            after = with_only(before, mine, instead_of, replace=replace)
            _write_manifest(home, after)
            kept = {entry.folder for entry in after}
            _remove([home / entry.folder for entry in before if entry.folder not in kept])
            if newest is not None:
                self._staged.pop(newest, None)

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
        while (fault := fault_among(home, entries)) is not None:
            # A publisher may have replaced the run between our reading the manifest and looking at its files.
            again = _read_manifest(home)
            if again == entries:
                raise StoreUnavailableError(fault)
            entries = again
        return sorted(home / path for entry in entries if run in (None, entry.run) for path in entry.files)

    def runs(self, table: str) -> list[str]:
        """Return the published runs in the order of their first publication."""
        return [entry.run for entry in _read_manifest(self._home(table))]

    def published(self, table: str) -> list[PublishedRun]:
        """Return the published runs with their files, in the order of their first publication."""
        return _read_manifest(self._home(table))

    def version(self, table: str) -> Version:
        """Return the folder of each published run."""
        return version_of(_read_manifest(self._home(table)))

    def prepare(self, table: str) -> None:
        """Write a manifest that names nothing where the table has none yet."""
        home = self._home(table)
        home.mkdir(parents=True, exist_ok=True)
        with _locked(home):
            if _found_manifest(home) is None:
                _write_manifest(home, [])

    def tables(self) -> list[str]:
        """Return the names of the tables that have a manifest, sorted."""
        homes = {path.parent for name in (MANIFEST, OLD_MANIFEST) for path in self._root.glob(f"*/{name}")}
        return sorted(home.name for home in homes)

    def _own(self, home: Path, run: str) -> list[Path]:
        """Return the folders of `run` that this object has staged and not published."""
        return [path for path in self._staged if path.parent == _aside(home) and run_of(path.name) == run]

    def _newest_staged(self, home: Path, run: str) -> Path | None:
        """Return the staged folder of `run`, ours before others'; None if nothing is staged."""
        folders = self._own(home, run) or _folders(home, run)
        newest = max(folders, key=lambda folder: number_of(folder.name), default=None)
        return newest if newest in _unlisted(home, run) else None

    def _home(self, table: str) -> Path:
        require_name("table", table)
        return self._root / table


@contextmanager
def _locked(home: Path) -> Iterator[None]:
    """Hold the table's lock; the system frees it when the process dies."""
    with (home / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _found_manifest(home: Path) -> tuple[str, bytes] | None:
    def read(name: str) -> bytes | None:
        with suppress(FileNotFoundError):
            return (home / name).read_bytes()
        return None

    return find_manifest(read)


def _read_manifest(home: Path) -> list[PublishedRun]:
    found = _found_manifest(home)
    return [] if found is None else parse_manifest(found[1], str(home / found[0]))


def _write_manifest(home: Path, entries: list[PublishedRun]) -> None:
    """Put the new manifest in the old one's place; the data it names is on disk before it is."""
    aside = home / f"{MANIFEST}.new"
    aside.write_bytes(manifest_text(entries))
    _sync(aside)
    aside.replace(home / MANIFEST)
    _sync(home)
    (home / OLD_MANIFEST).unlink(missing_ok=True)


def _placed(home: Path, staged: Path, run: str) -> PublishedRun:
    """Move a staged folder to its table, its files on disk, and return its entry in the manifest."""
    folder = home / RUNS / staged.name
    with ThreadPoolExecutor(_SYNCED_AT_ONCE) as pool:  # waits for the disk once for several files
        for _ in pool.map(_sync, sorted(staged.rglob("*.parquet"))):
            pass
    if folder != staged:
        staged.rename(folder)
        _sync(folder.parent)
    return staged_run(home, folder, run)


def _aside(home: Path) -> Path:
    """Return where a table's runs are staged, on the same file system."""
    return home.parent / _STAGED / home.name


def _all_folders(home: Path) -> list[Path]:
    return [path for parent in (_aside(home), home / RUNS) if parent.is_dir() for path in parent.iterdir()]


def _folders(home: Path, run: str) -> list[Path]:
    """Return the folders of `run`, visible or not."""
    return [folder for folder in _all_folders(home) if run_of(folder.name) == run]


def _unlisted(home: Path, run: str | None = None) -> list[Path]:
    """Return the folders, of `run` or of all, that the manifest does not name."""
    listed = {home / entry.folder for entry in _read_manifest(home)}
    folders = _all_folders(home) if run is None else _folders(home, run)
    return [folder for folder in folders if folder not in listed]


def _nobodys(home: Path) -> list[Path]:
    """Return the folders that the manifest does not name and no living process holds."""
    return [folder for folder in _unlisted(home) if not is_held(folder)]


def fault_among(home: Path, entries: Iterable[PublishedRun]) -> str | None:
    """Say which file of these runs is missing below the table's folder, or of another size, and what to do, or None."""
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
