"""Failures of PostgreSQL in words that name their true cause and no password."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict

from counterfoil.adapters.postgres.tls import parsed, place
from counterfoil.errors import StoreUnavailableError, UsageError

_CURES: tuple[tuple[type[psycopg.Error], str], ...] = (
    (
        errors.ReadOnlySqlTransaction,
        "it is read-only, a replica or a database with default_transaction_read_only: name the primary server in the "
        "DSN, or let this user write there",
    ),
    (
        errors.QueryCanceled,
        "a statement took longer than statement_timeout allows: raise it for this user (ALTER ROLE ... SET "
        "statement_timeout = 0) and run this again",
    ),
    (errors.LockNotAvailable, "another session holds a lock for longer than lock_timeout: run this again later"),
    (
        errors.IdleInTransactionSessionTimeout,
        "the server ends transactions that wait (idle_in_transaction_session_timeout): raise it for this user",
    ),
    (
        errors.TooManyConnections,
        "it has no connection left: raise max_connections, put a pooler before it, or run fewer processes at once",
    ),
    (errors.DiskFull, "make room on the server's disk and run this again"),
)
"""What to do about failures that are not those of the server's place."""
_OF_ITS_OWN = (errors.ReadOnlySqlTransaction, errors.IdleInTransactionSessionTimeout)
"""Psycopg counts these among errors of a program."""


@contextmanager
def reported(dsn: str) -> Iterator[None]:
    """Turn a lost or refused connection into StoreUnavailableError, and a missing right into UsageError."""
    try:
        yield
    except errors.InsufficientPrivilege as error:
        raise UsageError(
            f"the role of this connection to {place(parsed(dsn))} may not do that ({str(error).strip()}): "
            "readers only read; open the store with its owner's DSN and not as a reader"
        ) from error
    except (psycopg.OperationalError, psycopg.InterfaceError, *_OF_ITS_OWN) as error:
        # The driver's own error may quote the DSN, so no traceback shows it as the cause.
        reason = _reason(dsn, error)
        raise StoreUnavailableError(
            f"PostgreSQL at {place(parsed(dsn))} is not available ({reason}): {_cure(error, reason)}"
        ) from None


def _reason(dsn: str, error: psycopg.Error) -> str:
    """Return what the driver says in one line, unless that quotes the password."""
    text = " ".join(str(error).split())
    parts = conninfo_to_dict(dsn)
    # A password with a bare @ reaches the host name.
    quotes = str(parts.get("password") or "\0") in text or "@" in str(parts.get("host") or "")
    return type(error).__name__ if quotes else text


def _cure(error: psycopg.Error, reason: str) -> str:
    for kind, cure in _CURES:
        if isinstance(error, kind):
            return cure
    if "certificate" in reason or "SSL" in reason:
        return (
            "let COUNTERFOIL_DATABASE_CA name the file of the authority that signed the server's certificate, and "
            "the DSN the host as the certificate has it; the server must take TLS"
        )
    if "No space left" in reason or "File too large" in reason:
        return "make room on the server's disk and run this again"
    if "too many c" in reason or "remaining connection slots" in reason:
        # Refused before the login, when the driver knows no code of the error yet.
        return dict(_CURES)[errors.TooManyConnections]
    return "start the server, or correct the DSN in the settings"
