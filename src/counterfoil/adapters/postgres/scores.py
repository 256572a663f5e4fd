"""The scores that the service gave, in PostgreSQL."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from counterfoil.adapters.postgres.connections import Connections, Login, as_json
from counterfoil.domain.policy.verdicts import PEOPLE_FOR_GOOD
from counterfoil.ports.json_object import JsonObject
from counterfoil.ports.service import KeptScore

SCORE_COLUMNS = (
    "transaction_id, content_hash, release_id, decision, signal, amount::text, account_id, payment, evidence, answer, "
    "scored_at"
)
_WITHOUT_PRECEDENTS = SCORE_COLUMNS.replace(
    " answer,", " jsonb_build_object('missing_evidence', answer -> 'missing_evidence'),"
)
_TYPES = {
    "transaction_id": "text", "content_hash": "text", "release_id": "text", "decision": "text",
    "signal": "double precision", "amount": "numeric", "account_id": "text", "payment": "jsonb", "evidence": "jsonb",
    "answer": "jsonb",
}  # fmt: skip
_APPEND = f"""
WITH new AS (
    INSERT INTO service_score ({", ".join(_TYPES)})
    SELECT * FROM jsonb_to_recordset(%s) AS given ({", ".join(f"{name} {kind}" for name, kind in _TYPES.items())})
    ON CONFLICT DO NOTHING
    RETURNING transaction_id, amount, scored_at
)
SELECT transaction_id, amount::text, scored_at FROM new
"""
_QUEUE = f"""
SELECT {SCORE_COLUMNS} FROM service_score AS score
LEFT JOIN LATERAL (
    SELECT bool_and(details ->> 'verdict' = 'good') AS only_good,
        count(DISTINCT coalesce(details ->> 'principal', details ->> 'token', actor)) AS people
    FROM decision WHERE kind = 'feedback' AND subject = score.transaction_id
) AS said ON true
WHERE decision <> 'allow' AND (people = 0 OR (decision = 'block' AND only_good AND people < {PEOPLE_FOR_GOOD}))
ORDER BY signal * coalesce(amount, 0)::double precision DESC, transaction_id LIMIT %s
"""


class PostgresScores:
    """A ScoreLog in the database of `login`. A trigger refuses to change what was kept."""

    def __init__(self, login: Login) -> None:
        self._connections = Connections(login)

    def append(self, scores: Sequence[KeptScore]) -> list[KeptScore]:
        """Keep scores and return what is kept of each transaction now: an earlier score stays."""
        # Two writers never wait for each other.
        rows = [_as_text(score) for score in sorted(scores, key=lambda score: score.transaction_id)]
        with self._connections.connection() as connection:
            # All in one statement: one way there and back, and one transaction.
            # And one JSON document: arrays of JSON texts would be quoted sign by sign, in Python.
            new = connection.execute(_APPEND, (Jsonb(b"[%s]" % b",".join(rows), bytes),)).fetchall()
            written = {name: (amount, at) for name, amount, at in new}
            others = [score.transaction_id for score in scores if score.transaction_id not in written]
            kept = _find(connection, others) if others else {}
        for score in scores:
            if score.transaction_id in written:
                amount, at = written[score.transaction_id]
                kept.setdefault(score.transaction_id, replace(score, amount=amount, scored_at=at))
        return [kept[score.transaction_id] for score in scores]

    def find(self, transactions: Collection[str]) -> dict[str, KeptScore]:
        """Return the kept scores of these transactions, those that there are."""
        with self._connections.connection() as connection:
            return _find(connection, list(transactions))

    def since(self, moment: datetime, limit: int) -> list[KeptScore]:
        """Return scores from a moment on, oldest first."""
        return self._since(moment, limit, "true")

    def payments_since(self, moment: datetime, limit: int) -> list[tuple[datetime, dict[str, Any]]]:
        """Return when payments were scored, from a moment on, and the payments as they were kept; oldest first."""
        query = "SELECT scored_at, payment FROM service_score WHERE scored_at >= %s ORDER BY scored_at LIMIT %s"
        with self._connections.connection() as connection:
            return [(at, payment) for at, payment in connection.execute(query, (moment, limit))]

    def latest(self, limit: int, after: datetime | None = None) -> list[KeptScore]:
        """Return the scores that were made last (after a moment), oldest first."""
        query = (
            f"SELECT {SCORE_COLUMNS} FROM service_score "
            "WHERE (%(after)s::timestamptz IS NULL OR scored_at > %(after)s) ORDER BY scored_at DESC LIMIT %(limit)s"
        )
        with self._connections.connection() as connection:
            rows = connection.execute(query, {"after": after, "limit": limit}).fetchall()
        return [KeptScore(*row) for row in reversed(rows)]

    def lately(self, limit: int, after: datetime | None = None, known: Collection[str] = ()) -> list[KeptScore]:
        """Return the scores that were made last (after a moment) but for those `known`, oldest first.

        Of their answers only what evidence was missing: reasons and precedents are most of a score.
        """
        query = (
            f"SELECT {_WITHOUT_PRECEDENTS} FROM service_score "
            "WHERE (%(after)s::timestamptz IS NULL OR scored_at > %(after)s) AND transaction_id <> ALL(%(known)s) "
            "ORDER BY scored_at DESC LIMIT %(limit)s"
        )
        with self._connections.connection() as connection:
            rows = connection.execute(query, {"after": after, "known": list(known), "limit": limit}).fetchall()
        return [KeptScore(*row) for row in reversed(rows)]

    def alarming(self, moment: datetime, limit: int, known: Collection[str] = ()) -> list[KeptScore]:
        """Return scores from a moment on whose decision is not 'allow', but for those `known`; oldest first."""
        return self._since(moment, limit, "decision <> 'allow' AND transaction_id <> ALL(%(known)s)", known)

    def _since(self, moment: datetime, limit: int, condition: str, known: Collection[str] = ()) -> list[KeptScore]:
        chosen = f"scored_at >= %(moment)s AND {condition}"
        query = f"SELECT {SCORE_COLUMNS} FROM service_score WHERE {chosen} ORDER BY scored_at LIMIT %(limit)s"
        with self._connections.connection() as connection:
            rows = connection.execute(query, {"moment": moment, "limit": limit, "known": list(known)})
            return [KeptScore(*row) for row in rows]

    def queue(self, limit: int) -> list[KeptScore]:
        """Return payments to review that nobody has judged, by signal times amount, greatest first."""
        with self._connections.connection() as connection:
            return [KeptScore(*row) for row in connection.execute(_QUEUE, (limit,))]

    def forget(self, account_id: str) -> list[str]:
        """Remove an account's scores and return their transactions."""
        query = "DELETE FROM service_score WHERE account_id = %s RETURNING transaction_id"
        with self._connections.connection() as connection:
            return [str(row[0]) for row in connection.execute(query, (account_id,))]

    def ping(self) -> None:
        """Raise StoreUnavailableError if the store does not answer."""
        with self._connections.connection() as connection:
            connection.execute("SELECT 1 FROM service_score LIMIT 0")

    def close(self) -> None:
        """Close this thread's connection; the next call opens another."""
        self._connections.close()


def _find(connection: psycopg.Connection, transactions: list[str]) -> dict[str, KeptScore]:
    query = f"SELECT {SCORE_COLUMNS} FROM service_score WHERE transaction_id = ANY(%s)"
    found = (KeptScore(*row) for row in connection.execute(query, (transactions,)))
    return {score.transaction_id: score for score in found}


def _as_text(score: KeptScore) -> bytes:
    """A row as JSON. The answer goes in as the text that it is, if it is one."""
    answer = score.answer
    text = answer.text if isinstance(answer, JsonObject) else as_json(dict(answer))
    row = {name: getattr(score, name) for name in _TYPES if name != "answer"}
    return JsonObject(as_json({**row, **{name: dict(row[name]) for name in ("payment", "evidence")}})).with_text(
        "answer", text
    )
