"""Cases in PostgreSQL: the alerts of one account, or of a ring of accounts, that are looked at together."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import psycopg
import pyarrow as pa

from counterfoil.adapters.postgres.connections import Connections, Login
from counterfoil.domain.privacy.pseudonyms import PseudonymKeys, hashed_again
from counterfoil.errors import ConflictError, NotFoundError
from counterfoil.ports.desk import Case, CaseAlert, CaseNote, RelatedPayment

_ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtextextended('desk_case', 0))"
_OPEN = """
INSERT INTO desk_case (case_id, account_id, key_id, state, due)
VALUES (%s, %s, %s, 'open', clock_timestamp() + %s) RETURNING case_id
"""
_ALERT = """
INSERT INTO desk_case_alert
    (transaction_id, case_id, event_time, decision, signal, amount, currency, release_id, policy_version)
VALUES (%s, %s, %s, %s, %s, %s::numeric, %s, %s, %s) ON CONFLICT DO NOTHING
"""
_CASES = """
SELECT own.case_id, own.account_id, own.state, own.assignee, own.due, own.outcome, own.opened_at, own.closed_at,
    sum(alerts)::bigint, sum(lost) AS loss, count(*), own.ring
FROM desk_case AS own JOIN desk_case AS one ON one.case_id = own.case_id OR one.ring = own.case_id
CROSS JOIN LATERAL (
    SELECT count(*) AS alerts, coalesce(sum(signal * coalesce(amount, 0)::double precision), 0) AS lost
    FROM desk_case_alert WHERE desk_case_alert.case_id = one.case_id
) AS alerted
WHERE {where} GROUP BY own.case_id ORDER BY own.state = 'open' DESC, loss DESC, own.case_id {limit}
"""
_OF_RING = "SELECT case_id FROM desk_case WHERE case_id = %(case)s OR ring = %(case)s"
"""A case and those that it leads."""
_ALERTS = """
SELECT transaction_id, account_id, event_time, decision, signal, amount::text, currency, release_id, policy_version
FROM desk_case_alert JOIN desk_case USING (case_id) WHERE case_id = %(case)s OR ring = %(case)s
ORDER BY event_time, transaction_id
"""
_LATEST_OF_A_VALUE = 200
"""Of a merchant that sells all day only so many payments about an alert are looked at, the latest."""
_TEXT_OF_A_TIME = "'YYYY-MM-DD\"T\"HH24:MI:SS'"


def _sharing(what: str) -> str:
    """Payments with the same value of a field as an alert; times are text of one form in UTC, in order as such."""
    return f"""
SELECT other.*, '{what}' AS what FROM own CROSS JOIN LATERAL (
    SELECT transaction_id, account_id, decision, signal, amount, payment FROM service_score
    WHERE payment ->> '{what}_id' = own.payment ->> '{what}_id' AND payment ->> 'event_time' >= own.since
        AND payment ->> 'event_time' < own.until
    ORDER BY payment ->> 'event_time' DESC LIMIT {_LATEST_OF_A_VALUE}
) AS other
"""


_RELATED = f"""
WITH own AS (
    SELECT payment, to_char(event_time - %(within)s, {_TEXT_OF_A_TIME}) AS since,
        to_char(event_time + %(within)s + interval '1 second', {_TEXT_OF_A_TIME}) AS until
    FROM desk_case_alert JOIN service_score USING (transaction_id) WHERE case_id IN ({_OF_RING})
), alike AS ({" UNION ALL ".join(map(_sharing, ("merchant", "source_ip", "device")))})
SELECT transaction_id, account_id, (min(payment ->> 'event_time'))::timestamptz, decision, signal, amount::text,
    min(payment ->> 'currency'), array_agg(DISTINCT what ORDER BY what) AS shared,
    (SELECT case_id FROM desk_case_alert JOIN desk_case USING (case_id)
        WHERE desk_case_alert.transaction_id = alike.transaction_id AND state = 'open') AS other_case
