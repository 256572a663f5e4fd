"""What every TableStore must do."""

import multiprocessing
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from counterfoil.adapters import table_folder
from counterfoil.adapters.table_folder import FolderTables
from counterfoil.errors import NotFoundError, StoreUnavailableError, UsageError
from counterfoil.ports import TableStore


@pytest.fixture(params=["folder"])
def tables(tmp_path: Path) -> TableStore:
    return FolderTables(tmp_path / "lake")


def _put(tables: TableStore, run: str, value: int, name: str = "part-0.parquet") -> Path:
    path = tables.stage("payments", run) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"value": [value]}), path)
    return path


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
    tables: TableStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    _put(tables, "a", 1)
    tables.publish("payments", "a")
    _put(tables, "a", 2)

    def killed(_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(table_folder, "_remove", killed)
        with pytest.raises(KeyboardInterrupt):
            tables.publish("payments", "a")
    assert _values(tables) == [2]
    tables.publish("payments", "a")  # and not what it had replaced
    assert _values(tables) == [2]


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


@pytest.mark.parametrize("damage", ["missing", "cut"])
def test_a_published_file_that_is_gone_is_named(tables: TableStore, damage: str) -> None:
    _put(tables, "a", 1)
    tables.publish("payments", "a")
    (path,) = tables.files("payments")
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(b"PAR1")
    with pytest.raises(StoreUnavailableError, match=r"part-0\.parquet.*publish run 'a'"):
        tables.files("payments")


def _publish_runs(tables: TableStore, worker: int) -> None:
    for number in range(5):
        _put(tables, f"w{worker}-{number}", worker * 100 + number)
        tables.publish("payments", f"w{worker}-{number}")


def test_concurrent_publishers_lose_nothing(tables: TableStore) -> None:
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_publish_runs, args=(tables, worker)) for worker in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * 4
    assert sorted(_values(tables)) == sorted(w * 100 + n for w in range(4) for n in range(5))
