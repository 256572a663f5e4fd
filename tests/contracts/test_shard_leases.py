"""What leases of a stream's shards must do, among readers that come, end, and die."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from counterfoil.adapters.postgres.shard_leases import PostgresShardLeases
from counterfoil.errors import StoreUnavailableError
from counterfoil.ports.shard_leases import ShardLeases

SHARDS = [f"shard-{number}" for number in range(5)]


def reader(dsn: str, stream: str = "payments") -> ShardLeases:
    return PostgresShardLeases(dsn, stream)


def let_time_pass(dsn: str) -> None:
    """Let all leases end, as if nobody had asked for a while: no test waits half a minute."""
    with psycopg.connect(dsn) as connection:
        for table in ("stream_reader", "stream_lease"):
            connection.execute(f"UPDATE {table} SET until = until - interval '31 seconds'")


def test_one_reader_has_all_and_another_gets_its_part(dsn: str) -> None:
    first, second = reader(dsn), reader(dsn)
    assert first.mine(SHARDS) == set(SHARDS)
    assert second.mine(SHARDS) == set()  # nothing is free yet
    kept = first.mine(SHARDS)
    assert len(kept) == 3
    assert second.mine(SHARDS) == set(SHARDS) - kept
    assert first.mine(SHARDS) == kept  # they stay where they are
    assert reader(dsn, stream="another").mine(SHARDS) == set(SHARDS)


def test_what_a_reader_leaves_is_free_at_once(dsn: str) -> None:
    first, second = reader(dsn), reader(dsn)
    first.mine(SHARDS)
    second.mine(SHARDS)
    first.leave()
    assert second.mine(SHARDS) == set(SHARDS)


def test_the_shards_of_a_dead_reader_go_to_the_others(dsn: str) -> None:
    dead, alive = reader(dsn), reader(dsn)
    held = dead.mine(SHARDS)
    assert alive.mine(SHARDS) == set()
    let_time_pass(dsn)
    assert alive.mine(SHARDS) == held == set(SHARDS)
    assert dead.mine(SHARDS) == set()  # it was not dead, and what it held is another's


def test_a_shard_that_is_read_to_its_end_is_let_go(dsn: str) -> None:
    first, second = reader(dsn), reader(dsn)
    first.mine(SHARDS)
    second.mine(SHARDS)
    mine = first.mine(SHARDS)
    ended = min(mine)
    assert ended not in first.mine([shard for shard in SHARDS if shard != ended])
    assert ended in second.mine([ended])


def test_readers_who_ask_at_once_never_have_the_same_shard(dsn: str) -> None:
    readers = [reader(dsn) for _ in range(6)]
    for _ in range(3):
        with ThreadPoolExecutor(len(readers)) as pool:
            list(pool.map(lambda one: one.mine(SHARDS), readers))
    held = Counter(shard for one in readers for shard in one.mine(SHARDS))
    assert held == Counter(SHARDS)


def test_a_store_that_is_gone_says_so() -> None:
    with pytest.raises(StoreUnavailableError):
        reader("postgresql://nobody@127.0.0.1:1/nothing").mine(SHARDS)
