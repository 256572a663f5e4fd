"""What every TableStore must do."""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from counterfoil.adapters.aws.tables import S3Tables
from counterfoil.adapters.folder import tables as table_folder
from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.errors import NotFoundError, StoreUnavailableError, UsageError
from counterfoil.ports.lake import TableStore

FORK = multiprocessing.get_context("fork")


@dataclass(frozen=True)
class Lake:
    """A place for tables: `of` opens it as the process of that name does; `last_act` is where publish tidies up.

    `write` puts something else, or nothing, where the file that `files` gave is kept; `kept` counts all Parquet files.
    """

    of: Callable[[str], TableStore]
    last_act: tuple[Any, str]
    write: Callable[[Path, bytes | None], None]
    kept: Callable[[], int]


def _folder(root: Path) -> Lake:
    def write(path: Path, content: bytes | None) -> None:
        if content is None:
            path.unlink()
        else:
            path.write_bytes(content)

    def kept() -> int:
        return len(list(root.rglob("*.parquet")))

    return Lake(lambda _: FolderTables(root), (table_folder, "_remove"), write, kept)


def _s3(root: Path, bucket: str) -> Lake:
    import boto3

    def write(path: Path, content: bytes | None) -> None:
        key = path.as_posix().partition(f"/copies/{bucket}/")[2]
        kept = boto3.resource("s3").Object(bucket, key)
        path.unlink()  # the copy is not what is damaged
        if content is None:
            kept.delete()
        else:
            kept.put(Body=content)

    def of(name: str) -> S3Tables:
        return S3Tables(f"s3://{bucket}/a/lake", glue_database="lake", cache=root / name)

    def kept() -> int:
        return sum(found.key.endswith(".parquet") for found in boto3.resource("s3").Bucket(bucket).objects.all())

    return Lake(of, (S3Tables, "_tidy"), write, kept)


@pytest.fixture(params=["folder", "s3"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Lake:
    if request.param == "folder":
        return _folder(tmp_path / "lake")
    return _s3(tmp_path, request.getfixturevalue("bucket"))


@pytest.fixture
def tables(lake: Lake) -> TableStore:
    return lake.of("here")


def _put(tables: TableStore, run: str, value: int, name: str = "part-0.parquet") -> Path:
    path = tables.stage("payments", run) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"value": [value]}), path)
    return path


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


def _values(tables: TableStore) -> list[int]:
    return [
        value for path in tables.files("payments") for value in pq.ParquetFile(path).read().column("value").to_pylist()
    ]


def test_an_unknown_table_is_empty(tables: TableStore) -> None:
    assert tables.files("payments") == []
    assert tables.runs("payments") == []


def test_staged_files_are_seen_only_once_published(tables: TableStore) -> None:
    _put(tables, "a", 1)
    assert tables.files("payments") == []
    tables.publish("payments", "a")
    assert _values(tables) == [1]


def test_a_table_is_the_union_of_its_runs(tables: TableStore) -> None:
    for run, value in (("b", 2), ("a", 1), ("c", 3)):
        _put(tables, run, value)
        tables.publish("payments", run)
    assert sorted(_values(tables)) == [1, 2, 3]
    assert tables.runs("payments") == ["b", "a", "c"]
    assert tables.files("payments") == sorted(tables.files("payments"))


def test_publishing_a_run_again_replaces_it_in_its_place(tables: TableStore) -> None:
    for run, value in (("a", 1), ("b", 2), ("a", 10)):
        _put(tables, run, value)
        tables.publish("payments", run)
    assert sorted(_values(tables)) == [2, 10]
    assert tables.runs("payments") == ["a", "b"]


def test_staging_a_published_run_leaves_it_visible_and_starts_empty(tables: TableStore) -> None:
    _put(tables, "a", 1)
    tables.publish("payments", "a")
    folder = tables.stage("payments", "a")
    assert list(folder.iterdir()) == []
    assert _values(tables) == [1]


def test_replace_drops_all_other_runs(tables: TableStore) -> None:
    for run, value in (("a", 1), ("b", 2)):
        _put(tables, run, value)
        tables.publish("payments", run)
    _put(tables, "c", 3)
    tables.publish("payments", "c", replace=True)
    assert _values(tables) == [3]
    assert tables.runs("payments") == ["c"]


def test_a_run_takes_the_place_of_the_runs_that_it_names(tables: TableStore) -> None:
    for run, value in (("a", 1), ("b", 2), ("c", 3)):
        _put(tables, run, value)
        tables.publish("payments", run)
    _put(tables, "b2", 20)
    tables.publish("payments", "b2", instead_of={"b", "b2", "never"})
    assert sorted(_values(tables)) == [1, 3, 20]
    assert tables.runs("payments") == ["a", "c", "b2"]
    tables.publish("payments", "b2", instead_of={"a"})  # as whoever was killed does again
    assert sorted(_values(tables)) == [3, 20]


def test_the_tables_are_listed(tables: TableStore) -> None:
    assert tables.tables() == []
    _put(tables, "a", 1)
    assert tables.tables() == []
    tables.publish("payments", "a")
    tables.prepare("accounts")
    assert tables.tables() == ["accounts", "payments"]


def test_what_a_killed_run_left_is_gone_when_it_is_staged_again(tables: TableStore) -> None:
    left = _put(tables, "a", 1)
    _put(tables, "a.b", 5)  # another run whose name only begins alike
    _put(tables, "a", 2, "part-9.parquet")
    assert not left.exists()
    tables.publish("payments", "a")
    tables.publish("payments", "a.b")
    assert sorted(_values(tables)) == [2, 5]


def test_publishing_twice_keeps_the_run(tables: TableStore) -> None:
    _put(tables, "a", 1)
    tables.publish("payments", "a")
    tables.publish("payments", "a")
    assert _values(tables) == [1]


