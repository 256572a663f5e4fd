"""What the desk's tables in PostgreSQL hold of one account: its own rows, and where people named it in others."""

from collections.abc import Mapping
from typing import Any

import psycopg

FORGOTTEN_NAME = "[a forgotten account]"
"""What stands in notes and reasons where somebody wrote the account's pseudonym."""

_ALERT = """
transaction_id = ANY(%(payments)s)
    AND case_id IN (SELECT case_id FROM desk_case WHERE account_id IS NULL OR account_id = %(account)s)
"""
_OWN = f"""
SELECT (SELECT count(*) FROM policy_entry WHERE value = %(account)s),
    (SELECT count(*) FROM desk_case WHERE account_id = %(account)s),
    (SELECT count(*) FROM desk_case_alert WHERE {_ALERT})
"""
_WRITTEN = (
    ("policy_entry", "reason"), ("desk_case", "assignee"), ("desk_case_note", "words"), ("desk_case_note", "said_by"),
)  # fmt: skip
"""The columns in which people write what they like."""


def own_at_desk(connection: psycopg.Connection, values: Mapping[str, Any]) -> dict[str, int]:
    """Count the rows of `account`, by table; an alert of one of its `payments` is its own in a case without account."""
    [counts] = connection.execute(_OWN, values).fetchall()
    return dict(zip(("policy_entry", "desk_case", "desk_case_alert"), counts, strict=True))


def written_at_desk(connection: psycopg.Connection, values: Mapping[str, Any]) -> dict[str, int]:
    """Count what people wrote that holds the pseudonym of `account`, by table."""
    found: dict[str, int] = {}
    for table, column in _WRITTEN:
        query = f"SELECT count(*) FROM {table} WHERE strpos({column}, %(account)s) > 0"
        [(count,)] = connection.execute(query, values).fetchall()
        found[table] = found.get(table, 0) + int(count)
    return found


def remove_from_desk(connection: psycopg.Connection, values: Mapping[str, Any]) -> None:
    """Remove the entries, cases and alerts of `account`, and its pseudonym from what people wrote elsewhere.

    A case without an account whose last alert goes, goes with its notes.
    """
    connection.execute("DELETE FROM policy_entry WHERE value = %(account)s", values)
    connection.execute("DELETE FROM desk_case WHERE account_id = %(account)s", values)
    gone = connection.execute(f"DELETE FROM desk_case_alert WHERE {_ALERT} RETURNING case_id", values).fetchall()
    connection.execute(
        "DELETE FROM desk_case WHERE case_id = ANY(%s) "
        "AND NOT EXISTS (SELECT FROM desk_case_alert AS alert WHERE alert.case_id = desk_case.case_id)",
        ([case_id for (case_id,) in gone],),
    )
    for table, column in _WRITTEN:
        connection.execute(
            f"UPDATE {table} SET {column} = replace({column}, %(account)s, %(other)s) "
            f"WHERE strpos({column}, %(account)s) > 0",
            {**values, "other": FORGOTTEN_NAME},
        )
