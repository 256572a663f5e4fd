"""Scores of challengers, in PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime

from counterfoil.adapters.postgres.connections import Connections, Login
from counterfoil.adapters.postgres.scores import SCORE_COLUMNS
from counterfoil.ports.service import KeptScore
from counterfoil.ports.shadow import Beside, ShadowScore

_APPEND = """
INSERT INTO shadow_score (transaction_id, release_id, decision, signal)
SELECT new.* FROM unnest(%s::text[], %s::text[], %s::text[], %s::double precision[])
    AS new (transaction_id, release_id, decision, signal)
JOIN service_score USING (transaction_id) ORDER BY transaction_id
ON CONFLICT DO NOTHING
"""
_WAITING = f"""
SELECT {SCORE_COLUMNS} FROM service_score AS score
WHERE scored_at >= %(since)s AND release_id <> %(release)s AND NOT EXISTS (
    SELECT FROM shadow_score AS shadow
    WHERE shadow.release_id = %(release)s AND shadow.transaction_id = score.transaction_id)
ORDER BY scored_at, transaction_id LIMIT %(limit)s
"""
_BESIDE = """
SELECT score.transaction_id, score.account_id, (score.payment ->> 'event_time')::timestamptz, score.release_id,
    score.signal, shadow.decision, shadow.signal
FROM shadow_score AS shadow JOIN service_score AS score USING (transaction_id)
WHERE shadow.release_id = %(release)s
    AND (%(since)s::timestamptz IS NULL OR score.scored_at >= %(since)s)
    AND (%(until)s::timestamptz IS NULL OR score.scored_at < %(until)s)
ORDER BY score.scored_at, score.transaction_id
"""


class PostgresShadow:
    """A ShadowLog in the database of `login`, beside the log of scores. A trigger refuses to change what was kept."""

    def __init__(self, login: Login) -> None:
        self._connections = Connections(login)

    def append(self, scores: Sequence[ShadowScore]) -> int:
        """Keep scores of payments that were scored, and return how many are new; an earlier one stays."""
        columns = [
            [getattr(one, name) for one in scores] for name in ("transaction_id", "release_id", "decision", "signal")
        ]
        with self._connections.connection() as connection:
            return connection.execute(_APPEND, columns).rowcount

    def waiting(self, release_id: str, since: datetime, limit: int) -> list[KeptScore]:
        """Return scores of other releases since a moment that this release has not scored yet, oldest first."""
        values = {"release": release_id, "since": since, "limit": limit}
        with self._connections.connection() as connection:
            return [KeptScore(*row) for row in connection.execute(_WAITING, values)]

    def beside(self, release_id: str, since: datetime | None, until: datetime | None) -> list[Beside]:
        """Return the payments that a release scored in shadow, by the time of the champion's score."""
        values = {"release": release_id, "since": since, "until": until}
        with self._connections.connection() as connection:
            return [Beside(*row) for row in connection.execute(_BESIDE, values)]

    def close(self) -> None:
        """Close this thread's connection; the next call opens another."""
        self._connections.close()
