"""Alerts on their way, in PostgreSQL."""

from datetime import timedelta

from psycopg.types.json import Jsonb

from counterfoil.adapters.postgres.connections import Connections, Login
from counterfoil.domain.policy.alert_times import ANYTHING
from counterfoil.ports.service import Alert

_COLUMNS = "transaction_id, account_id, decision, signal, content"
_ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtextextended('service_alert', 0))"
_TODAY = "date_trunc('day', clock_timestamp() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'"

_RISK = "(signal + (decision = 'block')::int)"

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
    WHERE state = 'held' AND at > clock_timestamp() - %(held_for)s AND {_RISK} >= %(least)s
    ORDER BY {_RISK} DESC, transaction_id
    LIMIT greatest(%(allowed)s - (SELECT count(*) FROM service_alert WHERE promoted_at >= {_TODAY}), 0))
"""
_REACHED = f"""
SELECT coalesce(max(risk) FILTER (WHERE place = %(per_day)s), '-inf') FROM (
    SELECT day, risk, row_number() OVER (PARTITION BY day ORDER BY risk DESC) AS place FROM (
        SELECT date_trunc('day', at AT TIME ZONE 'UTC') AS day, {_RISK} AS risk FROM service_alert
        WHERE state <> 'repeated' AND at < {_TODAY} AND at >= {_TODAY} - %(days)s * interval '1 day') AS risks
    ) AS placed
GROUP BY day ORDER BY day
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

    def promote(self, allowed: int, held_for: timedelta, least: float = ANYTHING) -> int:
        """Let held alerts be pending, the riskiest first, until today has `allowed`; return how many."""
        values = {"allowed": allowed, "held_for": held_for, "least": least}
        with self._connections.connection() as connection, connection.transaction():
            connection.execute(_ONE_AT_A_TIME)
            return connection.execute(_PROMOTE, values).rowcount

    def reached(self, per_day: int, days: int) -> list[float]:
        """The risk of the riskiest alert but `per_day` - 1 of each of the last days with alerts."""
        with self._connections.connection() as connection:
            return [float(risk) for (risk,) in connection.execute(_REACHED, {"per_day": per_day, "days": days})]

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