def test_a_publisher_killed_before_it_tidied_up_is_run_again(
    lake: Lake, tables: TableStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    _put(tables, "a", 1)
    tables.publish("payments", "a")
    _put(tables, "a", 2)

    with monkeypatch.context() as patch:
        patch.setattr(*lake.last_act, _killed)
        with pytest.raises(KeyboardInterrupt):
            tables.publish("payments", "a")
    assert _values(tables) == [2]
    tables.publish("payments", "a")  # and not what it had replaced
    assert _values(tables) == [2]


def test_what_a_killed_publisher_replaced_is_tidied_away_and_nothing_else(
    lake: Lake, tables: TableStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables.tidy("payments")  # which is not there yet
    for value in (1, 2):
        dying = lake.of("killed")
        _put(dying, "a", value)
        with monkeypatch.context() as patch, suppress(KeyboardInterrupt):
            patch.setattr(*lake.last_act, _killed)
            dying.publish("payments", "a")
        del dying
    _put(tables, "b", 3)
    assert lake.kept() > len(_values(tables))
    lake.of("elsewhere").tidy("payments")
    tables.publish("payments", "b")
    assert _values(tables) == [2, 3]
    assert lake.kept() == 2


def test_partition_folders_are_kept(tables: TableStore) -> None:
    _put(tables, "a", 1, "event_date=2019-01-01/part-0.parquet")
    tables.publish("payments", "a")
    assert [path.parent.name for path in tables.files("payments")] == ["event_date=2019-01-01"]


def test_other_files_are_not_data(tables: TableStore) -> None:
    path = _put(tables, "a", 1)
    (path.parent / "part-1.parquet.tmp").write_bytes(b"half")
    tables.publish("payments", "a")
    assert _values(tables) == [1]


def test_a_run_without_files_is_published(tables: TableStore) -> None:
    tables.stage("payments", "a")
    tables.publish("payments", "a")
    assert tables.runs("payments") == ["a"]
    assert tables.files("payments") == []


def test_publishing_what_was_never_staged_is_an_error(tables: TableStore) -> None:
    with pytest.raises(NotFoundError, match=r"'a'.*stage"):
        tables.publish("payments", "a")
    _put(tables, "b", 1)
    with pytest.raises(NotFoundError, match=r"'a'.*stage"):
        tables.publish("payments", "a")


@pytest.mark.parametrize("name", ["", "..", "a/b", ".hidden", "a\n"])
def test_names_that_are_no_folder_names_are_refused(tables: TableStore, name: str) -> None:
    with pytest.raises(UsageError, match="folder name"):
        tables.stage("payments", name)
    with pytest.raises(UsageError, match="folder name"):
        tables.files(name)


@pytest.mark.parametrize("content", [None, b"PAR1"], ids=["missing", "cut"])
def test_a_published_file_that_is_gone_is_named(lake: Lake, tables: TableStore, content: bytes | None) -> None:
    _put(tables, "a", 1)
    tables.publish("payments", "a")
    (path,) = tables.files("payments")
    lake.write(path, content)
    with pytest.raises(StoreUnavailableError, match=r"part-0\.parquet.*publish run 'a'"):
        tables.files("payments")


def test_a_table_is_prepared_for_those_who_carry_it(lake: Lake, tables: TableStore) -> None:
    tables.prepare("payments")
    assert tables.runs("payments") == []
    _put(tables, "a", 1)
    tables.publish("payments", "a")
    tables.prepare("payments")
    assert _values(tables) == _values(lake.of("there")) == [1]


def test_what_one_process_publishes_the_others_see(lake: Lake, tables: TableStore) -> None:
    there = lake.of("there")
    for writer, run, value in ((tables, "a", 1), (there, "b", 2), (there, "a", 3)):
        _put(writer, run, value)
        writer.publish("payments", run)
        assert _values(tables) == _values(there)
    assert sorted(_values(tables)) == [2, 3]


def _publish_runs(tables: TableStore, worker: int) -> None:
    for number in range(3):
        _put(tables, f"w{worker}-{number}", worker * 100 + number)
        tables.publish("payments", f"w{worker}-{number}")


def test_concurrent_publishers_lose_nothing(lake: Lake, tables: TableStore) -> None:
    assert tables.runs("payments") == []  # its connections are open when it goes to two processes
    stores = [tables, tables, lake.of("w2"), lake.of("w3")]
    workers = [FORK.Process(target=_publish_runs, args=(store, worker)) for worker, store in enumerate(stores)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * 4
    assert sorted(_values(tables)) == sorted(w * 100 + n for w in range(4) for n in range(3))


def _stage_and_publish(tables: TableStore, values: range) -> None:
    folder = tables.stage("payments", "a")
    for value in values:
        pq.write_table(pa.table({"value": [value]}), folder / f"part-{value}.parquet")
    tables.publish("payments", "a")


def test_a_run_killed_at_any_moment_is_whole_or_not_there(tables: TableStore) -> None:
    _stage_and_publish(tables, range(3))
    before = list(range(3))
    start = time.monotonic()
    _stage_and_publish(tables, range(3))
    took = time.monotonic() - start
    for trial in range(1, 6):
        new = range(10 * trial, 10 * trial + 3)
        child = FORK.Process(target=_stage_and_publish, args=(tables, new))
        child.start()
        time.sleep(took * trial / 6)
        assert child.pid is not None
        os.kill(child.pid, signal.SIGKILL)
        child.join(60)
        assert sorted(_values(tables)) in (before, list(new))
        _stage_and_publish(tables, new)
        before = list(new)
        assert sorted(_values(tables)) == before
