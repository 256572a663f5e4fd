"""Work that one process at a time does, by locks of PostgreSQL: a process that dies leaves none behind."""

from collections.abc import Iterator
from contextlib import contextmanager

from counterfoil.adapters.postgres.connections import Connections, Login


class PostgresTurns:
    """Turns in the database of `login`."""

    def __init__(self, login: Login) -> None:
        self._connections = Connections(login)

    @contextmanager
    def turn(self, name: str) -> Iterator[bool]:
        """Say whether it is this process's turn at `name`; nobody else gets it until the block ends."""
        with self._connections.connection() as connection:
            key = f"turn {name}"
            [(mine,)] = connection.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", (key,)).fetchall()
            try:
                yield bool(mine)
            finally:
                if mine and not connection.closed:
                    connection.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", (key,))
