"""What processes leave in a folder's tables: the files of the living stay, those of the dead go."""

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from counterfoil.adapters.folder.tables import FolderTables

STAGES_AND_DIES = """
import os, sys
from pathlib import Path
from counterfoil.adapters.folder.tables import FolderTables
tables = FolderTables(Path(sys.argv[1]))
(tables.stage("payments", "its-run") / "raw-addresses.parquet").write_bytes(b"half")
os._exit(9)
"""


def write(folder: Path) -> None:
    pq.write_table(pa.table({"n": [1]}), folder / "part-0.parquet")


def staged(root: Path, run: str) -> list[Path]:
    return sorted((root / "payments" / "runs").glob(f"{run}.*"))


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
