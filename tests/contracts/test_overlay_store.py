"""What every OverlayStore must do."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import psycopg
import pytest
from pgbouncer import WAYS, Poolers

from counterfoil.adapters.postgres import schema
from counterfoil.adapters.postgres.overlays import PostgresOverlays
from counterfoil.domain.scoring.overlay import NEAR, Change, OverlayReference
from counterfoil.errors import ChangedError, StoreUnavailableError
from counterfoil.ports.service import OverlayStore

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def reference(name: str, *, label: int = 1, account: str | None = "a1") -> OverlayReference:
    vector = np.array([0.1, -1 / 3, 1.0], np.float32)
    return OverlayReference(
        name, label, NOON, NOON + timedelta(microseconds=1), Decimal("10.0500"), "EUR", "m1", None, account, vector,
        1 - 1 / 3e4,
    )  # fmt: skip


def change(subject: str, said: int, *beside: OverlayReference, release: str = "r1", label: int | None = 1) -> Change:
    own = () if label is None else (reference(subject, label=label),)
    return Change(release, subject, label, said, -1.25, (*own, *beside))


def plain(one: Change) -> tuple[object, ...]:
    """A change with its vectors as bytes, so that two can be compared."""
    rows = [replace(ref, vector=ref.vector.tobytes()) for ref in one.references]  # type: ignore[arg-type]
    return replace(one, references=()), *rows


@pytest.fixture(params=WAYS)
def dsn(dsn: str, poolers: Poolers, request: pytest.FixtureRequest) -> str:
    """Return the DSN of an empty database, without a pooler or by one."""
    return poolers.reach(dsn, request.param)


@pytest.fixture
def open_store(dsn: str) -> Iterator[Callable[[], OverlayStore]]:
    """Return a function that opens the same store again, as another process would."""
    opened: list[PostgresOverlays] = []

    def open_one() -> OverlayStore:
        opened.append(PostgresOverlays(dsn))
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: Callable[[], OverlayStore]) -> OverlayStore:
    return open_store()


def appended(store: OverlayStore, one: Change, after: int = 0) -> Change:
    kept = store.append(one, after)
    assert kept is not None
    return kept


def test_a_release_that_nobody_spoke_of_has_no_changes(store: OverlayStore) -> None:
    assert store.since("r1", 0) == []
    assert store.naming("a1", ["t1"]) == 0
    store.ping()


def test_changes_come_back_as_they_were_with_their_numbers(
    store: OverlayStore, open_store: Callable[[], OverlayStore]
) -> None:
    first = appended(store, change("t1", 1, reference("t1 beside", label=0, account=None)))
    second = appended(store, change("t2", 2, label=None), first.sequence)
    assert 0 < first.sequence < second.sequence
    assert plain(first)[1:] == plain(change("t1", 1, reference("t1 beside", label=0, account=None)))[1:]
    assert [*map(plain, open_store().since("r1", 0))] == [plain(first), plain(second)]
    assert [*map(plain, store.since("r1", first.sequence))] == [plain(second)]
    assert store.since("r1", second.sequence) == []


def test_releases_have_overlays_of_their_own(store: OverlayStore) -> None:
    first = appended(store, change("t1", 1))
    other = appended(store, change("t1", 1, release="r2"))
    assert [one.sequence for one in store.since("r2", 0)] == [other.sequence]
    assert appended(store, change("t2", 2), first.sequence).sequence > other.sequence


def test_a_change_made_of_an_older_overlay_is_refused_and_changes_nothing(store: OverlayStore) -> None:
    first = appended(store, change("t1", 1))
    with pytest.raises(ChangedError, match="release r1 was changed"):
        store.append(change("t2", 2), 0)
    assert [one.subject for one in store.since("r1", 0)] == ["t1"]
    assert appended(store, change("t2", 2), first.sequence).subject == "t2"


@pytest.mark.parametrize("said", [4, 5])
def test_a_word_that_comes_late_changes_nothing(store: OverlayStore, said: int) -> None:
    """Neither an earlier word on a payment nor the same one again, whatever overlay it was made of."""
    kept = appended(store, change("t1", 5, label=None))
    assert store.append(change("t1", said), kept.sequence) is None
    assert store.append(change("t1", said), 0) is None
    assert [plain(one) for one in store.since("r1", 0)] == [plain(kept)]


def test_writers_at_once_lose_no_change_and_a_reader_misses_none(open_store: Callable[[], OverlayStore]) -> None:
    def write(writer: int) -> None:
        own = open_store()
        for number in range(6):
            last = 0
            while True:
                last = max((one.sequence for one in own.since("r1", last)), default=last)
                try:
                    assert own.append(change(f"t{writer}-{number}", 1), last) is not None
                    break
                except ChangedError:
                    continue

    with ThreadPoolExecutor(3) as pool:
        writers = [pool.submit(write, number) for number in range(3)]
        reader, seen, last = open_store(), [], 0
        while not all(one.done() for one in writers) or reader.since("r1", last):
            for one in reader.since("r1", last):
                seen.append(one.subject)
                last = one.sequence
        for one in writers:
            one.result()
    assert sorted(seen) == sorted(f"t{writer}-{number}" for writer in range(3) for number in range(6))


def test_forgetting_removes_what_an_account_brought_and_nothing_else(store: OverlayStore) -> None:
    first = appended(store, change("t1", 1, reference("g1", label=0, account="a2")))
    second = appended(store, change("t2", 2), first.sequence)
    assert store.naming("a2", []) == 1
    assert store.naming("a2", ["t2"]) == 3
    assert store.forget("a2", ["t2"]) == 3
    assert store.naming("a2", ["t2"]) == 0
    [left] = store.since("r1", 0)
    assert [one.reference_id for one in left.references] == ["t1"]
    assert store.forget("a2", ["t2"]) == 0
    # The numbers go on: what a score names is never another change.
    assert appended(store, change("t3", 3), first.sequence).sequence > second.sequence


@pytest.mark.parametrize("table", ["overlay_change", "overlay_reference"])
def test_postgresql_refuses_to_change_what_was_appended(dsn: str, table: str) -> None:
    store = PostgresOverlays(dsn)
    appended(store, change("t1", 1))
    with psycopg.connect(dsn) as connection, pytest.raises(psycopg.Error, match=f"table {table} is append-only"):
        connection.execute(f"UPDATE {table} SET label = 0")  # type: ignore[call-overload]
    store.close()


def test_a_store_that_is_not_there_says_so() -> None:
    gone = PostgresOverlays("postgresql://nobody@127.0.0.1:1/none?connect_timeout=2")
    with pytest.raises(StoreUnavailableError):
        gone.ping()
    with pytest.raises(StoreUnavailableError):
        gone.since("r1", 0)


def test_an_overlay_of_before_keeps_what_was_confirmed(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    vector, asked = (np.array(numbers, np.float32) for numbers in ([0.6, 0.8], [0.8, 0.6]))
    with psycopg.connect(dsn, autocommit=True) as connection:
        with monkeypatch.context() as earlier:
            earlier.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:14])
            schema.migrate(connection)
        connection.execute(
            "INSERT INTO overlay_change (release_id, subject, label, said, intercept) VALUES ('r1', 't1', 1, 1, -1)"
        )
        for name, label, confirmed in (("t1", 1, True), ("beside", 0, False)):
            connection.execute(
                "INSERT INTO overlay_reference (sequence, reference_id, label, confirmed, event_time, known_at, "
                "vector, asked) VALUES (1, %s, %s, %s, now(), now(), %s, %s)",
                (name, label, confirmed, vector.tobytes(), asked.tobytes()),
            )
    store = PostgresOverlays(dsn)
    [found] = store.since("r1", 0)
    [kept] = found.references
    assert (kept.reference_id, kept.reach) == ("t1", NEAR)
    np.testing.assert_array_equal(kept.vector, asked)
    store.close()
