"""The entries of lists, in PostgreSQL."""

from collections.abc import Sequence

import psycopg
import pyarrow as pa

from counterfoil.adapters.postgres.connections import Connections, Login
from counterfoil.domain.policy.lists import ENTRIES, Entity, ListEffect, NewEntry
from counterfoil.domain.privacy.pseudonyms import PseudonymKeys, hashed_again
from counterfoil.errors import UsageError
from counterfoil.ports.desk import ListSummary

_ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtextextended('policy_entry', 0))"
_STAGE = """
CREATE TEMPORARY TABLE staged_entry (entity text, value text COLLATE "C", until timestamptz, reason text)
ON COMMIT DROP
"""
_SAME = "old.list = %(list)s AND old.entity = new.entity AND old.value = new.value AND old.ended_at IS NULL"
_REPLACE = f"""
UPDATE policy_entry AS old SET ended_at = now() FROM staged_entry AS new
WHERE {_SAME} AND old.until IS DISTINCT FROM new.until
"""
_ADD = f"""
INSERT INTO policy_entry (list, effect, entity, value, until, reason, said_by, key_id, since)
SELECT %(list)s, %(effect)s, entity, value, until, reason, %(by)s,
    CASE WHEN entity = ANY(%(hashed)s) THEN %(key)s END, now()
FROM staged_entry AS new WHERE NOT EXISTS (SELECT FROM policy_entry AS old WHERE {_SAME})
"""
_ENTRIES = """
SELECT list, effect, entity, value, since, least(until, ended_at) FROM policy_entry ORDER BY list, entity, value, since
"""
_RENAME = """
UPDATE policy_entry AS old SET value = %(value)s, key_id = %(key)s, ended_at = CASE
    WHEN old.ended_at IS NULL AND EXISTS (
        SELECT FROM policy_entry AS new WHERE new.list = old.list AND new.entity = old.entity
            AND new.value = %(value)s AND new.ended_at IS NULL AND new.entry <> old.entry)
    THEN now() ELSE old.ended_at END
WHERE old.entry = %(entry)s
"""
"""Where somebody entered the value under the next key already, that word replaces the earlier one, as `add` would."""
_SUMMARIES = """
SELECT list, effect, entity,
    count(*) FILTER (WHERE counts), count(*) FILTER (WHERE NOT counts), min(until) FILTER (WHERE counts)
FROM (
    SELECT *, ended_at IS NULL AND (until IS NULL OR until > now()) AS counts FROM policy_entry
) AS entry GROUP BY list, effect, entity ORDER BY list, entity
"""


class PostgresLists:
    """A ListStore in the database of `login`."""

    def __init__(self, login: Login) -> None:
        self._connections = Connections(login)

    def add(self, name: str, effect: ListEffect, entries: Sequence[NewEntry], *, key_id: str, operator: str) -> int:
        """Add entries and return how many are new; one that counts already with the same effect and end stays."""
        values = {
            "list": name, "effect": str(effect), "by": operator, "key": key_id,
            "hashed": [str(entity) for entity in Entity if entity.is_hashed],
        }  # fmt: skip
        with self._connections.connection() as connection, connection.transaction():
            connection.execute(_ONE_AT_A_TIME)
            _require_effect(connection, name, effect)
            connection.execute(_STAGE)
            with connection.cursor().copy("COPY staged_entry FROM STDIN") as copy:
                # Of one value with two ends the last counts.
                for entry in {(one.entity, one.value): one for one in entries}.values():
                    copy.write_row((str(entry.entity), entry.value, entry.until, entry.reason))
            connection.execute(_REPLACE, values)
            return connection.execute(_ADD, values).rowcount

    def end(self, name: str, entity: Entity, value: str) -> bool:
        """Withdraw an entry; return whether there was one."""
        query = (
            "UPDATE policy_entry SET ended_at = now() "
            "WHERE list = %s AND entity = %s AND value = %s AND ended_at IS NULL"
        )
        with self._connections.connection() as connection:
            return connection.execute(query, (name, str(entity), value)).rowcount > 0

    def entries(self) -> pa.Table:
        """Return all entries, also those that are over, following `domain.policy.lists.ENTRIES`."""
        with self._connections.connection() as connection:
            rows = connection.execute(_ENTRIES).fetchall()
        whole = [dict(zip(ENTRIES.names, row, strict=True)) for row in rows]
        return pa.Table.from_pylist(whole, schema=ENTRIES)

    def version(self) -> str:
        """Return a text that is another one after each change."""
        query = "SELECT count(*), max(since), max(ended_at), max(key_id), max(entry) FROM policy_entry"
        with self._connections.connection() as connection:
            return str(connection.execute(query).fetchall())

    def summaries(self) -> list[ListSummary]:
        """Return the lists, by name."""
        with self._connections.connection() as connection:
            return [ListSummary(*row) for row in connection.execute(_SUMMARIES)]

    def rekey(self, keys: PseudonymKeys) -> int:
        """Hash again what stands under earlier ones of these keys; return how many entries. Safe to do again."""
        with self._connections.connection() as connection, connection.transaction():
            connection.execute(_ONE_AT_A_TIME)
            return sum(
                _hash_again(connection, PseudonymKeys(keys.keys[:count]), keys) for count in range(1, len(keys.keys))
            )


def _require_effect(connection: psycopg.Connection, name: str, effect: ListEffect) -> None:
    row = connection.execute("SELECT effect FROM policy_entry WHERE list = %s LIMIT 1", (name,)).fetchone()
    if row is not None and row[0] != effect:
        raise UsageError(f"list {name!r} has the effect {row[0]}: add to it with this one, or name another list")


def _hash_again(connection: psycopg.Connection, earlier: PseudonymKeys, keys: PseudonymKeys) -> int:
    rows = connection.execute("SELECT entry, value FROM policy_entry WHERE key_id = %s", (earlier.key_id,)).fetchall()
    if not rows:
        return 0
    values = pa.array([value for _, value in rows], pa.string())
    for key in keys.keys[len(earlier.keys) :]:
        values = hashed_again(values, key)
    renamed = [
        {"value": value, "key": keys.key_id, "entry": entry}
        for value, (entry, _) in zip(values.to_pylist(), rows, strict=True)
    ]
    connection.cursor().executemany(_RENAME, renamed)
    return len(renamed)
