"""The ledger of input files in PostgreSQL."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from counterfoil.adapters.postgres.connections import Login, connect, place_of
from counterfoil.adapters.postgres.failures import reported
from counterfoil.adapters.postgres.life_signs import LifeSign, is_given
from counterfoil.errors import StoreUnavailableError, UsageError
from counterfoil.ports.lake import LedgerEntry, SourceFile

_ENTRY = "location, content_hash, mapping, state, rows_in, rows_out, rows_rejected, reason"
_SEEN = "SELECT state, claimed_by FROM input_file WHERE location = %(location)s AND content_hash = %(hash)s"
_CLAIM = """
INSERT INTO input_file AS kept (location, content_hash, mapping, state, claimed_by)
VALUES (%(location)s, %(hash)s, %(mapping)s, 'claimed', %(me)s)
ON CONFLICT (location, content_hash) DO UPDATE SET mapping = excluded.mapping, state = 'claimed',
    claimed_by = excluded.claimed_by, reason = NULL, rows_in = 0, rows_out = 0, rows_rejected = 0, changed_at = now()
WHERE kept.state = %(state)s AND kept.claimed_by IS NOT DISTINCT FROM %(claimant)s::bigint
"""
_SETTLE = """
UPDATE input_file SET state = %s, rows_in = %s, rows_out = %s, rows_rejected = %s, reason = %s, claimed_by = NULL,
    changed_at = now()
WHERE location = %s AND content_hash = %s AND state = 'claimed' AND claimed_by = %s
"""


class PostgresLedger:
    """A FileLedger in the database of `login`.

    A claim is a row with the claimant's number, which he keeps locked while he lives: PostgreSQL frees it when the
    process dies, so no claim needs a time limit. The object may be shared by threads, not by forked processes.
    """

    def __init__(self, login: Login) -> None:
        self._login = login
        self._guard = threading.RLock()
        self._open: psycopg.Connection | None = None
        self._life = LifeSign(login)
        self._held: set[SourceFile] = set()

    def claim(self, file: SourceFile, mapping: str, *, again: bool = False) -> bool:
        """Claim a file for this process, with `again` also one that is done.

        False: it is done, or a living process (this one too) has it.
        """
        with self._connection() as connection:
            if file in self._held:
                return False
            self._life.give()
            try:
                if self._take(connection, file, mapping, again):
                    self._held.add(file)
            finally:
                self._rest()
            return file in self._held

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
            self._held.clear()
            self._life.close()
            if self._open is not None:
                self._open.close()
            self._open = None

    def _take(self, connection: psycopg.Connection, file: SourceFile, mapping: str, again: bool) -> bool:
        """Write the claim, unless the row says otherwise or becomes another's meanwhile; then look again."""
        values = {"location": file.location, "hash": file.content_hash, "mapping": mapping, "me": self._life.number}
        while True:
            state, claimant = connection.execute(_SEEN, values).fetchone() or (None, None)
            if state == "done" and not again:
                return False
            if state == "claimed" and claimant is not None and is_given(connection, claimant):
                return False
            if connection.execute(_CLAIM, {**values, "state": state, "claimant": claimant}).rowcount:
                return True

    def _settle(
        self, file: SourceFile, state: str, rows_in: int, rows_out: int, rejected: int, reason: str | None
    ) -> None:
        with self._connection() as connection:
            if file not in self._held:
                raise UsageError(
                    f"{file.location} is not claimed by this process and cannot be marked {state}: claim it first"
                )
            values = (state, rows_in, rows_out, rejected, reason, file.location, file.content_hash, self._life.number)
            settled = connection.execute(_SETTLE, values).rowcount
            self._held.discard(file)
            self._rest()
            if not settled:
                raise StoreUnavailableError(
                    f"the claim on {file.location} was lost before it could be marked {state}: the connection that "
                    "kept it broke and another process has the file now; run the step again"
                )

    def _rest(self) -> None:
        """Keep no transaction open while nothing is claimed."""
        if not self._held:
            self._life.rest()

    @contextmanager
    def _connection(self) -> Iterator[psycopg.Connection]:
        """Give the one connection to one thread at a time."""
        with self._guard:
            if self._open is None or self._open.closed:
                self._open = connect(self._login)
            with reported(place_of(self._open)):
                yield self._open


def _as_entry(row: tuple[object, ...]) -> LedgerEntry:
    location, content_hash, *rest = row
    return LedgerEntry(SourceFile(str(location), str(content_hash)), *rest)  # type: ignore[arg-type]
