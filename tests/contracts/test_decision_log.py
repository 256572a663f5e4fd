"""What every DecisionLog must do."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from pgbouncer import WAYS, Poolers

from counterfoil.adapters.postgres.decisions import PostgresDecisions
from counterfoil.errors import UsageError
from counterfoil.ports.releases import DecisionLog, LoggedDecision

DETAILS = {"alias": "champion", "previous": None, "ap": 0.5, "nested": {"list": [1, "é", True]}}
ENTRY = LoggedDecision("promote", "r1", "ada", "better on the last week", DETAILS)


@pytest.fixture(params=WAYS)
def dsn(dsn: str, poolers: Poolers, request: pytest.FixtureRequest) -> str:
    """Return the DSN of an empty database, without a pooler or by one."""
    return poolers.reach(dsn, request.param)


@pytest.fixture
def open_log(dsn: str) -> Iterator[Callable[[], DecisionLog]]:
    """Return a function that opens the same log again, as another process would."""
    opened: list[PostgresDecisions] = []

    def open_one() -> DecisionLog:
        opened.append(PostgresDecisions(dsn))
        return opened[-1]

    yield open_one
    for log in opened:
        log.close()


@pytest.fixture
def log(open_log: Callable[[], DecisionLog]) -> DecisionLog:
    return open_log()


def test_a_new_log_is_empty(log: DecisionLog) -> None:
    assert log.entries() == []


def test_an_entry_comes_back_with_its_number_and_the_time(
    log: DecisionLog, open_log: Callable[[], DecisionLog]
) -> None:
    before = datetime.now(UTC)
    kept = log.append(ENTRY)
    assert (kept.kind, kept.subject, kept.actor, kept.reason) == ("promote", "r1", "ada", "better on the last week")
    assert kept.details == DETAILS
    assert kept.sequence is not None
    assert kept.at is not None
    assert kept.at.utcoffset() == timedelta(0)
    assert abs(kept.at - before) < timedelta(minutes=1)
    assert open_log().entries() == [kept]


def test_entries_come_in_the_order_in_which_they_were_appended(log: DecisionLog) -> None:
    kept = [log.append(LoggedDecision(kind, "r1", "ada", "")) for kind in ("promote", "rollback", "audit", "promote")]
    assert log.entries() == kept
    numbers = [entry.sequence for entry in kept]
    assert numbers == sorted(set(numbers))
    assert [entry.at for entry in kept] == sorted(entry.at for entry in kept if entry.at)


def test_entries_of_one_kind_or_subject(log: DecisionLog) -> None:
    for kind, subject in (("promote", "r1"), ("promote", "r2"), ("retire", "r1")):
        log.append(LoggedDecision(kind, subject, "ada", ""))

    def found(**wanted: str) -> list[tuple[str, str]]:
        return [(entry.kind, entry.subject) for entry in log.entries(**wanted)]

    assert found(kind="promote") == [("promote", "r1"), ("promote", "r2")]
    assert found(subject="r1") == [("promote", "r1"), ("retire", "r1")]
    assert found(kind="retire", subject="r1") == [("retire", "r1")]
    assert found(kind="Promote") == []


def test_two_who_append_at_once_see_numbers_and_times_in_one_order(open_log: Callable[[], DecisionLog]) -> None:
    def append(actor: str) -> None:
        own = open_log()
        for _ in range(20):
            own.append(LoggedDecision("promote", "r1", actor, ""))

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(append, ["a", "b", "c"]))
    entries = open_log().entries()
    assert len(entries) == len({entry.sequence for entry in entries}) == 60
    times = [entry.at for entry in entries if entry.at is not None]
    assert times == sorted(times)


@pytest.mark.parametrize("missing", ["kind", "subject", "actor"])
def test_an_entry_that_does_not_say_who_did_what_is_refused(log: DecisionLog, missing: str) -> None:
    values = {"kind": "promote", "subject": "r1", "actor": "ada"} | {missing: ""}
    with pytest.raises(UsageError, match=f"needs a {missing}"):
        log.append(LoggedDecision(**values, reason=""))
    assert log.entries() == []


@pytest.mark.parametrize("value", [float("nan"), object(), {1, 2}], ids=["nan", "object", "set"])
def test_details_that_are_no_json_are_refused(log: DecisionLog, value: Any) -> None:
    with pytest.raises(UsageError, match="'promote' are no JSON"):
        log.append(LoggedDecision("promote", "r1", "ada", "", {"x": value}))


def test_an_entry_of_a_log_is_not_appended_again(log: DecisionLog) -> None:
    kept = log.append(ENTRY)
    with pytest.raises(UsageError, match=f"entry {kept.sequence} is in a decision log"):
        log.append(kept)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE decision SET actor = 'eve'", "DELETE FROM decision", "TRUNCATE decision",
        "SET session_replication_role = replica; DELETE FROM decision",
        "INSERT INTO decision (sequence, kind, subject, actor, reason, details) OVERRIDING SYSTEM VALUE "
        "VALUES (1, 'k', 's', 'a', '', '{}') ON CONFLICT (sequence) DO UPDATE SET actor = 'eve'",
    ],
)  # fmt: skip
def test_postgresql_refuses_to_change_the_past(dsn: str, statement: str) -> None:
    log = PostgresDecisions(dsn)
    kept = log.append(ENTRY)
    with psycopg.connect(dsn) as connection, pytest.raises(psycopg.Error, match="table decision is append-only"):
        connection.execute(statement)  # type: ignore[call-overload]
    assert log.entries() == [kept]
    log.close()
