"""How far streams were consumed, in PostgreSQL."""

import hashlib

from counterfoil.adapters.postgres.connections import Connections, Login
from counterfoil.ports.service import Record

_SAVE = """
INSERT INTO stream_checkpoint (stream, shard, sequence) VALUES (%s, %s, %s)
ON CONFLICT (stream, shard) DO UPDATE SET sequence = excluded.sequence, changed_at = now()
"""
_BURY = """
INSERT INTO dead_letter (stream, shard, sequence, reason, content_hash) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT DO NOTHING
"""


class PostgresCheckpoints:
    """Checkpoints in the database of `login`."""

    def __init__(self, login: Login) -> None:
        self._connections = Connections(login)

    def load(self, stream: str) -> dict[str, str]:
        """Return the sequence of the last consumed record of each shard."""
        query = "SELECT shard, sequence FROM stream_checkpoint WHERE stream = %s"
        with self._connections.connection() as connection:
            return {str(shard): str(sequence) for shard, sequence in connection.execute(query, (stream,))}

    def save(self, stream: str, shard: str, sequence: str) -> None:
        """Keep that all records of a shard up to this one were consumed."""
        with self._connections.connection() as connection:
            connection.execute(_SAVE, (stream, shard, sequence))

    def bury(self, stream: str, record: Record, reason: str) -> None:
        """Keep that a record was no payment, and why; of its content only the hash."""
        digest = hashlib.sha256(record.data).hexdigest()
        with self._connections.connection() as connection:
            connection.execute(_BURY, (stream, record.shard, record.sequence, reason, digest))

    def buried(self, stream: str) -> list[tuple[str, str, str]]:
        """Return shard, sequence and reason of the records that were buried."""
        query = "SELECT shard, sequence, reason FROM dead_letter WHERE stream = %s ORDER BY shard, at, sequence"
        with self._connections.connection() as connection:
            return [(str(a), str(b), str(c)) for a, b, c in connection.execute(query, (stream,))]