FROM alike
WHERE transaction_id NOT IN (SELECT transaction_id FROM desk_case_alert WHERE case_id IN ({_OF_RING}))
GROUP BY transaction_id, account_id, decision, signal, amount
ORDER BY cardinality(array_agg(DISTINCT what)) DESC, signal DESC, transaction_id LIMIT %(limit)s
"""


class PostgresCases:
    """A CaseStore in the database of `login`."""

    def __init__(self, login: Login) -> None:
        self._connections = Connections(login)

    def take(self, alerts: Sequence[CaseAlert], *, key_id: str, due_in: timedelta) -> tuple[int, int]:
        """Put alerts into the open case of their account, opening those that are missing; see CaseStore.take."""
        opened = added = 0
        with self._connections.connection() as connection, connection.transaction():
            connection.execute(_ONE_AT_A_TIME)
            for alert in sorted(alerts, key=lambda one: one.transaction_id):
                known = "SELECT 1 FROM desk_case_alert WHERE transaction_id = %s"
                if connection.execute(known, (alert.transaction_id,)).fetchone() is not None:
                    continue
                case_id = _open_case_of(connection, alert)
                if case_id is None:
                    case_id = f"c{hashlib.sha256(alert.transaction_id.encode()).hexdigest()[:12]}"
                    connection.execute(_OPEN, (case_id, alert.account_id, key_id, due_in))
                    opened += 1
                row = (alert.transaction_id, case_id, alert.event_time, alert.decision, alert.signal, alert.amount,
                       alert.currency, alert.release_id, alert.policy_version)  # fmt: skip
                added += connection.execute(_ALERT, row).rowcount
        return opened, added

    def queue(self, limit: int, *, closed: bool = False) -> list[Case]:
        """Return open cases (with `closed`, all), greatest expected loss first."""
        open_ones = "own.ring IS NULL" if closed else "own.ring IS NULL AND own.state = 'open'"
        query = _CASES.format(where=open_ones, limit="LIMIT %s")
        with self._connections.connection() as connection:
            return [Case(*row) for row in connection.execute(query, (limit,))]

    def find(self, case_id: str) -> Case:
        """Return a case. Raises NotFoundError."""
        with self._connections.connection() as connection:
            return _find(connection, case_id)

    def alerts(self, case_id: str) -> list[CaseAlert]:
        """Return a case's alerts, oldest first."""
        with self._connections.connection() as connection:
            return [CaseAlert(*row) for row in connection.execute(_ALERTS, {"case": case_id})]

    def notes(self, case_id: str) -> list[CaseNote]:
        """Return what was said and done, oldest first."""
        query = f"SELECT at, said_by, what, words FROM desk_case_note WHERE case_id IN ({_OF_RING}) ORDER BY note"
        with self._connections.connection() as connection:
            return [CaseNote(*row) for row in connection.execute(query, {"case": case_id})]

    def related(self, case_id: str, within: timedelta, limit: int) -> list[RelatedPayment]:
        """Return payments that share a merchant, source IP or device with an alert; see CaseStore.related."""
        values = {"case": case_id, "within": within, "limit": limit}
        with self._connections.connection() as connection:
            rows = connection.execute(_RELATED, values).fetchall()
        return [RelatedPayment(*[*kept, tuple(shared), case]) for *kept, shared, case in rows]

    def note(self, case_id: str, said_by: str, words: str) -> None:
        """Keep a note. Raises NotFoundError."""
        with self._connections.connection() as connection, connection.transaction():
            _find(connection, case_id)
            _say(connection, case_id, said_by, "note", words)

    def assign(self, case_id: str, assignee: str, operator: str) -> None:
        """Let somebody work on an open case. Raises NotFoundError, ConflictError if it is closed or in a ring."""
        with self._connections.connection() as connection, connection.transaction():
            _require_own(_find(connection, case_id, lock=True))
            connection.execute("UPDATE desk_case SET assignee = %s WHERE case_id = %s", (assignee, case_id))
            _say(connection, case_id, operator, "assigned", assignee)

    def link(self, case_id: str, other: str, operator: str, reason: str) -> Case:
        """Let an open case, and those that it leads, be worked on with `other`; see CaseStore.link."""
        with self._connections.connection() as connection, connection.transaction():
            connection.execute(_ONE_AT_A_TIME)
            found = {name: _find(connection, name, lock=True) for name in sorted({case_id, other})}
            for case in found.values():
                _require_open(case)
            ours, theirs = found[case_id], found[other]
            mine, lead = ours.ring or ours.case_id, theirs.ring or theirs.case_id
            if mine == lead:
                raise ConflictError(f"cases {case_id} and {other} are linked already: case {lead} leads their ring")
            query = "UPDATE desk_case SET ring = %(lead)s WHERE case_id = %(case)s OR ring = %(case)s"
            connection.execute(query, {"lead": lead, "case": mine})
            _say(connection, mine, operator, f"case {mine} linked with {lead}", reason)
            return _find(connection, lead)

    def unlink(self, case_id: str, operator: str, reason: str) -> None:
        """Take an open case out of its ring. Raises NotFoundError, ConflictError if it is closed or in none."""
        with self._connections.connection() as connection, connection.transaction():
            case = _find(connection, case_id, lock=True)
            _require_open(case)
            if case.ring is None:
                raise ConflictError(f"case {case_id} is in no ring: take out the cases that it leads")
            connection.execute("UPDATE desk_case SET ring = NULL WHERE case_id = %s", (case_id,))
            _say(connection, case_id, operator, f"taken out of the ring of {case.ring}", reason)

    @contextmanager
    def closing(self, case_id: str, outcome: str, operator: str, reason: str) -> Iterator[Case]:
        """Give an open case that nobody else can close meanwhile; it is closed where the block ends well."""
        query = "UPDATE desk_case SET state = 'closed', outcome = %s, closed_at = clock_timestamp() WHERE case_id = %s"
        with self._connections.connection() as connection, connection.transaction():
            # In one order, as `link` does: two who work on one ring wait for each other, and not for ever.
            connection.execute(f"{_OF_RING} ORDER BY case_id FOR UPDATE", {"case": case_id})
            case = _find(connection, case_id)
            _require_own(case)
            yield case
            for (name,) in connection.execute(_OF_RING, {"case": case_id}).fetchall():
                connection.execute(query, (outcome, name))
                whose = "" if name == case_id else f"case {name} "
                _say(connection, name, operator, f"{whose}closed as {outcome}", reason)

    def rekey(self, keys: PseudonymKeys) -> int:
        """Hash again the accounts under earlier ones of these keys; return how many cases. Safe to do again."""
        changed = 0
        with self._connections.connection() as connection, connection.transaction():
            connection.execute(_ONE_AT_A_TIME)
            for count in range(1, len(keys.keys)):
                earlier = PseudonymKeys(keys.keys[:count]).key_id
                query = "SELECT case_id, account_id FROM desk_case WHERE key_id = %s"
                rows = connection.execute(query, (earlier,)).fetchall()
                accounts: Any = _accounts([account for _, account in rows], keys.keys[count:])
                renamed = [(account, keys.key_id, case) for account, (case, _) in zip(accounts, rows, strict=True)]
                _join_later_cases(connection, renamed)
                update = "UPDATE desk_case SET account_id = %s, key_id = %s WHERE case_id = %s"
                connection.cursor().executemany(update, renamed)
                changed += len(renamed)
        return changed


