"""What a release's folder must be: files without pickles, each with the hash it was registered with."""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path

from counterfoil.errors import ReleaseMismatchError, UsageError

_ID = re.compile(r"\w[\w.:+-]{0,200}")
_PICKLES = {".pkl", ".pickle", ".joblib", ".dill"}


def require_id(release_id: str) -> None:
    """Raise UsageError unless the id can be a folder's name and stand in a query."""
    if not _ID.fullmatch(release_id):
        raise UsageError(f"release id {release_id!r} cannot be a name: use letters, digits and . : + - _")


def file_hashes(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file under `folder`, by its path below it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def require_files(folder: Path, hashes: Mapping[str, str]) -> None:
    """Raise UsageError for a folder without files or with pickles, which run code when they are read."""
    if not hashes:
        raise UsageError(f"{folder} has no files: a release is a folder with its files in it")
    pickles = [name for name in hashes if Path(name).suffix in _PICKLES]
    if pickles:
        raise UsageError(f"{folder} has pickles ({', '.join(pickles)}): a release holds JSON and arrays only")


def verify(release_id: str, home: Path, digest: str) -> None:
    """Hold the files of `home`/release against `home`/files.json, and that against its SHA-256 `digest`.

    Raises ReleaseMismatchError for a file that is missing, changed or was not there.
    """
    cure = "restore the files or register a new release"
    listing = home / "files.json"
    if not listing.is_file() or hashlib.sha256(listing.read_bytes()).hexdigest() != digest:
        raise ReleaseMismatchError(f"release {release_id!r}: {listing} is missing or was changed: {cure}")
    recorded = json.loads(listing.read_text(encoding="utf-8"))
    found = file_hashes(home / "release")
    wrong = sorted(name for name in recorded.keys() | found.keys() if recorded.get(name) != found.get(name))
    if wrong:
        raise ReleaseMismatchError(
            f"release {release_id!r}: {', '.join(wrong)} in {home / 'release'} differ from what was registered: {cure}"
        )
