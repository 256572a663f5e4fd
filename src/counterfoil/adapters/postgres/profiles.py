"""Profiles in PostgreSQL: one row an entity and entry."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from psycopg.types.json import Jsonb

from counterfoil.adapters.postgres.connections import Connections, Login
from counterfoil.ports.service import Entry, LogPart

_NEW = """
SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint, found.*
FROM (VALUES (1)) AS always LEFT JOIN (
    SELECT entry.entity, json_agg(entry_id ORDER BY at, entry_id), json_agg(at ORDER BY at, entry_id),
        json_agg(content ORDER BY at, entry_id)
    FROM unnest(%s::text[], %s::bigint[]) AS wanted (entity, position)
    JOIN profile_entry AS entry
        ON entry.entity = wanted.entity AND entry.written_by >= wanted.position::text::xid8
    GROUP BY entry.entity
) AS found ON true
"""
"""One row at least, for the position: of the very snapshot that the entries are read in.

A log is one row of three JSON arrays: psycopg takes longer for each value of each row than to read one document.
"""


class PostgresProfiles:
    """A ProfileStore in the database of `login`. A position is the oldest transaction under way at the last reading."""

    def __init__(self, login: Login) -> None:
        self._connections = Connections(login)

    def append(self, entries: Sequence[Entry]) -> None:
        """Append entries that their entities do not have yet; the first content of an id stays."""
        if not entries:
            return
        # In one order for all writers, so that two never wait for each other.
        ordered = sorted(entries, key=lambda entry: (entry.entity, entry.entry_id))
        rows = [
            {"entity": one.entity, "entry_id": one.entry_id, "at": one.at.isoformat(), "content": dict(one.content)}
            for one in ordered
        ]
        with self._connections.connection() as connection:
            connection.execute(
                "INSERT INTO profile_entry (entity, entry_id, at, content) SELECT * FROM jsonb_to_recordset(%s) "
                "AS given (entity text, entry_id text, at timestamptz, content jsonb) ON CONFLICT DO NOTHING",
                (Jsonb(rows),),
            )

    def read(self, positions: Mapping[str, int]) -> dict[str, LogPart]:
        """Return what is new to the reader of each entity; position 0 is the beginning."""
        found: dict[str, tuple[Entry, ...]] = dict.fromkeys(positions, ())
        with self._connections.connection() as connection:
            rows = connection.execute(_NEW, (list(positions), list(positions.values()))).fetchall()
        for _, entity, names, moments, contents in rows:
            if entity is not None:
                told = zip(names, moments, contents, strict=True)
                found[entity] = tuple([Entry(entity, name, datetime.fromisoformat(at), one) for name, at, one in told])
        position = int(rows[0][0])
        return {entity: LogPart(entries, position) for entity, entries in found.items()}

    def expire(self, before: datetime) -> int:
        """Remove entries whose `at` is earlier, and return how many."""
        with self._connections.connection() as connection:
            return connection.execute("DELETE FROM profile_entry WHERE at < %s", (before,)).rowcount

    def forget(self, entities: Collection[str], transactions: Collection[str]) -> int:
        """Remove the logs of entities, and the entries of transactions from all logs; return how many entries."""
        query = "DELETE FROM profile_entry WHERE entity = ANY(%s) OR content ->> 'transaction_id' = ANY(%s)"
        with self._connections.connection() as connection:
            return connection.execute(query, (list(entities), list(transactions))).rowcount

    def ping(self) -> None:
        """Raise StoreUnavailableError if the store does not answer."""
        with self._connections.connection() as connection:
            connection.execute("SELECT 1 FROM profile_entry LIMIT 0")

    def close(self) -> None:
        """Close this thread's connection; the next call opens another."""
        self._connections.close()
