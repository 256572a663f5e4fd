"""What every ProfileStore must do."""

import itertools
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from pgbouncer import WAYS

from counterfoil.adapters.aws.profiles import LATE, DynamoProfiles, create_table
from counterfoil.adapters.postgres.profiles import PostgresProfiles
from counterfoil.errors import StoreUnavailableError
from counterfoil.ports.service import Entry, LogPart, ProfileStore

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
OLD = NOON - timedelta(days=500)
_tables = itertools.count(1)


def entry(number: int, entity: str = "account:a", at: datetime = NOON, **content: object) -> Entry:
    told = {"transaction_id": f"t{number}", "amount": "1.10", "none": None, "é": ["x", 1]}
    return Entry(entity, f"payment:t{number}", at + timedelta(microseconds=number), {**told, **content})


@pytest.fixture(params=[*WAYS, "dynamodb"])
def open_store(request: pytest.FixtureRequest) -> Callable[[], ProfileStore]:
    """Return a function that opens the same store again, as another process would."""
    if request.param in WAYS:
        dsn = request.getfixturevalue("poolers").reach(request.getfixturevalue("dsn"), request.param)
        return lambda: PostgresProfiles(dsn)
    request.getfixturevalue("aws")
    table = f"profiles-{next(_tables)}"
    create_table(table)
    return lambda: DynamoProfiles(table)


@pytest.fixture
def store(open_store: Callable[[], ProfileStore]) -> ProfileStore:
    return open_store()


def read(store: ProfileStore, entity: str = "account:a", position: int = 0) -> LogPart:
    return store.read({entity: position})[entity]


def test_an_entity_that_did_nothing_has_an_empty_log(store: ProfileStore) -> None:
    assert read(store).entries == ()
    assert store.read({}) == {}
    store.append([])
    store.ping()


def test_entries_come_back_as_they_were_in_the_order_of_time(
    store: ProfileStore, open_store: Callable[[], ProfileStore]
) -> None:
    store.append([entry(2), entry(1), entry(1, "merchant:m"), entry(3)])
    assert read(open_store()).entries == (entry(1), entry(2), entry(3))
    assert read(store, "merchant:m").entries == (entry(1, "merchant:m"),)


def test_an_entry_that_is_appended_again_changes_nothing(store: ProfileStore) -> None:
    store.append([entry(1)])
    store.append([entry(1, amount="999"), entry(2), entry(2, amount="999")])
    assert read(store).entries == (entry(1), entry(2))


def test_reading_on_gives_all_that_is_new(store: ProfileStore) -> None:
    store.append([entry(1)])
    position = read(store).position
    store.append([entry(2), entry(0)])
    later = read(store, position=position)
    assert [e.entry_id for e in later.entries if e.entry_id != "payment:t1"] == ["payment:t0", "payment:t2"]
    assert later.position >= position


def test_many_entities_are_read_at_once_each_from_its_own_position(store: ProfileStore) -> None:
    store.append([entry(1), entry(1, "merchant:m")])
    found = store.read({"account:a": 0, "merchant:m": 0, "source_ip:s": 0})
    assert {name: len(part.entries) for name, part in found.items()} == {
        "account:a": 1, "merchant:m": 1, "source_ip:s": 0,
    }  # fmt: skip


def test_writers_at_once_lose_nothing(open_store: Callable[[], ProfileStore]) -> None:
    """Each writer has entries of its own and some that all write; a reader reads on all the while."""
    ended = threading.Event()

    def write(writer: int) -> None:
        own = open_store()
        for number in range(8):
            own.append([entry(100 * writer + number, "merchant:hot"), entry(number, "merchant:hot")])

    def read_on() -> set[str]:
        own, position, seen, last = open_store(), 0, set(), False
        while True:
            part = read(own, "merchant:hot", position)
            position = part.position
            seen |= {one.entry_id for one in part.entries}
            if last:
                return seen
            last = ended.is_set()
            time.sleep(0.005)

    with ThreadPoolExecutor(5) as pool:
        reader = pool.submit(read_on)
        list(pool.map(write, range(1, 4)))
        ended.set()
        seen = reader.result()
    wanted = {f"payment:t{100 * writer + number}" for writer in range(4) for number in range(8)}
    assert seen == wanted


def test_forgetting_removes_logs_and_payments_from_the_logs_of_others(store: ProfileStore) -> None:
    store.append([entry(1), entry(2), entry(1, "merchant:m"), entry(7, "merchant:m")])
    assert store.forget(["account:a"], ["t1", "t2"]) == 3
    assert read(store).entries == ()
    assert read(store, "merchant:m").entries == (entry(7, "merchant:m"),)
    assert store.forget([], []) == 0


def test_old_entries_expire(store: ProfileStore) -> None:
    store.append([entry(1, at=OLD), entry(2)])
    removed = store.expire(NOON - timedelta(days=400))
    if isinstance(store, DynamoProfiles):
        assert removed == 0
        items = store._client.scan(TableName=store._table)["Items"]
        assert {item["entry_id"]["S"]: int(item["expires"]["N"]) for item in items} == {
            "payment:t1": int((OLD + timedelta(days=400)).timestamp()),
            "payment:t2": int((NOON + timedelta(days=400)).timestamp()),
        }
        described = store._client.describe_time_to_live(TableName=store._table)["TimeToLiveDescription"]
        assert described == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires"}
    else:
        assert removed == 1
        assert read(store).entries == (entry(2),)


def test_a_store_that_is_not_there_says_so(open_store: Callable[[], ProfileStore]) -> None:
    gone = DynamoProfiles("no-such-table") if isinstance(open_store(), DynamoProfiles) else _nowhere()
    with pytest.raises(StoreUnavailableError):
        gone.ping()
    with pytest.raises(StoreUnavailableError):
        gone.read({"account:a": 0})


def _nowhere() -> PostgresProfiles:
    return PostgresProfiles("postgresql://nobody@127.0.0.1:1/none?connect_timeout=2")


def test_a_transaction_that_commits_late_is_read_on(dsn: str) -> None:
    """A writer that began before the reader read and ended after it: its entry has the lower number and is not lost."""
    store = PostgresProfiles(dsn)
    store.append([entry(1)])
    with psycopg.connect(dsn) as late:
        late.execute(
            "INSERT INTO profile_entry (entity, entry_id, at, content) VALUES ('account:a', 'payment:late', now(), %s)",
            ('{"transaction_id": "late"}',),
        )
        store.append([entry(2)])
        part = read(store)
        assert [one.entry_id for one in part.entries] == ["payment:t1", "payment:t2"]
    assert "payment:late" in [one.entry_id for one in read(store, position=part.position).entries]


@pytest.mark.usefixtures("aws")
def test_dynamodb_reads_again_what_writers_with_slow_clocks_wrote() -> None:
    table, now = f"profiles-{next(_tables)}", NOON.timestamp()
    create_table(table)
    reader = DynamoProfiles(table, clock=lambda: now)
    slow = DynamoProfiles(table, clock=lambda: now - LATE.total_seconds() + 1)
    position = read(reader).position
    slow.append([entry(1)])
    assert [one.entry_id for one in read(reader, position=position).entries] == ["payment:t1"]
