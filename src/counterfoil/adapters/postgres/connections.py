"""Connections to PostgreSQL, and their failures in words that name no password."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
from pgvector.psycopg import register_vector
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from counterfoil.adapters.postgres.schema import READER, migrate
from counterfoil.adapters.postgres.tls import parsed, place
from counterfoil.errors import StoreUnavailableError, UsageError

CONNECT_SECONDS = 10
"""How long to wait for a server that does not answer, unless the DSN says otherwise."""

Login = str | Callable[[], str]
"""A DSN, or a function that gives one for each new connection: its password may last for minutes only."""


def fresh_dsn(login: Login) -> str:
    """Return a DSN to connect with now."""
    return login if isinstance(login, str) else login()


def connect(login: Login) -> psycopg.Connection:
    """Return a connection in autocommit, in UTC, to a database whose schema is up to date.

    Raises StoreUnavailableError, without the password, if there is no such server or it turns us away.
    """
    dsn = fresh_dsn(login)
    parts = parsed(dsn)
    with reported(dsn):
        # What the DSN says comes after, and so wins.
        options = {"connect_timeout": CONNECT_SECONDS, "application_name": "counterfoil"}
        connection = psycopg.connect(make_conninfo(**{**options, **parts}), autocommit=True)
        try:
            # psycopg gives times in the session's zone, and canonical tables are in UTC.
            connection.execute("SET TIME ZONE 'UTC'")
            migrate(connection)
            register_vector(connection)
        except BaseException:
            connection.close()
            raise
    return connection


def connect_reader(login: Login) -> psycopg.Connection:
    """Like `connect`, as the role that may only SELECT from the reference tables."""
    connection = connect(login)
    with reported(place_of(connection)):
        connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(READER)))
    return connection


def place_of(connection: psycopg.Connection) -> str:
    """Return the DSN of an open connection without its password, to name the place in an error."""
    return connection.info.dsn


@contextmanager
def reported(dsn: str) -> Iterator[None]:
    """Turn a lost or refused connection into StoreUnavailableError, and a missing right into UsageError."""
    try:
        yield
    except psycopg.errors.InsufficientPrivilege as error:
        raise UsageError(
            f"the role of this connection to {place(parsed(dsn))} may not do that ({str(error).strip()}): "
            "readers only read; open the store with its owner's DSN and not as a reader"
        ) from error
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        # The driver's own error may quote the DSN, so no traceback shows it as the cause.
        reason = _reason(dsn, error)
        raise StoreUnavailableError(
            f"PostgreSQL at {place(parsed(dsn))} is not available ({reason}): {_cure(reason)}"
        ) from None


def _reason(dsn: str, error: psycopg.Error) -> str:
    """Return what the driver says in one line, unless that quotes the password."""
    text = " ".join(str(error).split())
    parts = conninfo_to_dict(dsn)
    # A password with a bare @ reaches the host name.
    quotes = str(parts.get("password") or "\0") in text or "@" in str(parts.get("host") or "")
    return type(error).__name__ if quotes else text


def _cure(reason: str) -> str:
    if "certificate" in reason or "SSL" in reason:
        return (
            "let COUNTERFOIL_DATABASE_CA name the file of the authority that signed the server's certificate, and "
            "the DSN the host as the certificate has it; the server must take TLS"
        )
    if "No space left" in reason or "File too large" in reason:
        return "make room on the server's disk and run this again"
    return "start the server, or correct the DSN in the settings"


class Connections:
    """One connection per thread and process, opened when first asked for and again when it is lost."""

    def __init__(self, login: Login, *, reader: bool = False) -> None:
        self._login = login
        self._open = connect_reader if reader else connect
        self._local = threading.local()

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection]:
        """Give this thread's connection; a lost one raises StoreUnavailableError and is not used again."""
        connection = self._mine()
        with reported(place_of(connection)):
            yield connection

    def _mine(self) -> psycopg.Connection:
        held: tuple[int, psycopg.Connection] | None = getattr(self._local, "held", None)
        if held is not None and held[0] == os.getpid() and not held[1].closed:
            return held[1]
        connection = self._open(self._login)
        self._local.held = (os.getpid(), connection)
        return connection

    def close(self) -> None:
        """Close this thread's connection; the next use opens another."""
        held: tuple[int, psycopg.Connection] | None = getattr(self._local, "held", None)
        if held is not None and held[0] == os.getpid():
            held[1].close()
