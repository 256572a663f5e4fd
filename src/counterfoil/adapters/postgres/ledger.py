"""The ledger of input files in PostgreSQL."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from counterfoil.adapters.postgres.connections import Login, connect, place_of, reported
from counterfoil.errors import StoreUnavailableError, UsageError
from counterfoil.ports.lake import LedgerEntry, SourceFile

NOTICED_WITHIN = "2s"
"""How long the server may take to see that the process of a connection was killed."""

_ENTRY = "location, content_hash, mapping, state, rows_in, rows_out, rows_rejected, reason"


class PostgresLedger:
    """A FileLedger in the database of `login`.

    A claim is an advisory lock of this object's one connection: PostgreSQL frees it when the process dies,
    so no claim needs a time limit. The object may be shared by threads, not by forked processes.
    """

    def __init__(self, login: Login) -> None:
        self._login = login
        self._guard = threading.RLock()
        self._open: psycopg.Connection | None = None
        self._held: set[SourceFile] = set()

    def claim(self, file: SourceFile, mapping: str, *, again: bool = False) -> bool:
        """Claim a file for this process, with `again` also one that is done.

        False: it is done, or a living process (this one too) has it.
        """
        with self._connection() as connection:
            if file in self._held or not _lock(connection, file):
                return False
            entry = self.entry(file)
            if entry is not None and entry.state == "done" and not again:
                _ask(connection, "SELECT pg_advisory_unlock(%s)", file)
                return False
            connection.execute(
                "INSERT INTO input_file (location, content_hash, mapping, state) "
                "VALUES (%s, %s, %s, 'claimed') ON CONFLICT (location, content_hash) "
                "DO UPDATE SET mapping = excluded.mapping, state = 'claimed', reason = NULL, "
                "rows_in = 0, rows_out = 0, rows_rejected = 0, changed_at = now()",
                (file.location, file.content_hash, mapping),
            )
            self._held.add(file)
        return True

    def complete(self, file: SourceFile, *, rows_in: int, rows_out: int, rows_rejected: int) -> None:
        """Mark a claimed file as done, with its counts, and end the claim.

        Raises UsageError if this object does not hold the claim, StoreUnavailableError if it lost it.
        """
        self._settle(file, "done", rows_in, rows_out, rows_rejected, None)

    def fail(self, file: SourceFile, reason: str) -> None:
        """Mark a claimed file as failed and end the claim; raises like `complete`."""
        self._settle(file, "failed", 0, 0, 0, reason)

    def unclaim(self, file: SourceFile) -> None:
        """Give a claim up without a result; raises like `complete`."""
        self._settle(file, "unclaimed", 0, 0, 0, None)

    def entry(self, file: SourceFile) -> LedgerEntry | None:
        """Return what is known of a file, or None."""
        query = f"SELECT {_ENTRY} FROM input_file WHERE location = %s AND content_hash = %s"
        with self._connection() as connection:
            row = connection.execute(query, (file.location, file.content_hash)).fetchone()
        return None if row is None else _as_entry(row)

    def entries(self) -> list[LedgerEntry]:
        """Return all entries, ordered by location and then content hash."""
        query = f"SELECT {_ENTRY} FROM input_file ORDER BY location, content_hash"
        with self._connection() as connection:
            return [_as_entry(row) for row in connection.execute(query)]

    def close(self) -> None:
        """End all claims and close the connection; the next call opens another."""
        with self._guard:
            if self._open is not None:
                self._open.close()
            self._open = None
            self._held.clear()

    def _settle(
        self, file: SourceFile, state: str, rows_in: int, rows_out: int, rejected: int, reason: str | None
    ) -> None:
        with self._connection() as connection:
            if file not in self._held:
                raise UsageError(
                    f"{file.location} is not claimed by this process and cannot be marked {state}: claim it first"
                )
            connection.execute(
                "UPDATE input_file SET state = %s, rows_in = %s, rows_out = %s, rows_rejected = %s, "
                "reason = %s, changed_at = now() WHERE location = %s AND content_hash = %s",
                (state, rows_in, rows_out, rejected, reason, file.location, file.content_hash),
            )
            _ask(connection, "SELECT pg_advisory_unlock(%s)", file)
            self._held.discard(file)

    @contextmanager
    def _connection(self) -> Iterator[psycopg.Connection]:
        """Give the one connection to one thread at a time."""
        with self._guard:
            if self._open is not None and self._open.closed:
                self._forget_lost_claims()
            if self._open is None:
                self._open = _connect(self._login)
            with reported(place_of(self._open)):
                yield self._open

    def _forget_lost_claims(self) -> None:
        """Begin again after a lost connection, and say so if claims went with it: others may have them now."""
        lost = sorted(file.location for file in self._held)
        self._open = None
        self._held.clear()
        if lost:
            raise StoreUnavailableError(
                f"the connection to the ledger was lost, and with it the claims on {', '.join(lost)}: "
                "check that the server runs, then run the step again"
            )


def _connect(login: Login) -> psycopg.Connection:
    connection = connect(login)
    with reported(place_of(connection)):
        # A machine that vanished is noticed within two minutes, and its claims are free.
        connection.execute("SET tcp_keepalives_idle = 60; SET tcp_keepalives_interval = 15")
    return connection


def _lock(connection: psycopg.Connection, file: SourceFile) -> bool:
    """Take a file's lock unless a living process has it: that of a killed one is free once the server has noticed."""
    if _ask(connection, "SELECT pg_try_advisory_lock(%s)", file):
        return True
    try:
        with connection.transaction():
            connection.execute("SELECT set_config('lock_timeout', %s, true)", (NOTICED_WITHIN,))
            connection.execute("SELECT pg_advisory_lock(%s)", (_key(file),))
    except psycopg.errors.LockNotAvailable:
        return False
    return True


def _ask(connection: psycopg.Connection, query: str, file: SourceFile) -> bool:
    """Run a lock function on the file's key and return its answer."""
    row = connection.execute(query, (_key(file),)).fetchone()
    return row is not None and bool(row[0])


def _key(file: SourceFile) -> int:
    """Return the file's advisory lock: 64 bits of a hash, signed as PostgreSQL wants it."""
    digest = hashlib.sha256(f"input_file\0{file.location}\0{file.content_hash}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def _as_entry(row: tuple[object, ...]) -> LedgerEntry:
    location, content_hash, *rest = row
    return LedgerEntry(SourceFile(str(location), str(content_hash)), *rest)  # type: ignore[arg-type]
