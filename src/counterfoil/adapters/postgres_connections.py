"""Connections to PostgreSQL, and their failures in words that name no password."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from pgvector.psycopg import register_vector
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from counterfoil.adapters.postgres_schema import READER, migrate
from counterfoil.errors import StoreUnavailableError, UsageError

CONNECT_SECONDS = 10
"""How long to wait for a server that does not answer, unless the DSN says otherwise."""


def connect(dsn: str) -> psycopg.Connection:
    """Return a connection in autocommit, in UTC, to a database whose schema is up to date.

    Raises StoreUnavailableError, without the password, if there is no such server or it turns us away.
    """
    _require_readable(dsn)
    with reported(dsn):
        # What the DSN says comes after, and so wins.
        options = {"connect_timeout": CONNECT_SECONDS, "application_name": "counterfoil"}
        dsn = make_conninfo(**options | conninfo_to_dict(dsn))  # type: ignore[arg-type]
        connection = psycopg.connect(dsn, autocommit=True)
        try:
            # psycopg gives times in the session's zone, and canonical tables are in UTC.
            connection.execute("SET TIME ZONE 'UTC'")
            migrate(connection)
            register_vector(connection)
        except BaseException:
            connection.close()
            raise
    return connection


def connect_reader(dsn: str) -> psycopg.Connection:
    """Like `connect`, as the role that may only SELECT from the reference tables."""
    connection = connect(dsn)
    with reported(dsn):
        connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(READER)))
    return connection


def _require_readable(dsn: str) -> None:
    try:
        conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        raise StoreUnavailableError(
            "the PostgreSQL DSN cannot be parsed: write it as postgresql://user:password@host:port/database, "
            "with special characters as %XX"
        ) from None  # the driver's words quote the DSN


@contextmanager
def reported(dsn: str) -> Iterator[None]:
    """Turn a lost or refused connection into StoreUnavailableError, and a missing right into UsageError."""
    try:
        yield
    except psycopg.errors.InsufficientPrivilege as error:
        raise UsageError(
            f"the role of this connection to {_place(dsn)} may not do that ({str(error).strip()}): "
            "readers only read; open the store with its owner's DSN and not as a reader"
        ) from error
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        # The driver's own error may quote the DSN, so no traceback shows it as the cause.
        raise StoreUnavailableError(
            f"PostgreSQL at {_place(dsn)} is not available ({_reason(dsn, error)}): "
            "start the server, or correct the DSN in the settings"
        ) from None


def _place(dsn: str) -> str:
    """Return host, port and database of a DSN that parses."""
    parts = conninfo_to_dict(dsn)
    host = str(parts.get("host") or parts.get("hostaddr") or "the default host").rpartition("@")[2]
    return f"{host}, port {parts.get('port') or 5432}, database {parts.get('dbname') or 'of the user'}"


def _reason(dsn: str, error: psycopg.Error) -> str:
    """Return what the driver says in one line, unless that quotes the password."""
    text = " ".join(str(error).split())
    parts = conninfo_to_dict(dsn)
    # A password with a bare @ reaches the host name.
    quotes = str(parts.get("password") or "\0") in text or "@" in str(parts.get("host") or "")
    return type(error).__name__ if quotes else text


class Connections:
    """One connection per thread and process, opened when first asked for and again when it is lost."""

    def __init__(self, dsn: str, *, reader: bool = False) -> None:
        self.dsn = dsn
        self._open = connect_reader if reader else connect
        self._local = threading.local()

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection]:
        """Give this thread's connection; a lost one raises StoreUnavailableError and is not used again."""
        with reported(self.dsn):
            yield self._mine()

    def _mine(self) -> psycopg.Connection:
        held: tuple[int, psycopg.Connection] | None = getattr(self._local, "held", None)
        if held is not None and held[0] == os.getpid() and not held[1].closed:
            return held[1]
        connection = self._open(self.dsn)
        self._local.held = (os.getpid(), connection)
        return connection

    def close(self) -> None:
        """Close this thread's connection; the next use opens another."""
        held: tuple[int, psycopg.Connection] | None = getattr(self._local, "held", None)
        if held is not None and held[0] == os.getpid():
            held[1].close()
