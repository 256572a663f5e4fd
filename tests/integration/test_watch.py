"""Streams of payments: every record has one effect, whatever happens in between."""

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest

from counterfoil.adapters.aws.payments import KinesisPayments
from counterfoil.adapters.files.payment_lines import PaymentLines
from counterfoil.adapters.postgres.shard_leases import PostgresShardLeases
from counterfoil.errors import StoreUnavailableError
from counterfoil.ports.service import PaymentStream, Record
from counterfoil.steps.scoring.consume import Consumed, Consumer

pytestmark = pytest.mark.xdist_group("service")
_names = itertools.count(1)


@pytest.fixture(scope="module")
def place(scoring_place: Any) -> Any:
    return scoring_place.open(service_profile_deadline_ms=20_000)


def consumer(place: Any, name: str, stream: PaymentStream, **given: Any) -> Consumer:
    return Consumer(name, stream, place.checkpoints, place.online_scorer, place.pseudonym_key, **given)


def line(name: str, **changes: Any) -> str:
    usual = {"transaction_id": name, "event_time": "2024-02-13T03:00:00Z", "amount": "5.00", "account": f"of {name}"}
    return json.dumps(usual | changes)


def write(path: Path, *lines: str) -> Path:
    path.write_text("".join(f"{one}\n" for one in lines), encoding="utf-8")
    return path


def test_lines_are_scored_and_poison_is_buried_with_its_reason(place: Any, tmp_path: Path) -> None:
    lines = [
        line("w-1"), "{", "", line("w-2", amount="-5"), line("w-3"), line("w-1"), line("w-3", amount="6.00"),
        json.dumps([1]), line("w-4", evidence={"deep": {"er": 1}}), line("w-5"),
    ]  # fmt: skip
    path = write(tmp_path / "payments.jsonl", *lines)
    told: list[str] = []
    buried: list[str] = []
    stream = PaymentLines(path, at_once=4)
    done = consumer(
        place, "poison", stream, tell=lambda score: told.append(score.transaction_id),
        tell_buried=lambda record, reason: buried.append(f"{reason} at {record.sequence}"),
    ).run()  # fmt: skip
    assert told == ["w-1", "w-3", "w-1", "w-5"]
    assert (done.records, done.scored, done.buried) == (9, 4, 5)
    assert buried == [f"{reason} at {sequence}" for _, sequence, reason in place.checkpoints.buried("poison")]
    assert sorted(reason for _, _, reason in place.checkpoints.buried("poison")) == [
        "amount_negative", "id_with_other_content", "no_json_object", "no_json_object", "no_json_object",
    ]  # fmt: skip
    assert set(place.scores.find(["w-1", "w-2", "w-3", "w-4", "w-5"])) == {"w-1", "w-3", "w-5"}


def test_a_second_run_goes_on_where_the_first_ended(place: Any, tmp_path: Path) -> None:
    path = write(tmp_path / "grows.jsonl", line("g-1"), line("g-2"))
    assert consumer(place, "grows", PaymentLines(path)).run() == Consumed(2, 2, 0, 0)
    assert consumer(place, "grows", PaymentLines(path)).run() == Consumed(0, 0, 0, 0)
    with path.open("a") as more:
        more.write(line("g-3") + "\n")
    assert consumer(place, "grows", PaymentLines(path)).run() == Consumed(1, 1, 0, 0)
    again = consumer(place, "grows under another name", PaymentLines(path)).run()
    assert again == Consumed(3, 3, 0, 0)
    counts = [place.scores.find([name])[name].evidence["account_count_1h"] for name in ("g-1", "g-2", "g-3")]
    assert counts == [1, 1, 1]


class Broken:
    """Passes calls on, but fails at the first ones, before or after they were made."""

    def __init__(self, real: Any, failures: int, *, after: bool) -> None:
        self._real, self._left, self._after = real, failures, after

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*given: Any) -> Any:
            failing = self._left > 0
            self._left -= failing
            if failing and not self._after:
                raise StoreUnavailableError("gone")
            found = getattr(self._real, name)(*given)
            if failing:
                raise StoreUnavailableError("gone")
            return found

        return call