def _join_later_cases(connection: psycopg.Connection, renamed: Sequence[tuple[str | None, str, str]]) -> None:
    """Let open cases that are renamed take over those that were opened of the same accounts under the next key."""
    query = (
        "SELECT old.case_id, new.case_id FROM unnest(%s::text[], %s::text[]) AS renamed (account_id, case_id) "
        "JOIN desk_case AS old ON old.case_id = renamed.case_id AND old.state = 'open' "
        "JOIN desk_case AS new ON new.account_id = renamed.account_id AND new.state = 'open' "
        "WHERE new.case_id <> old.case_id"
    )
    named = [account for account, _, _ in renamed], [case for _, _, case in renamed]
    for kept, joined in connection.execute(query, named).fetchall():
        for table in ("desk_case_alert", "desk_case_note"):
            connection.execute(f"UPDATE {table} SET case_id = %s WHERE case_id = %s", (kept, joined))
        connection.execute(
            "UPDATE desk_case SET ring = %(kept)s WHERE ring = %(joined)s AND case_id <> %(kept)s",
            {"kept": kept, "joined": joined},
        )
        connection.execute("DELETE FROM desk_case WHERE case_id = %s", (joined,))


def _accounts(accounts: list[str | None], later: Sequence[bytes]) -> list[str | None]:
    values = pa.array(accounts, pa.string())
    for key in later:
        values = hashed_again(values, key)
    renamed: list[str | None] = values.to_pylist()
    return renamed


def _open_case_of(connection: psycopg.Connection, alert: CaseAlert) -> str | None:
    query = "SELECT case_id FROM desk_case WHERE account_id = %s AND state = 'open'"
    row = connection.execute(query, (alert.account_id,)).fetchone()
    return None if row is None else str(row[0])


def _find(connection: psycopg.Connection, case_id: str, *, lock: bool = False) -> Case:
    if lock:
        connection.execute("SELECT 1 FROM desk_case WHERE case_id = %s FOR UPDATE", (case_id,))
    row = connection.execute(_CASES.format(where="own.case_id = %s", limit=""), (case_id,)).fetchone()
    if row is None:
        raise NotFoundError(f"there is no case {case_id!r}: 'counterfoil cases list' names those that there are")
    return Case(*row)


def _require_open(case: Case) -> None:
    if case.state != "open":
        raise ConflictError(
            f"case {case.case_id} was closed as {case.outcome}: a later alert of the account opens another"
        )


def _require_own(case: Case) -> None:
    _require_open(case)
    if case.ring is not None:
        raise ConflictError(
            f"case {case.case_id} is in the ring of case {case.ring}: work on that one, or take this one out of it"
        )


def _say(connection: psycopg.Connection, case_id: str, said_by: str, what: str, words: str) -> None:
    query = "INSERT INTO desk_case_note (case_id, said_by, what, words) VALUES (%s, %s, %s, %s)"
    connection.execute(query, (case_id, said_by, what, words))
