"""Publishing copies a run into the lake, and can be done again."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.adapters.memory.ledger import MemoryLedger
from counterfoil.errors import UsageError
from counterfoil.ports.lake import LedgerEntry, SourceFile
from counterfoil.steps.lake.forgotten import Traces, keep_traces
from counterfoil.steps.lake.publish import Published, complete_files, publish_table


def _run(folder: Path, rows: int) -> Path:
    for day in range(rows):
        part = folder / f"event_date=2026-01-0{day + 1}"
        part.mkdir(parents=True)
        pq.write_table(pa.table({"x": [day]}), part / "part-0.parquet")
    return folder


def test_a_published_run_keeps_its_folders_and_rows(tmp_path: Path) -> None:
    lake = FolderTables(tmp_path / "lake")
    folder = _run(tmp_path / "run", 3)
    assert publish_table(lake, "transactions", "r", folder) == Published("transactions", "r", 3, 3)
    assert publish_table(lake, "transactions", "r", folder) == Published("transactions", "r", 3, 3)
    assert lake.runs("transactions") == ["r"]
    assert [path.parent.name for path in lake.files("transactions")] == [
        f"event_date=2026-01-0{day}" for day in (1, 2, 3)
    ]


def test_an_empty_run_is_published_as_such(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    lake = FolderTables(tmp_path / "lake")
    assert publish_table(lake, "rejected", "r", tmp_path / "run").rows == 0
    assert lake.runs("rejected") == ["r"]


def test_files_are_completed_once() -> None:
    ledger = MemoryLedger()
    entry = LedgerEntry(SourceFile("s3://bank/a.csv", "0" * 64), "bank", "unclaimed", 5, 4, 1)
    assert [complete_files(ledger, [entry]), complete_files(ledger, [entry])] == [1, 0]
    [done] = ledger.entries()
    assert (done.state, done.rows_in, done.rows_out, done.rows_rejected) == ("done", 5, 4, 1)


def test_transactions_of_another_key_are_not_published(tmp_path: Path) -> None:
    lake = FolderTables(tmp_path / "lake")

    def run(name: str, key: str | None) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        marks = None if key is None else {"counterfoil.key": key}
        pq.write_table(pa.table({"x": [1]}).replace_schema_metadata(marks), folder / "part-0.parquet")
        return folder

    for name, key in (("a", "one"), ("b", "one"), ("of-an-older-version", None)):
        publish_table(lake, "transactions", name, run(name, key))
    with pytest.raises(UsageError, match="'c' have pseudonyms of key two, those of the lake are of one"):
        publish_table(lake, "transactions", "c", run("c", "two"))
    assert lake.runs("transactions") == ["a", "b", "of-an-older-version"]


def test_rows_of_a_forgotten_account_do_not_come_back(tmp_path: Path) -> None:
    lake = FolderTables(tmp_path / "lake")
    folder = tmp_path / "run"
    folder.mkdir()
    pq.write_table(pa.table({"account_id": ["a", None, "b"]}), folder / "part-0.parquet")
    keep_traces(lake, Traces("c", frozenset()))
    assert publish_table(lake, "scores", "r", folder).rows == 3
    keep_traces(lake, Traces("b", frozenset()))
    for table in ("scores", "transactions"):
        with pytest.raises(UsageError, match=f"'r2' of table '{table}' names an account that was forgotten"):
            publish_table(lake, table, "r2", folder)
    assert lake.runs("scores") == ["r"]


def test_rows_that_name_a_forgotten_account_as_the_one_paid_do_not_either(tmp_path: Path) -> None:
    lake, folder = FolderTables(tmp_path / "lake"), tmp_path / "run"
    folder.mkdir()
    pq.write_table(pa.table({"account_id": ["a"], "merchant_id": ["b"]}), folder / "part-0.parquet")
    keep_traces(lake, Traces("b", frozenset()))
    with pytest.raises(UsageError, match="names an account that was forgotten"):
        publish_table(lake, "evidence", "r", folder)
    assert lake.runs("evidence") == []
