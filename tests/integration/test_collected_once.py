"""Processes at once: an id is in the lake once, whoever collects it, and nothing is lost."""

import multiprocessing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from two_processes import Meeting, collect_one, payments_file, rows_of

from counterfoil.adapters.aws.tables import S3Tables
from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.ports.lake import TableStore

FORK = multiprocessing.get_context("fork")


def _in_process(path: Path, tables: TableStore, answers: Any) -> None:
    collected = collect_one(path, tables)
    answers.put((path.name, collected.rows_in, collected.rows_out, dict(collected.rejected)))


@pytest.fixture(params=["folder", "s3"])
def open_lake(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], TableStore]:
    """Return how a process of some name opens the lake."""
    if request.param == "folder":
        return lambda _: FolderTables(tmp_path / "lake")
    bucket = request.getfixturevalue("bucket")
    return lambda name: S3Tables(f"s3://{bucket}/lake", glue_database="lake", cache=tmp_path / name)


@pytest.mark.parametrize("moment", ["rejected", "transactions"])
def test_two_collectors_of_files_that_share_ids(
    open_lake: Callable[[str], TableStore], tmp_path: Path, moment: str
) -> None:
    files = [
        payments_file(tmp_path / "a.csv", range(60), "198.51.100.1"),
        payments_file(tmp_path / "b.csv", range(40, 90), "203.0.113.9"),
    ]
    barrier, answers = FORK.Barrier(2), FORK.Queue()
    workers = [
        FORK.Process(target=_in_process, args=(path, Meeting(open_lake(path.stem), moment, barrier), answers))
        for path in files
    ]
    for worker in workers:
        worker.start()
    told = [answers.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0]
    lake = open_lake("reader")
    ids = [row["transaction_id"] for row in rows_of(lake, "transactions")]
    assert sorted(ids) == sorted(f"p{n}" for n in range(90))
    rejected = rows_of(lake, "rejected")
    assert {row["reason"] for row in rejected} == {"duplicate_id"}
    assert len({(row["source"], row["source_line"]) for row in rejected}) == len(rejected) == 20
    assert sorted(rows_in for _, rows_in, _, _ in told) == [50, 60]
    assert sum(rows_out for _, _, rows_out, _ in told) == 90
    assert sum(counts.get("duplicate_id", 0) for _, _, _, counts in told) == 20
    assert len({row["source_ip_id"] for row in rows_of(lake, "addresses")}) == 2


def test_a_file_that_loses_all_its_rows_leaves_no_address(tmp_path: Path) -> None:
    files = [payments_file(tmp_path / f"{name}.csv", range(10), f"198.51.100.{at}") for at, name in enumerate("ab")]
    lake, barrier = FolderTables(tmp_path / "lake"), FORK.Barrier(2)
    answers = FORK.Queue()
    workers = [
        FORK.Process(target=_in_process, args=(path, Meeting(lake, "transactions", barrier), answers)) for path in files
    ]
    for worker in workers:
        worker.start()
    assert sorted(answers.get(timeout=60)[2] for _ in workers) == [0, 10]
    for worker in workers:
        worker.join(60)
    assert len(rows_of(lake, "transactions")) == len(rows_of(lake, "rejected")) == 10
    assert len(rows_of(lake, "addresses")) == 1


def test_rows_that_were_refused_for_a_run_that_goes_are_collected_after_all(tmp_path: Path) -> None:
    """The earlier file is corrected, and has the shared id no more, while the later one is collected."""
    lake = FolderTables(tmp_path / "lake")
    collect_one(payments_file(tmp_path / "a.csv", range(5), "198.51.100.1"), lake)
    [run] = lake.runs("transactions")

    class Overtaken(Meeting):
        def publish(self, table: str, *arguments: Any, **options: Any) -> None:
            if table == "transactions" and not self._met:
                self._met = True
                lake.stage("transactions", run)
                lake.publish("transactions", run)
            lake.publish(table, *arguments, **options)

    later = collect_one(
        payments_file(tmp_path / "b.csv", range(3, 8), "198.51.100.1"), Overtaken(lake, "", FORK.Barrier(1))
    )
    assert (later.rows_out, dict(later.rejected)) == (5, {})
    assert sorted(row["transaction_id"] for row in rows_of(lake, "transactions")) == [f"p{n}" for n in range(3, 8)]
