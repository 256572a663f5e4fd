"""Leases of a stream's shards, in PostgreSQL: its clock is the only one that counts."""

import uuid
from collections.abc import Collection
from datetime import timedelta

from counterfoil.adapters.postgres.connections import Connections, Login

LEASE = timedelta(seconds=30)
"""After so long a reader that says nothing is taken for dead."""

_ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtextextended('stream_lease ' || %(stream)s, 0))"
_IS_HERE = """
INSERT INTO stream_reader (stream, reader, until) VALUES (%(stream)s, %(reader)s, clock_timestamp() + %(lease)s)
ON CONFLICT (stream, reader) DO UPDATE SET until = excluded.until
"""
_WITHOUT_THE_DEAD = (
    "DELETE FROM stream_reader WHERE stream = %(stream)s AND until < clock_timestamp()",
    "DELETE FROM stream_lease WHERE stream = %(stream)s AND until < clock_timestamp()",
)
_RENEW = """
UPDATE stream_lease SET until = clock_timestamp() + %(lease)s
WHERE stream = %(stream)s AND reader = %(reader)s AND shard = ANY(%(shards)s)
"""
_LET_GO = "DELETE FROM stream_lease WHERE stream = %(stream)s AND reader = %(reader)s AND NOT shard = ANY(%(shards)s)"
_TAKE = """
INSERT INTO stream_lease (stream, shard, reader, until)
SELECT %(stream)s, shard, %(reader)s, clock_timestamp() + %(lease)s FROM unnest(%(shards)s::text[]) AS shard
"""


class PostgresShardLeases:
    """ShardLeases of the stream `stream` in the database of `login`, for a reader with a name of its own."""

    def __init__(self, login: Login, stream: str, *, lease: timedelta = LEASE) -> None:
        self._connections = Connections(login)
        self._about = {"stream": stream, "reader": uuid.uuid4().hex, "lease": lease}

    def mine(self, shards: Collection[str]) -> frozenset[str]:
        """Renew and take what is this reader's part of `shards`, let go of the rest, and return what it holds."""
        wanted, about = sorted(shards), self._about
        with self._connections.connection() as connection, connection.transaction():
            connection.execute(_ONE_AT_A_TIME, about)
            connection.execute(_IS_HERE, about)
            for statement in _WITHOUT_THE_DEAD:
                connection.execute(statement, about)
            found = "SELECT shard, reader = %(reader)s FROM stream_lease WHERE stream = %(stream)s ORDER BY shard"
            held = {str(shard): bool(is_mine) for shard, is_mine in connection.execute(found, about)}
            count = connection.execute("SELECT count(*) FROM stream_reader WHERE stream = %(stream)s", about).fetchone()
            readers = int(count[0]) if count else 1
            share = -(-len(wanted) // readers)
            kept = [shard for shard in wanted if held.get(shard)][:share]
            taken = [shard for shard in wanted if shard not in held][: share - len(kept)]
            connection.execute(_LET_GO, {**about, "shards": kept})
            connection.execute(_RENEW, {**about, "shards": kept})
            connection.execute(_TAKE, {**about, "shards": taken})
        return frozenset((*kept, *taken))

    def leave(self) -> None:
        """Let go of everything at once."""
        with self._connections.connection() as connection, connection.transaction():
            for table in ("stream_lease", "stream_reader"):
                connection.execute(
                    f"DELETE FROM {table} WHERE stream = %(stream)s AND reader = %(reader)s", self._about
                )

    def close(self) -> None:
        """Close this thread's connection; the next call opens another."""
        self._connections.close()
