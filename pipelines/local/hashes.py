"""SHA-256 of files, remembered, so that what has not changed is not read again."""

import hashlib
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SETTLED_NS = 50_000_000
"""File systems record times in ticks of some milliseconds: a younger file may change again within its tick."""


class FileHashes:
    """Hashes by path, remembered with size, times and inode in a SQLite file that any process may use."""

    def __init__(self, database: Path) -> None:
        self._database = database
        database.parent.mkdir(parents=True, exist_ok=True)
        with self._open() as connection:
            connection.execute(
                "CREATE TABLE IF NOT EXISTS hashes (path TEXT PRIMARY KEY, state TEXT NOT NULL, sha256 TEXT NOT NULL)"
            )

    def digests(self, files: dict[str, Path]) -> dict[str, str]:
        """Return the SHA-256 (hex) of each file, by the names given. Raises FileNotFoundError."""
        found: dict[str, str] = {}
        with self._open() as connection:
            for name, path in files.items():
                found[name] = _digest(connection, path)
        return found

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self._database, timeout=60)
        try:
            with connection:
                yield connection
        finally:
            connection.close()


def _digest(connection: sqlite3.Connection, path: Path) -> str:
    place = str(path.absolute())
    state = _state(path.stat())
    row = connection.execute("SELECT state, sha256 FROM hashes WHERE path = ?", (place,)).fetchone()
    if row is not None and row[0] == state:
        return str(row[1])
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        after = os.fstat(file.fileno())
    if _state(after) == state and time.time_ns() - after.st_ctime_ns > _SETTLED_NS:
        connection.execute("INSERT OR REPLACE INTO hashes VALUES (?, ?, ?)", (place, state, digest))
    return digest


def _state(status: os.stat_result) -> str:
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns} {status.st_dev} {status.st_ino}"