@pytest.mark.parametrize("after", [False, True], ids=["before it was done", "after it was done"])
def test_a_store_that_is_gone_is_waited_for(place: Any, tmp_path: Path, after: bool) -> None:
    name = f"gone-{after}"
    path = write(tmp_path / "payments.jsonl", line(f"{name}-1"), line(f"{name}-2"))
    slept: list[float] = []
    waiting = consumer(place, name, PaymentLines(path), sleep=slept.append)
    waiting.checkpoints = Broken(place.checkpoints, 3, after=after)  # type: ignore[assignment]
    done = waiting.run()
    assert (done.records, done.scored, done.waited) == (2, 2, 3)
    assert len(slept) == 3
    assert slept[0] == 0.1
    assert place.checkpoints.load(name) == {"lines": str(path.stat().st_size)}


def test_a_stream_of_records_in_two_shards_keeps_the_order_in_each(place: Any) -> None:
    class Stream:
        def records(self, checkpoints: Mapping[str, str]) -> Iterator[Sequence[Record]]:
            assert checkpoints == {}
            names = [("a", "1"), ("b", "1"), ("a", "2"), ("b", "2")]
            account = {"account": "the same"}
            yield [
                Record(shard, number, line(f"s-{shard}-{number}", event_time=f"2024-02-13T03:0{number}:00Z",
                       **account, merchant=shard).encode())
                for shard, number in names
            ]  # fmt: skip

    told: list[str] = []
    consumer(place, "two shards", Stream(), tell=lambda score: told.append(score.transaction_id)).run()
    assert told == ["s-a-1", "s-a-2", "s-b-1", "s-b-2"]
    assert place.checkpoints.load("two shards") == {"a": "2", "b": "2"}


WATCH = """
import sys
from quick_embedder import QuickEmbedder
from counterfoil.workspace.wiring import Workspace
Workspace.embedder = QuickEmbedder()
from counterfoil.cli import main
main(["watch", *sys.argv[1:]])
"""


def test_a_watcher_that_is_killed_is_completed_by_the_next(scoring_place: Any, place: Any, tmp_path: Path) -> None:
    names = [f"kill-{number}" for number in range(400)]
    path = write(
        tmp_path / "payments.jsonl",
        *(
            line(name, account=f"k{i % 7}", event_time=f"2024-02-13T03:{i // 60:02d}:{i % 60:02d}Z")
            for i, name in enumerate(names)
        ),
    )
    command = [sys.executable, "-c", WATCH, str(path), "--name", "killed"]
    first = subprocess.Popen(command, env=scoring_place.environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert first.stdout is not None
    assert first.stdout.readline()
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    second = subprocess.run(command, env=scoring_place.environment, capture_output=True, text=True, check=False)
    assert second.returncode == 0, second.stderr
    kept = place.scores.find(names)
    assert len(kept) == 400
    by_account = [kept[name].evidence["account_count_1h"] for name in names[::7]]
    assert by_account == list(range(1, len(names[::7]) + 1))
    assert place.checkpoints.load("killed") == {"lines": str(path.stat().st_size)}


@pytest.fixture
def stream(aws: str) -> str:
    """Return the name of an empty stream of two shards."""
    import boto3

    name = f"payments-{next(_names)}"
    client = boto3.client("kinesis", endpoint_url=aws)
    client.create_stream(StreamName=name, ShardCount=2)
    client.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 10})
    return name


def test_kinesis_records_of_a_real_client_are_scored_once(place: Any, stream: str, aws: str) -> None:
    import boto3

    client = boto3.client("kinesis", endpoint_url=aws)
    for number in range(12):
        account = f"kinesis-{number % 3}"
        data = line(f"{stream}-{number:02d}", account=account, event_time=f"2024-02-13T03:00:{number:02d}Z")
        client.put_record(StreamName=stream, Data=data.encode(), PartitionKey=account)
    client.put_record(StreamName=stream, Data=b"\xff", PartitionKey="x")
    done = consumer(place, stream, KinesisPayments(stream, at_once=5, until_idle=True)).run()
    assert (done.records, done.scored, done.buried) == (13, 12, 1)
    names = [f"{stream}-{number:02d}" for number in range(12)]
    kept = place.scores.find(names)
    assert [kept[name].evidence["account_count_1h"] for name in names] == [1] * 3 + [2] * 3 + [3] * 3 + [4] * 3
    again = consumer(place, stream, KinesisPayments(stream, until_idle=True)).run()
    assert again == Consumed(0, 0, 0, 0)
    with pytest.raises(StoreUnavailableError, match="no such stream"):
        next(iter(KinesisPayments("nowhere").records({})))


