"""Connections to PostgreSQL that keep nothing in their session, so that a transaction pooler may stand between."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from pgvector.psycopg import register_vector
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.types.json import set_json_dumps, set_json_loads
from pydantic_core import from_json, to_json

from counterfoil.adapters.postgres.failures import reported
from counterfoil.adapters.postgres.requirements import require_fit, require_reader
from counterfoil.adapters.postgres.schema import READER, migrate
from counterfoil.adapters.postgres.tls import parsed

CONNECT_SECONDS = 10
"""How long to wait for a server that does not answer, unless the DSN says otherwise."""

Login = str | Callable[[], str]
"""A DSN, or a function that gives one for each new connection: its password may last for minutes only."""


def fresh_dsn(login: Login) -> str:
    """Return a DSN to connect with now."""
    return login if isinstance(login, str) else login()


def connect(login: Login) -> psycopg.Connection:
    """Return a connection in autocommit, in UTC, to a database that fits and whose schema is up to date.

    Raises StoreUnavailableError, without the password, if there is no such server, it turns us away, or its
    version, its pgvector or its roles are not what is needed.
    """
    dsn = fresh_dsn(login)
    with reported(dsn):
        # What the DSN says comes after, and so wins.
        options = {"connect_timeout": CONNECT_SECONDS, "application_name": "counterfoil"}
        parts = make_conninfo(**{**options, **parsed(dsn)})
        # A statement that one server process has prepared is unknown to the next that a pooler gives us.
        connection = psycopg.connect(parts, autocommit=True, prepare_threshold=None)
        try:
            # psycopg gives times in the session's zone, and canonical tables are in UTC. Poolers keep the zone of
            # each client, as the server reports it, and so this setting reaches nobody else.
            connection.execute("SET TIME ZONE 'UTC'")
            require_fit(connection)
            migrate(connection)
            require_reader(connection)
            register_vector(connection)
            set_json_dumps(as_json, connection)
            set_json_loads(from_json, connection)
        except BaseException:
            connection.close()
            raise
    return connection


def as_json(value: Any) -> bytes:
    """A document as the server takes it; written and read by compiled code, several times as fast as Python's."""
    return to_json(value, inf_nan_mode="constants")


def place_of(connection: psycopg.Connection) -> str:
    """Return the DSN of an open connection without its password, to name the place in an error."""
    return connection.info.dsn


def act_as_reader(connection: psycopg.Connection) -> None:
    """Let the transaction under way, and nothing after it, be of the role that may only read references."""
    connection.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(READER)))


class Connections:
    """One connection per thread and process, opened when first asked for and again when it is lost.

    With `reader`, each transaction acts as the role that may only SELECT from the reference tables.
    """

    def __init__(self, login: Login, *, reader: bool = False) -> None:
        self._login = login
        self._reader = reader
        self._local = threading.local()

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection]:
        """Give this thread's connection; a lost one raises StoreUnavailableError and is not used again."""
        _, connection, place = self._mine()
        with reported(place):
            yield connection

    @contextmanager
    def transaction(self) -> Iterator[psycopg.Connection]:
        """Like `connection`, in a transaction."""
        with self.connection() as connection, connection.transaction():
            if self._reader:
                act_as_reader(connection)
            yield connection

    def _mine(self) -> "_Held":
        held: _Held | None = getattr(self._local, "held", None)
        if held is not None and held[0] == os.getpid() and not held[1].closed:
            return held
        connection = connect(self._login)
        # To name the place takes longer than a small statement.
        self._local.held = held = os.getpid(), connection, place_of(connection)
        return held

    def close(self) -> None:
        """Close this thread's connection; the next use opens another."""
        held: _Held | None = getattr(self._local, "held", None)
        if held is not None and held[0] == os.getpid():
            held[1].close()


_Held = tuple[int, psycopg.Connection, str]
"""A process, its connection, and the place of that without a password."""
