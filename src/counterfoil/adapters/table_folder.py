"""Parquet tables in a folder, published by manifest.

Layout: `<root>/<table>/runs/<run>.<number>-<random>/...` holds the files of a run, staged and published
alike, and `<root>/<table>/manifest.json` names those that are visible. Only the manifest decides: a killed
run leaves files that nobody reads, and the next `stage` of that run removes them. The number tells what is
staged (above the published one) from what a killed publisher replaced and did not live to remove (below).
"""

import fcntl
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from counterfoil.errors import NotFoundError, StoreUnavailableError, UsageError

_FORMAT = 1
_NAME = re.compile(r"\w[\w.:=+-]{0,150}")


@dataclass(frozen=True)
class _Run:
    """A published run. `files` maps paths below the table's folder to sizes in bytes."""

    run: str
    folder: str
    files: dict[str, int]


class FolderTables:
    """A TableStore in the folder `root`, for any number of processes of one machine."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def stage(self, table: str, run: str) -> Path:
        """Return an empty private folder for the files of `run`. Raises UsageError for an unusable name."""
        home = self._home(table)
        _require_name("run", run)
        (home / "runs").mkdir(parents=True, exist_ok=True)
        with _locked(home):
            _remove(_unlisted(home, run))
            number = max(map(_number, _folders(home, run)), default=0) + 1
            folder = home / "runs" / f"{run}.{number}-{secrets.token_hex(4)}"
            folder.mkdir()
        return folder

    def publish(self, table: str, run: str, *, replace: bool = False) -> None:
        """Make the staged files of `run` visible at once; with `replace`, instead of all other runs.

        With nothing staged and the run published already, that run stays: a publisher that was killed
        after its work was done can be run again. Raises NotFoundError if there is neither.
        """
        home = self._home(table)
        _require_name("run", run)
        if not (home / "runs").is_dir():
            raise _nothing_staged(table, run)
        with _locked(home):
            before = _read_manifest(home)
            mine = _staged_run(home, run) or _find(before, run)
            if mine is None:
                raise _nothing_staged(table, run)
            after = [mine] if replace else _with_run(before, mine)
            _write_manifest(home, after)
            kept = {entry.folder for entry in after}
            _remove([home / entry.folder for entry in before if entry.folder not in kept])

    def files(self, table: str, run: str | None = None) -> list[Path]:
        """Return the Parquet files that are visible now, of one run or of all, sorted by path.

        Raises StoreUnavailableError if a file that the manifest names is missing or has another size.
        """
        home = self._home(table)
        entries = _read_manifest(home)
        while (damage := _damage(home, entries)) is not None:
            # A publisher may have replaced the run between our reading the manifest and looking at its files.
            again = _read_manifest(home)
            if again == entries:
                raise StoreUnavailableError(damage)
            entries = again
        return sorted(home / path for entry in entries if run in (None, entry.run) for path in entry.files)

    def runs(self, table: str) -> list[str]:
        """Return the published runs in the order of their first publication."""
        return [entry.run for entry in _read_manifest(self._home(table))]

    def _home(self, table: str) -> Path:
        _require_name("table", table)
        return self._root / table


def _require_name(kind: str, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{kind} name {name!r} cannot be a folder name: use letters, digits and . : = + - _, "
            "starting with a letter or digit, 151 characters at most"
        )


def _nothing_staged(table: str, run: str) -> NotFoundError:
    return NotFoundError(f"table {table!r} has nothing staged for run {run!r}: call stage() first")


@contextmanager
def _locked(home: Path) -> Iterator[None]:
    """Hold the table's lock; the system lets go of it when the process dies."""
    with (home / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _read_manifest(home: Path) -> list[_Run]:
    path = home / "manifest.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] == _FORMAT:
            return [_Run(**entry) for entry in content["runs"]]
    except FileNotFoundError:
        return []
    except (ValueError, KeyError, TypeError) as error:
        raise StoreUnavailableError(
            f"{path} is no manifest ({error}): restore it, or remove the table's folder and run its steps"
        ) from error
    raise StoreUnavailableError(
        f"{path} has format {content['format']!r} and this version reads {_FORMAT}: "
        "read it with the version of Counterfoil that wrote it"
    )


def _write_manifest(home: Path, entries: list[_Run]) -> None:
    """Put the new manifest in the old one's place; the data it names is on disk before it is."""
    aside = home / "manifest.json.new"
    content = {"format": _FORMAT, "runs": [asdict(entry) for entry in entries]}
    aside.write_text(json.dumps(content, indent=1), encoding="utf-8")
    _sync(aside)
    aside.replace(home / "manifest.json")
    _sync(home)


def _staged_run(home: Path, run: str) -> _Run | None:
    """Return the staged folder of `run` as a manifest entry, or None if nothing is staged."""
    newest = max(_folders(home, run), key=_number, default=None)
    if newest is None or newest not in _unlisted(home, run):
        return None
    paths = sorted(path for path in newest.rglob("*.parquet") if path.is_file())
    for path in paths:
        _sync(path)
    files = {path.relative_to(home).as_posix(): path.stat().st_size for path in paths}
    return _Run(run, newest.relative_to(home).as_posix(), files)


def _folders(home: Path, run: str) -> list[Path]:
    """Return the folders of `run`, visible or not."""
    return [folder for folder in (home / "runs").iterdir() if folder.name.rpartition(".")[0] == run]


def _number(folder: Path) -> int:
    return int(folder.name.rpartition(".")[2].partition("-")[0])


def _unlisted(home: Path, run: str) -> list[Path]:
    """Return the folders of `run` that the manifest does not name."""
    listed = {home / entry.folder for entry in _read_manifest(home)}
    return [folder for folder in _folders(home, run) if folder not in listed]


def _find(entries: list[_Run], run: str) -> _Run | None:
    return next((entry for entry in entries if entry.run == run), None)


def _with_run(entries: list[_Run], mine: _Run) -> list[_Run]:
    """Put `mine` in the place of the run of that name, or at the end."""
    if _find(entries, mine.run) is None:
        return [*entries, mine]
    return [mine if entry.run == mine.run else entry for entry in entries]


def _damage(home: Path, entries: list[_Run]) -> str | None:
    """Say which file the manifest names wrongly and what to do, or return None."""
    for entry in entries:
        for name, size in entry.files.items():
            path = home / name
            found = path.stat().st_size if path.is_file() else None
            if found != size:
                state = "is missing" if found is None else f"has {found:,} bytes instead of {size:,}"
                cure = f"publish run {entry.run!r} of table {home.name!r} again"
                return f"{path}, which the manifest names, {state}: {cure}"
    return None


def _remove(folders: list[Path]) -> None:
    for folder in folders:
        shutil.rmtree(folder)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
