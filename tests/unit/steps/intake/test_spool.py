"""Rows that were spooled in any order are written by date, in order, each once."""

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from counterfoil.domain.schemas import ADDRESSES
from counterfoil.steps.intake import spool as step
from counterfoil.steps.intake.spool import Spool
from counterfoil.steps.lake.engine import one_row

SCHEMA = pa.schema(
    [
        ("transaction_id", pa.string()),
        ("event_time", pa.timestamp("us", "UTC")),
        ("source", pa.string()),
        ("source_line", pa.int64()),
        ("source_ip_id", pa.string()),
    ]
)
BEGIN = datetime(2024, 2, 28, 22, tzinfo=UTC)


def rows(minutes: list[int]) -> pa.Table:
    """A row a minute after BEGIN, each with an id of its own."""
    ids = [f"T{number:05}" for number in range(len(minutes))]
    times = [BEGIN + timedelta(minutes=minute) for minute in minutes]
    lines = range(2, len(minutes) + 2)
    return pa.table([ids, times, ["f.csv"] * len(ids), list(lines), [None] * len(ids)], schema=SCHEMA)


def written(folder: Path, table: pa.Table) -> pa.Table:
    """What the spool makes of a table: the files of the dates one after another."""
    with Spool(folder / "spool", SCHEMA) as spool:
        spool.add(table.slice(0, 100), ADDRESSES.empty_table())
        spool.add(table.slice(100), ADDRESSES.empty_table())
        spool.find_duplicates([])
        spool.write_by_date(folder / "out")
    files = sorted((folder / "out").rglob("*.parquet"))
    return pa.concat_tables([pq.ParquetFile(path).read() for path in files] or [SCHEMA.empty_table()])


@pytest.mark.parametrize("at_once", [1, 70, 1_000])
def test_all_rows_come_in_the_order_of_time_however_few_are_sorted_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(step, "SORTED_AT_ONCE", at_once)
    minutes = np.random.default_rng(0).integers(0, 5 * 60, 400).tolist()
    table = rows([*minutes, 60, 119, 120, 7 * 24 * 60])  # on an hour, before one, on the next day, much later
    found = written(tmp_path, table)
    assert found.equals(table.sort_by([("event_time", "ascending"), ("transaction_id", "ascending")]))


def test_hours_are_sorted_together_as_long_as_they_are_few_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step, "SORTED_AT_ONCE", 3)
    with Spool(tmp_path / "spool", SCHEMA) as spool:
        spool.add(rows([0, 1, 60, 120, 180, 181, 182, 183, 600]), ADDRESSES.empty_table())
        spool.find_duplicates([])
        hours = [[(moment - BEGIN) / timedelta(hours=1) for moment in span] for span in spool._spans()]
    assert hours == [[0, 2], [2, 3], [3, 10], [10, 11]]


def test_times_before_1970_are_written_too(tmp_path: Path) -> None:
    table = rows([minute - 60 * 24 * 20_000 for minute in (0, 59, 61, 90_000)])
    assert written(tmp_path, table).equals(table)


def test_a_failure_on_the_way_out_is_told_and_no_thread_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(step._DatedWriter, "write", full)
    before = set(threading.enumerate())
    with pytest.raises(OSError, match="no space left"):
        written(tmp_path, rows(list(range(500))))
    assert not [thread for thread in set(threading.enumerate()) - before if "ThreadPool" in thread.name]


def test_a_file_without_rows_writes_none(tmp_path: Path) -> None:
    assert written(tmp_path, rows([])).num_rows == 0


def test_a_spool_leaves_room_in_a_gigabyte(tmp_path: Path) -> None:
    with Spool(tmp_path / "spool", SCHEMA) as spool:
        limits = one_row(spool._database, "SELECT current_setting('memory_limit'), current_setting('threads')")
    assert limits == ("286.1 MiB", 2)
