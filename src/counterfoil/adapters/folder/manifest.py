"""The manifest of a table: which runs, and which files of theirs, readers see.

One format for a folder and for S3, so that a table carried from one to the other stays readable. The layout
beside it is the same too: `<table>/runs/<run>.<number>-<random>/...` and `<table>/.manifest.json`. The number
orders the attempts at one run. Readers of whole folders (Arrow, pandas) leave out what begins with a dot.
"""

import json
import re
import secrets
from collections.abc import Callable, Collection, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import TypeVar

from counterfoil.errors import NotFoundError, StoreUnavailableError, UsageError

MANIFEST = ".manifest.json"
OLD_MANIFEST = "manifest.json"
"""Its name in earlier versions, which readers of whole folders took for data; the next publication removes it."""
RUNS = "runs"
_FORMAT = 1
_NAME = re.compile(r"\w[\w.:=+-]{0,150}")
_Found = TypeVar("_Found")


@dataclass(frozen=True)
class PublishedRun:
    """A published run. `files` maps paths below the table's folder to sizes in bytes."""

    run: str
    folder: str
    files: dict[str, int]


def find_manifest(read: Callable[[str], _Found | None]) -> tuple[str, _Found] | None:
    """Return the name of a table's manifest and what `read` gives for it; None if the table has none.

    An old one goes after the new one was written: if neither was found at first, the new one may have come meanwhile.
    """
    for name in (MANIFEST, OLD_MANIFEST, MANIFEST):
        found = read(name)
        if found is not None:
            return name, found
    return None


def parse_manifest(text: bytes, source: str) -> list[PublishedRun]:
    """Read the runs from a manifest's bytes; `source` is where they are from. Raises StoreUnavailableError."""
    try:
        content = json.loads(text)
        known = content["format"] == _FORMAT
        runs = [PublishedRun(**entry) for entry in content["runs"]] if known else []
        _require_own_files(runs)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreUnavailableError(
            f"{source} is no manifest ({error}): restore it, or remove the table's folder and run its steps"
        ) from error
    if not known:
        raise StoreUnavailableError(
            f"{source} has format {content['format']!r} and this version reads {_FORMAT}: "
            "read it with the version of Counterfoil that wrote it"
        )
    return runs


def manifest_text(runs: Iterable[PublishedRun]) -> bytes:
    """Return the manifest that names these runs."""
    return json.dumps({"format": _FORMAT, "runs": [asdict(run) for run in runs]}, indent=1).encode()


def staged_run(home: Path, folder: Path, run: str) -> PublishedRun:
    """Return the entry for the Parquet files staged in `folder`, which lies below the table's folder `home`."""
    paths = sorted(path for path in folder.rglob("*.parquet") if path.is_file())
    files = {path.relative_to(home).as_posix(): path.stat().st_size for path in paths}
    return PublishedRun(run, folder.relative_to(home).as_posix(), files)


def find_run(runs: Iterable[PublishedRun], run: str) -> PublishedRun | None:
    """Return the run of that name, or None."""
    return next((entry for entry in runs if entry.run == run), None)


def with_run(runs: list[PublishedRun], mine: PublishedRun) -> list[PublishedRun]:
    """Put `mine` in the place of the run of that name, or at the end."""
    if find_run(runs, mine.run) is None:
        return [*runs, mine]
    return [mine if entry.run == mine.run else entry for entry in runs]


def with_only(
    runs: list[PublishedRun], mine: PublishedRun, instead_of: Collection[str], *, replace: bool
) -> list[PublishedRun]:
    """Put `mine` into the manifest's runs, without the runs `instead_of` or, with `replace`, without any other."""
    return [mine] if replace else with_run([entry for entry in runs if entry.run not in instead_of], mine)


def version_of(runs: Iterable[PublishedRun]) -> dict[str, str]:
    """Return the folder of each run: two manifests with the same ones name the same files."""
    return {entry.run: entry.folder for entry in runs}


def new_folder_name(run: str, above: int) -> str:
    """Return the name of a new folder for `run`, whose number is the next above `above`."""
    return f"{run}.{above + 1}-{secrets.token_hex(4)}"


def run_of(folder: str) -> str:
    """Return the run that a folder's name or path belongs to."""
    return PurePosixPath(folder).name.rpartition(".")[0]


def number_of(folder: str) -> int:
    """Return the number in a folder's name or path."""
    return int(PurePosixPath(folder).name.rpartition(".")[2].partition("-")[0])


def require_name(kind: str, name: str) -> None:
    """Raise UsageError if `name` cannot be the name of a folder."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{kind} name {name!r} cannot be a folder name: use letters, digits and . : = + - _, "
            "starting with a letter or digit, 151 characters at most"
        )


def nothing_staged(table: str, run: str) -> NotFoundError:
    """Return the error of a publisher who has nothing to publish."""
    return NotFoundError(f"table {table!r} has nothing staged for run {run!r}: call stage() first")


def damage(place: str, table: str, run: str, *, size: int, found: int | None) -> str:
    """Say that the file at `place` has `found` bytes (None: it is missing) instead of `size`, and what to do."""
    state = "is missing" if found is None else f"has {found:,} bytes instead of {size:,}"
    return f"{place}, which the manifest names, {state}: publish run {run!r} of table {table!r} again"


def _require_own_files(runs: list[PublishedRun]) -> None:
    """Refuse a manifest that names files outside the folders of its runs: downloads follow these paths."""
    for entry in runs:
        inside = re.fullmatch(rf"{RUNS}/[^/]+", entry.folder) is not None
        for name in entry.files:
            if not inside or not name.startswith(f"{entry.folder}/") or ".." in PurePosixPath(name).parts:
                raise ValueError(f"{name!r} is not in the folder of run {entry.run!r}")