def test_two_watchers_share_the_shards_and_a_dead_ones_are_taken_over(place: Any, stream: str, aws: str) -> None:
    import boto3

    client = boto3.client("kinesis", endpoint_url=aws)

    def put(names: Sequence[str]) -> None:
        for name in names:
            client.put_record(StreamName=stream, Data=line(name).encode(), PartitionKey=name)

    def watcher() -> Iterator[Sequence[Record]]:
        leases = PostgresShardLeases(place.dsn, stream)
        payments = KinesisPayments(
            stream, leases=leases, renew=0, sleep=lambda _: None, checkpoints_now=lambda: place.checkpoints.load(stream)
        )
        return payments.records({})

    def read(records: Iterator[Sequence[Record]], rounds: int = 4) -> Counter[tuple[str, str]]:
        """What a watcher gets in some rounds; it keeps how far it is."""
        found: Counter[tuple[str, str]] = Counter()
        for part in itertools.islice(records, rounds):
            for one in part:
                found[one.shard, json.loads(one.data)["transaction_id"]] += 1
                place.checkpoints.save(stream, one.shard, one.sequence)
        return found

    first, second = watcher(), watcher()
    assert not read(first)
    assert not read(second)
    assert not read(first)  # it has let go of what is the second's part
    put(names := [f"{stream}-shared-{number}" for number in range(12)])
    parts = [read(second), read(first)]
    assert [len({shard for shard, _ in part}) for part in parts] == [1, 1]
    assert {shard for shard, _ in parts[0]} != {shard for shard, _ in parts[1]}
    assert Counter(name for part in parts for _, name in part.elements()) == Counter(names)
    # The first one dies without a word.
    put(later := [f"{stream}-later-{number}" for number in range(12)])
    with psycopg.connect(place.dsn) as connection:  # half a minute passes
        for table in ("stream_reader", "stream_lease"):
            connection.execute(f"UPDATE {table} SET until = until - interval '31 seconds' WHERE stream = %s", (stream,))
    taken = read(second, 8)
    assert len({shard for shard, _ in taken}) == 2
    assert Counter(name for _, name in taken.elements()) == Counter(later)
    second.close()  # type: ignore[attr-defined]
    assert not read(watcher())


def test_a_stream_that_throttles_is_read_on_when_it_answers_again(
    place: Any, stream: str, aws: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import boto3
    from botocore.awsrequest import AWSResponse

    from counterfoil.adapters.aws import clients

    class Body:
        def stream(self, **_: Any) -> Iterator[bytes]:
            yield b'{"__type": "ProvisionedThroughputExceededException", "message": "slow down"}'

    calls = itertools.count(1)

    def throttled(**_: Any) -> AWSResponse | None:
        busy = next(calls) in (3, 4, 5)
        return AWSResponse("http://kinesis", 400, {}, Body()) if busy else None

    client = boto3.client("kinesis", endpoint_url=aws)
    for number in range(6):
        client.put_record(StreamName=stream, Data=line(f"{stream}-{number}").encode(), PartitionKey="one")
    monkeypatch.setattr(clients, "ATTEMPTS", 1)  # botocore's own tries would take half a minute
    payments = KinesisPayments(stream, at_once=2, until_idle=True)
    payments._client.meta.events.register("before-send.kinesis.GetRecords", throttled)
    slept: list[float] = []
    told: list[str] = []
    done = consumer(
        place, stream, payments, sleep=slept.append, tell=lambda score: told.append(score.transaction_id)
    ).run()
    assert told == [f"{stream}-{number}" for number in range(6)]
    assert (done.records, done.waited) == (6, 3)
    assert slept[0] == 0.1


def test_a_watcher_that_is_told_to_end_ends_though_a_store_is_gone(place: Any, tmp_path: Path) -> None:
    path = write(tmp_path / "payments.jsonl", line("ends-1"))
    ending = consumer(place, "ends", PaymentLines(path), sleep=lambda _: None)
    ending.checkpoints = Broken(place.checkpoints, 10**6, after=False)  # type: ignore[assignment]
    asked = iter([False, False, True])
    with pytest.raises(StoreUnavailableError):
        ending.run(lambda: next(asked))


def test_a_line_that_is_still_written_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "follow.jsonl"
    path.write_bytes(b'{"a": 1}\n{"b"')
    records = PaymentLines(path, follow=True).records({})
    assert [record.data for record in next(records)] == [b'{"a": 1}\n']
    with path.open("ab") as more:
        more.write(b": 2}\n")
    started = time.monotonic()
    found: list[bytes] = []
    while not found and time.monotonic() < started + 5:
        found = [record.data for record in next(records)]
    assert found == [b'{"b": 2}\n']
