"""A number that a process keeps locked for as long as it lives, in a transaction of its own.

Through a pooler that lends a server process for one transaction only, a lock of the session would stay with the
next client. A transaction keeps its server process, and ends with the client that began it. Servers end transactions
that wait, and are told not to; what stands between may do so too (pgbouncer's `idle_transaction_timeout`, RDS Proxy's
idle client timeout of 30 minutes) and cannot be told, so a thread says something in it now and then. It holds no
snapshot between two statements, so that it keeps nothing from VACUUM.
"""

import secrets
import threading
from contextlib import suppress

import psycopg
from psycopg.pq import TransactionStatus

from counterfoil.adapters.postgres.connections import Login, connect, place_of
from counterfoil.adapters.postgres.failures import reported
from counterfoil.errors import StoreUnavailableError

NOTICED_WITHIN = "2s"
"""How long the server may take to see that the process of a connection was killed."""

BEAT_SECONDS = 20.0
"""How often something is said in the transaction: what stands between may end one that is silent for a minute."""

# No server may end this transaction because it waits; a machine that vanished is noticed within two minutes.
_WAITING = """
SELECT set_config(name, CASE name WHEN 'tcp_keepalives_idle' THEN '60' WHEN 'tcp_keepalives_interval' THEN '15'
    ELSE '0' END, true)
FROM pg_settings WHERE name IN ('idle_in_transaction_session_timeout', 'transaction_timeout',
    'tcp_keepalives_idle', 'tcp_keepalives_interval')
"""


class LifeSign:
    """The locked number of one object in one process: `give` takes the lock, `rest` frees it."""

    def __init__(self, login: Login) -> None:
        self._login = login
        self._open: psycopg.Connection | None = None
        self._over = threading.Event()
        self.number = _new_number()

    def give(self) -> None:
        """Hold the lock from now on, also if it was lost with its connection. Raises StoreUnavailableError."""
        if self._open is None or not _answers(self._open):
            self._open = connect(self._login)
        if self._open.info.transaction_status != TransactionStatus.IDLE:
            return
        with reported(place_of(self._open)):
            self._open.execute("BEGIN")
            self._open.execute(_WAITING)
            if not _lock_soon(self._open, "pg_advisory_xact_lock", self.number):
                self._open.close()
                raise StoreUnavailableError(
                    "the connection that kept this process's claims was lost and the server still holds it: "
                    "run the step again in a minute"
                )
        self._over = threading.Event()
        threading.Thread(target=_beat, args=(self._open, self._over), name="life sign", daemon=True).start()

    def rest(self) -> None:
        """Free the lock; the next one has another number, as what was claimed under this one is nobody's."""
        self._over.set()
        self.number = _new_number()
        if self._open is not None and _answers(self._open):
            self._open.execute("COMMIT")

    def close(self) -> None:
        """Free the lock and close the connection; the next `give` opens another."""
        self._over.set()
        self.number = _new_number()
        if self._open is not None:
            self._open.close()
        self._open = None


def is_given(connection: psycopg.Connection, number: int) -> bool:
    """Whether a living process holds this number; that of a killed one is free once the server has noticed."""
    with connection.transaction():
        return not _lock_soon(connection, "pg_advisory_xact_lock_shared", number)


def _lock_soon(connection: psycopg.Connection, function: str, number: int) -> bool:
    """Take a lock in the transaction under way; False if another holds it for longer than a server needs to notice."""
    connection.execute("SELECT set_config('lock_timeout', %s, true)", (NOTICED_WITHIN,))
    try:
        with connection.transaction():
            connection.execute(f"SELECT {function}(%s::bigint)", (number,))
    except psycopg.errors.LockNotAvailable:
        return False
    return True


def _beat(connection: psycopg.Connection, over: threading.Event) -> None:
    """Say something in the connection's transaction until it is over or the connection is lost."""
    with suppress(psycopg.Error):  # a lost claim is told when the file is settled
        while not over.wait(BEAT_SECONDS):
            connection.execute("SELECT 1")


def _answers(connection: psycopg.Connection) -> bool:
    if connection.closed:
        return False
    try:
        connection.execute("SELECT 1")
    except psycopg.Error:
        connection.close()
        return False
    return True


def _new_number() -> int:
    return secrets.randbits(63)
