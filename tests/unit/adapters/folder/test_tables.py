"""What processes leave in a folder's tables: the files of the living stay, those of the dead go.

Whoever reads a table's folder without its manifest finds the published rows, and nothing else.
"""

import subprocess
import sys
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from counterfoil.adapters.folder.tables import FolderTables

STAGES_AND_DIES = """
import os, sys
from pathlib import Path
from counterfoil.adapters.folder.tables import FolderTables
tables = FolderTables(Path(sys.argv[1]))
(tables.stage("payments", "its-run") / "raw-addresses.parquet").write_bytes(b"half")
os._exit(9)
"""


def write(folder: Path, value: int = 1) -> None:
    pq.write_table(pa.table({"n": [value]}), folder / "part-0.parquet")


def staged(root: Path, run: str) -> list[Path]:
    return sorted(folder for folder in root.rglob(f"{run}.*") if folder.is_dir())


def test_what_a_dead_process_staged_goes_when_another_run_is_staged(tmp_path: Path) -> None:
    died = subprocess.run([sys.executable, "-c", STAGES_AND_DIES, str(tmp_path)], timeout=60)
    assert died.returncode == 9
    assert len(staged(tmp_path, "its-run")) == 1
    tables = FolderTables(tmp_path)
    write(tables.stage("payments", "other-run"))
    tables.publish("payments", "other-run")
    assert staged(tmp_path, "its-run") == []
    assert tables.runs("payments") == ["other-run"]


def test_what_a_living_one_staged_stays_and_can_be_published(tmp_path: Path) -> None:
    slow, quick = FolderTables(tmp_path), FolderTables(tmp_path)
    folder = slow.stage("payments", "slow")
    write(folder)
    write(quick.stage("payments", "quick"))
    quick.publish("payments", "quick")
    assert staged(tmp_path, "slow") == [folder]
    slow.publish("payments", "slow")
    assert quick.runs("payments") == ["quick", "slow"]


def test_a_store_that_nobody_knows_any_more_holds_nothing(tmp_path: Path) -> None:
    FolderTables(tmp_path).stage("payments", "left")
    FolderTables(tmp_path).stage("payments", "next")
    assert staged(tmp_path, "left") == []


def _by_duckdb(folder: Path) -> list[int]:
    return [n for (n,) in duckdb.sql(f"SELECT n FROM read_parquet('{folder}/**/*.parquet')").fetchall()]


READERS = {
    "pyarrow.dataset": lambda folder: ds.dataset(folder).to_table()["n"].to_pylist(),
    "pyarrow.parquet": lambda folder: pq.read_table(folder)["n"].to_pylist(),
    "pandas": lambda folder: pd.read_parquet(folder)["n"].tolist(),
    "duckdb": _by_duckdb,
}


@pytest.mark.parametrize("reader", READERS)
def test_other_readers_of_the_folder_see_what_is_published(reader: str, tmp_path: Path) -> None:
    tables = FolderTables(tmp_path)
    for run, value in (("a", 1), ("b", 2), ("a", 3)):  # a is published again
        write(tables.stage("payments", run), value)
        tables.publish("payments", run)
    write(tables.stage("payments", "half"), 4)
    write(tables.stage("payments", "b"), 5)
    assert sorted(READERS[reader](tmp_path / "payments")) == [2, 3]
    found = [path for path in (tmp_path / "payments" / "runs").rglob("*") if path.is_file()]
    assert len(found) == 2
    assert {path.suffix for path in found} == {".parquet"}


def test_a_table_of_an_earlier_version_is_read_and_gets_the_new_name(tmp_path: Path) -> None:
    home, tables = tmp_path / "payments", FolderTables(tmp_path)
    write(tables.stage("payments", "a"))
    tables.publish("payments", "a")
    (home / ".manifest.json").rename(home / "manifest.json")
    tables.prepare("payments")  # an empty manifest would hide the old one
    assert tables.tables() == ["payments"]
    assert tables.runs("payments") == ["a"]
    write(tables.stage("payments", "b"), 2)
    tables.publish("payments", "b")
    assert tables.runs("payments") == ["a", "b"]
    assert sorted(ds.dataset(home).to_table()["n"].to_pylist()) == [1, 2]
    assert not (home / "manifest.json").exists()
