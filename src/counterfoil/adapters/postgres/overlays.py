"""Overlays in PostgreSQL: changes, and the references that each of them brought."""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import psycopg

from counterfoil.adapters.postgres.connections import Connections, Login
from counterfoil.domain.arrays import Floats
from counterfoil.domain.scoring.overlay import Change, OverlayReference
from counterfoil.errors import ChangedError

_CHANGE = "release_id, subject, label, said, intercept"
_REFERENCE = (
    "reference_id, label, event_time, known_at, amount, currency, merchant_id, category, account_id, vector, reach"
)
_FLOATS = np.dtype("<f4")


class PostgresOverlays:
    """An OverlayStore in the database of `login`. Changes of one release are appended one at a time."""

    def __init__(self, login: Login) -> None:
        self._connections = Connections(login)

    def append(self, change: Change, after: int) -> Change | None:
        """Append a change that was made of the overlay up to `after`, and return it with its number.

        None if a later word on its subject is there. Raises ChangedError if other changes came since `after`.
        """
        with self._connections.connection() as connection, connection.transaction():
            # A reader that goes on after the last number must miss none: numbers follow the order of the commits.
            connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('overlay', 0))")
            [(last, said)] = connection.execute(
                "SELECT coalesce(max(sequence), 0), coalesce(max(said) FILTER (WHERE subject = %s), 0) "
                "FROM overlay_change WHERE release_id = %s",
                (change.subject, change.release_id),
            ).fetchall()
            if said >= change.said:
                return None
            if last != after:
                raise ChangedError(f"the overlay of release {change.release_id} was changed by another process")
            return _insert(connection, change)

    def since(self, release_id: str, sequence: int) -> list[Change]:
        """Return the changes of a release after this number, in their order."""
        with self._connections.connection() as connection, connection.transaction():
            found = connection.execute(
                f"SELECT sequence, {_CHANGE} FROM overlay_change WHERE release_id = %s AND sequence > %s "
                "ORDER BY sequence",
                (release_id, sequence),
            ).fetchall()
            if not found:
                return []
            rows = connection.execute(
                f"SELECT sequence, {_REFERENCE} FROM overlay_reference WHERE sequence = ANY(%s) "
                "ORDER BY sequence, reference_id",
                ([row[0] for row in found],),
            ).fetchall()
        references: dict[int, list[OverlayReference]] = {}
        for row in rows:
            references.setdefault(row[0], []).append(_reference(row[1:]))
        return [_change(row, references.get(row[0], [])) for row in found]

    def forget(self, account: str, payments: Collection[str]) -> int:
        """Remove what an account's payments brought, and return how many rows went."""
        values = {"account": account, "payments": sorted(payments)}
        with self._connections.connection() as connection, connection.transaction():
            references = connection.execute(
                "DELETE FROM overlay_reference WHERE account_id = %(account)s OR reference_id = ANY(%(payments)s)",
                values,
            ).rowcount
            changes = connection.execute("DELETE FROM overlay_change WHERE subject = ANY(%(payments)s)", values)
            return references + changes.rowcount

    def naming(self, account: str, payments: Collection[str]) -> int:
        """Count the rows that an account's payments brought."""
        with self._connections.connection() as connection:
            [(count,)] = connection.execute(
                "SELECT (SELECT count(*) FROM overlay_reference WHERE account_id = %(account)s "
                "OR reference_id = ANY(%(payments)s)) "
                "+ (SELECT count(*) FROM overlay_change WHERE subject = ANY(%(payments)s))",
                {"account": account, "payments": sorted(payments)},
            ).fetchall()
        return int(count)

    def ping(self) -> None:
        """Raise StoreUnavailableError if the store does not answer."""
        with self._connections.connection() as connection:
            connection.execute("SELECT 1 FROM overlay_change LIMIT 0")

    def close(self) -> None:
        """Close this thread's connection; the next call opens another."""
        self._connections.close()


def _insert(connection: psycopg.Connection, change: Change) -> Change:
    row = (change.release_id, change.subject, change.label, change.said, change.intercept)
    [(number,)] = connection.execute(
        f"INSERT INTO overlay_change ({_CHANGE}) VALUES (%s, %s, %s, %s, %s) RETURNING sequence", row
    ).fetchall()
    places = ", ".join(["%s"] * 12)
    connection.cursor().executemany(
        f"INSERT INTO overlay_reference (sequence, {_REFERENCE}) VALUES ({places})",
        [(number, *_as_row(one)) for one in change.references],
    )
    return Change(*row, change.references, int(number))


def _change(row: Sequence[Any], references: Sequence[OverlayReference]) -> Change:
    sequence, release_id, subject, label, said, intercept = row
    return Change(release_id, subject, label, said, intercept, tuple(references), sequence)


def _reference(row: Sequence[Any]) -> OverlayReference:
    values = dict(zip(_REFERENCE.split(", "), row, strict=True))
    return OverlayReference(**{**values, "vector": _floats(values["vector"])})


def _as_row(one: OverlayReference) -> tuple[Any, ...]:
    return (
        one.reference_id, one.label, one.event_time, one.known_at, one.amount, one.currency, one.merchant_id,
        one.category, one.account_id, one.vector.astype(_FLOATS).tobytes(), one.reach,
    )  # fmt: skip


def _floats(content: bytes) -> Floats:
    return np.frombuffer(content, _FLOATS).astype(np.float32)
