"""What the tables of service and desk in PostgreSQL hold of one account: its rows, and those of others naming it."""

from collections.abc import Collection
from typing import Any

from psycopg.types.json import Jsonb

from counterfoil.adapters.postgres.account_desk import own_at_desk, remove_from_desk, written_at_desk
from counterfoil.adapters.postgres.connections import Connections, Login

_NAMED = """
account_id IS DISTINCT FROM %(account)s AND (
    strpos(payment::text, %(account)s) > 0 OR strpos(evidence::text, %(account)s) > 0
    OR strpos(answer::text, %(account)s) > 0
    OR EXISTS (
        SELECT FROM jsonb_array_elements(answer -> 'precedents') AS cited
        WHERE cited ->> 'reference_id' = ANY(%(payments)s)))
"""
_TOLD = """
strpos(content::text, %(account)s) > 0
OR EXISTS (
    SELECT FROM jsonb_array_elements(content -> 'precedents') AS cited
    WHERE cited ->> 'reference_id' = ANY(%(payments)s))
"""
_COLUMNS = (
    "transaction_id, content_hash, release_id, decision, signal, amount, account_id, scored_at, payment, evidence, "
    "answer"
)
_KEPT_OF_A_PRECEDENT = ("label", "similarity")


class PostgresAccountRows:
    """An AccountRows in the database of `login`."""

    def __init__(self, login: Login) -> None:
        self._connections = Connections(login)

    def payments(self, account: str) -> frozenset[str]:
        """Return the transactions that were scored or told as this account's."""
        query = (
            "SELECT transaction_id FROM service_score WHERE account_id = %(account)s "
            "UNION SELECT transaction_id FROM service_alert WHERE account_id = %(account)s "
            "UNION SELECT transaction_id FROM desk_case_alert JOIN desk_case USING (case_id) "
            "WHERE account_id = %(account)s"
        )
        with self._connections.connection() as connection:
            return frozenset(str(row[0]) for row in connection.execute(query, {"account": account}))

    def own(self, account: str, payments: Collection[str]) -> dict[str, int]:
        """Count the account's rows, by table."""
        values = {"account": account, "payments": sorted(payments)}
        with self._connections.connection() as connection:
            [counts] = connection.execute(
                "SELECT (SELECT count(*) FROM service_score WHERE account_id = %(account)s), "
                "(SELECT count(*) FROM service_alert WHERE account_id = %(account)s)",
                values,
            ).fetchall()
            desk = own_at_desk(connection, values)
        return {**dict(zip(("service_score", "service_alert"), counts, strict=True)), **desk}

    def naming(self, account: str, payments: Collection[str]) -> dict[str, int]:
        """Count the rows of others that name the account or cite its payments, by table."""
        values = {"account": account, "payments": sorted(payments)}
        with self._connections.connection() as connection:
            [(scores, alerts)] = connection.execute(
                f"SELECT (SELECT count(*) FROM service_score WHERE {_NAMED}), "
                f"(SELECT count(*) FROM service_alert WHERE account_id IS DISTINCT FROM %(account)s AND ({_TOLD}))",
                values,
            ).fetchall()
            desk = written_at_desk(connection, values)
        return {"service_score": int(scores), "service_alert": int(alerts), **desk}

    def remove(self, account: str, payments: Collection[str]) -> None:
        """Remove the account's rows, and its name and payments from the rows of others."""
        values = {"account": account, "payments": sorted(payments)}
        with self._connections.connection() as connection, connection.transaction():
            remove_from_desk(connection, values)
            connection.execute("DELETE FROM service_alert WHERE account_id = %(account)s", values)
            connection.execute("DELETE FROM service_score WHERE account_id = %(account)s", values)
            # A trigger refuses to change a score: it goes and comes back without the name, in one transaction.
            gone = connection.execute(f"DELETE FROM service_score WHERE {_NAMED} RETURNING {_COLUMNS}", values)
            back = [(*row[:8], *(Jsonb(_unnamed(part, account, payments)) for part in row[8:])) for row in gone]
            places = ", ".join(["%s"] * 11)
            connection.cursor().executemany(f"INSERT INTO service_score ({_COLUMNS}) VALUES ({places})", back)
            told = connection.execute(f"SELECT content, transaction_id FROM service_alert WHERE {_TOLD}", values)
            alerts = [(Jsonb(_unnamed(content, account, payments)), name) for content, name in told.fetchall()]
            connection.cursor().executemany("UPDATE service_alert SET content = %s WHERE transaction_id = %s", alerts)


def _unnamed(value: Any, account: str, payments: Collection[str]) -> Any:
    """Plain JSON without texts that hold the account, and with label and similarity of precedents that were its."""
    if isinstance(value, str):
        return None if account in value else value
    if isinstance(value, list):
        return [_unnamed(one, account, payments) for one in value]
    if not isinstance(value, dict):
        return value
    if value.get("reference_id") in payments:
        return {name: one if name in _KEPT_OF_A_PRECEDENT else None for name, one in value.items()}
    return {name: _unnamed(one, account, payments) for name, one in value.items()}
