"""The decision log in PostgreSQL: a table that a trigger keeps append-only."""

import json

import psycopg
from psycopg.types.json import Jsonb

from counterfoil.adapters.postgres.connections import Connections, Login
from counterfoil.errors import UsageError
from counterfoil.ports.releases import LoggedDecision

_ENTRY = "kind, subject, actor, reason, details, sequence, at"


class PostgresDecisions:
    """A DecisionLog in the database of `login`. The time of an entry is the server's."""

    def __init__(self, login: Login) -> None:
        self._connections = Connections(login)

    def append(self, decision: LoggedDecision) -> LoggedDecision:
        """Append an entry and return it with its sequence number and time (UTC).

        Raises UsageError for an entry without kind, subject or actor, with details that are no JSON, or that
        comes from a log already.
        """
        _require_new(decision)
        row = (decision.kind, decision.subject, decision.actor, decision.reason, _as_json(decision))
        with self._connections.connection() as connection, connection.transaction():
            _wait_for_turn(connection)
            cursor = connection.execute(
                "INSERT INTO decision (kind, subject, actor, reason, details) VALUES (%s, %s, %s, %s, %s) "
                f"RETURNING {_ENTRY}",
                row,
            )
            (entry,) = cursor.fetchall()
        return LoggedDecision(*entry)

    def entries(self, kind: str | None = None, subject: str | None = None, after: int = 0) -> list[LoggedDecision]:
        """Return the entries after a sequence number in their order, of one kind or subject or of all."""
        query = (
            f"SELECT {_ENTRY} FROM decision WHERE (%(kind)s::text IS NULL OR kind = %(kind)s) "
            "AND (%(subject)s::text IS NULL OR subject = %(subject)s) AND sequence > %(after)s ORDER BY sequence"
        )
        values = {"kind": kind, "subject": subject, "after": after}
        with self._connections.connection() as connection:
            return [LoggedDecision(*row) for row in connection.execute(query, values)]

    def close(self) -> None:
        """Close this thread's connection; the next call opens another."""
        self._connections.close()


def _wait_for_turn(connection: psycopg.Connection) -> None:
    """Let one transaction at a time append: sequence and time follow the order in which entries become visible."""
    connection.execute("LOCK TABLE decision IN SHARE ROW EXCLUSIVE MODE")


def _require_new(decision: LoggedDecision) -> None:
    if decision.sequence is not None:
        raise UsageError(f"entry {decision.sequence} is in a decision log already: append a new decision")
    for name in ("kind", "subject", "actor"):
        if not getattr(decision, name):
            raise UsageError(f"a decision needs a {name}: say what was done, to what, and by whom")


def _as_json(decision: LoggedDecision) -> Jsonb:
    details = dict(decision.details)
    try:
        json.dumps(details, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise UsageError(f"the details of decision {decision.kind!r} are no JSON: {error}") from error
    return Jsonb(details)
