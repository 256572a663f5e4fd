"""Alerts on their way, in PostgreSQL."""

from datetime import timedelta

from psycopg.types.json import Jsonb

from counterfoil.adapters.postgres.connections import Connections, Login
from counterfoil.ports.service import Alert

_COLUMNS = "transaction_id, account_id, decision, signal, content"
_ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtextextended('service_alert', 0))"
_TODAY = "date_trunc('day', clock_timestamp() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'"

_HOLD = f"""
INSERT INTO service_alert ({_COLUMNS}, state)
SELECT %(id)s, %(account)s, %(decision)s, %(signal)s, %(content)s, CASE WHEN EXISTS (
    SELECT FROM service_alert WHERE account_id = %(account)s AND state <> 'repeated'
        AND at > clock_timestamp() - %(window)s) THEN 'repeated' ELSE 'held' END
ON CONFLICT DO NOTHING
"""
_PROMOTE = f"""
UPDATE service_alert SET state = 'pending', promoted_at = clock_timestamp() WHERE transaction_id IN (
    SELECT transaction_id FROM service_alert
    WHERE state = 'held' AND at > clock_timestamp() - %(window)s
    ORDER BY decision = 'block' DESC, signal DESC, transaction_id
    LIMIT greatest(%(allowed)s - (SELECT count(*) FROM service_alert WHERE promoted_at >= {_TODAY}), 0))
"""
_CLAIM = f"""
UPDATE service_alert SET claimed_until = clock_timestamp() + interval '30 seconds' WHERE transaction_id IN (
    SELECT transaction_id FROM service_alert
    WHERE state = 'pending' AND coalesce(claimed_until < clock_timestamp(), true)
    ORDER BY at LIMIT %s FOR UPDATE SKIP LOCKED)
RETURNING {_COLUMNS}
"""


class PostgresAlerts:
    """An AlertLog in the database of `login`. Days and windows go by the server's clock."""

    def __init__(self, login: Login) -> None:
        self._connections = Connections(login)

    def hold(self, alert: Alert, window: timedelta) -> None:
        """Keep an alert as held, or as repeated if its account has another one in the window before now."""
        values = {
            "id": alert.transaction_id, "account": alert.account_id, "decision": alert.decision,
            "signal": alert.signal, "content": Jsonb(dict(alert.content)), "window": window,
        }  # fmt: skip
        with self._connections.connection() as connection, connection.transaction():
            connection.execute(_ONE_AT_A_TIME)
            connection.execute(_HOLD, values)

    def promote(self, allowed: int, window: timedelta) -> int:
        """Let held alerts of the window be pending, the riskiest first, until today has `allowed`; return how many."""
        with self._connections.connection() as connection, connection.transaction():
            connection.execute(_ONE_AT_A_TIME)
            return connection.execute(_PROMOTE, {"allowed": allowed, "window": window}).rowcount

    def pending(self, limit: int) -> list[Alert]:
        """Claim alerts that are to be sent and return them; nobody else gets them within half a minute."""
        with self._connections.connection() as connection:
            found = [Alert(*row) for row in connection.execute(_CLAIM, (limit,))]
        return sorted(found, key=lambda alert: (-alert.signal, alert.transaction_id))

    def unclaim(self, transaction_id: str) -> None:
        """Let an alert that could not be sent be claimed again at once."""
        query = "UPDATE service_alert SET claimed_until = NULL WHERE transaction_id = %s AND state = 'pending'"
        with self._connections.connection() as connection:
            connection.execute(query, (transaction_id,))

    def mark_sent(self, transaction_id: str) -> None:
        """Keep that an alert was delivered."""
        query = "UPDATE service_alert SET state = 'sent', sent_at = clock_timestamp() WHERE transaction_id = %s"
        with self._connections.connection() as connection:
            connection.execute(query, (transaction_id,))

    def today(self) -> dict[str, int]:
        """Return how many alerts of today (UTC) are in each state."""
        query = f"SELECT state, count(*) FROM service_alert WHERE at >= {_TODAY} GROUP BY state"
        with self._connections.connection() as connection:
            return {str(state): int(count) for state, count in connection.execute(query)}
