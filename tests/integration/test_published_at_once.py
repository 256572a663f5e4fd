"""Two processes at once publish what replaces a table: none replaces what it never saw."""

import json
import multiprocessing
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from two_processes import MAPPING, TEXT, Meeting, collect_one, payments_file, rows_of

from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.adapters.memory.ledger import MemoryLedger
from counterfoil.domain.features.spec import DEFAULT_SPECS
from counterfoil.domain.periods import LABEL_DELAY
from counterfoil.errors import InputFileError
from counterfoil.ports.lake import TableStore
from counterfoil.processing import detection
from counterfoil.processing.collector import AS_OF, COLLECTED
from counterfoil.processing.job import Job
from counterfoil.steps.features import build_features
from counterfoil.steps.intake.curate import curate
from counterfoil.steps.options import PublishOptions

FORK = multiprocessing.get_context("fork")


def _both(work: Callable[[str, Barrier], None]) -> None:
    """Run `work` in two processes, 'a' and 'b'."""
    barrier = FORK.Barrier(2)
    workers = [FORK.Process(target=work, args=(name, barrier)) for name in "ab"]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert [worker.exitcode for worker in workers] == [0, 0]


@pytest.mark.parametrize("table", ["source_ips", "source_ip_days"])
def test_curated_tables_have_what_both_have_collected(tmp_path: Path, table: str) -> None:
    lake = FolderTables(tmp_path / "lake")

    def work(name: str, barrier: Barrier) -> None:
        start = 0 if name == "a" else 100
        if name == "b":  # reads the lake after the other has, and publishes first
            barrier.wait(60)
        collect_one(payments_file(tmp_path / f"{name}.csv", range(start, start + 20), "198.51.100.1"), lake)
        if name == "a":
            curate(Late(lake, table, barrier))
        else:
            curate(lake)
            barrier.wait(60)

    class Late(Meeting):
        """Lets the other collect and curate before the first publication of `table`."""

        def publish(self, table: str, run: str, **options: Any) -> None:
            if table == self._table and not self._met:
                self._met = True
                self._barrier.wait(60)
                self._barrier.wait(60)
            self._tables.publish(table, run, **options)

    _both(work)
    assert sum(row["payments"] for row in rows_of(lake, "source_ips")) == 40
    assert sum(row["payments"] for row in rows_of(lake, "source_ip_days")) == 40


def test_evidence_has_what_both_have_collected(tmp_path: Path) -> None:
    lake = FolderTables(tmp_path / "lake")

    def build(tables: TableStore) -> None:
        build_features(tables, MAPPING, label_delay=LABEL_DELAY, specs=DEFAULT_SPECS[:2])

    class Late(Meeting):
        def publish(self, table: str, run: str, **options: Any) -> None:
            if not self._met:
                self._met = True
                self._barrier.wait(60)
                self._barrier.wait(60)
            self._tables.publish(table, run, **options)

    def work(name: str, barrier: Barrier) -> None:
        if name == "b":
            barrier.wait(60)
            collect_one(payments_file(tmp_path / "b.csv", range(100, 120), "198.51.100.1"), lake)
            build(lake)
            barrier.wait(60)
        else:
            build(Late(lake, "evidence", barrier))

    collect_one(payments_file(tmp_path / "a.csv", range(20), "198.51.100.1"), lake)
    _both(work)
    assert len(rows_of(lake, "evidence")) == 40


class Place:
    """A workspace as the step publish asks it for its stores."""

    def __init__(self, tables: TableStore) -> None:
        self.tables, self.ledger, self.networks = tables, MemoryLedger(), None


def _execution(root: Path, ids: range, address: str) -> Job:
    """A job of the step publish: what collect, curate and detect wrote while the lake was empty."""
    aside = FolderTables(root / "aside")
    collect_one(payments_file(root / f"{root.name}.csv", ids, address), aside)
    curate(aside)
    inputs = root / "ml" / "processing" / "input"
    for table in ("transactions", "rejected", "addresses", "source_ips", "source_ip_days"):
        for run in aside.runs(table):
            for path in aside.files(table, run):
                below = path.relative_to(next(p for p in path.parents if p.parent.name == "runs"))
                (inputs / table / run / below).parent.mkdir(parents=True, exist_ok=True)
                (inputs / table / run / below).write_bytes(path.read_bytes())
    (inputs / "summary").mkdir()
    (inputs / "summary" / AS_OF).write_text(json.dumps({"transactions": {}}))
    (inputs / "summary" / COLLECTED).write_text("[]")
    (inputs / "source_ips" / AS_OF).write_text(json.dumps({"transactions": {}, "label_delay_days": 7}))
    for table in ("scores", "scored_evidence"):
        rows = pa.table({"transaction_id": [f"p{n}" for n in ids]})
        (inputs / table / f"run-{root.name}").mkdir(parents=True)
        pq.write_table(rows, inputs / table / f"run-{root.name}" / "part-00000.parquet")
    return Job(root / "ml", Place(FolderTables(root.parent / "lake")))  # type: ignore[arg-type]


@pytest.mark.parametrize("moment", ["rejected", "source_ips", "transactions"])
def test_two_executions_that_share_ids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    """Both have read an empty lake; ids 40 to 59 are in both."""
    spans = {"a": (range(60), "198.51.100.1"), "b": (range(40, 90), "203.0.113.9")}
    lake = FolderTables(tmp_path / "lake")

    def work(name: str, barrier: Barrier) -> None:
        (tmp_path / name).mkdir()
        job = _execution(tmp_path / name, *spans[name])
        job.workspace.tables = Meeting(lake, moment, barrier)  # type: ignore[misc]
        monkeypatch.setattr(Job, "here", classmethod(lambda _: job))
        detection.publish()

    _both(work)
    everything = sorted(f"p{n}" for n in range(90))
    for table in ("transactions", "scores", "scored_evidence"):
        assert sorted(row["transaction_id"] for row in rows_of(lake, table)) == everything, table
    assert [row["reason"] for row in rows_of(lake, "rejected")] == ["duplicate_id"] * 20
    assert sum(row["payments"] for row in rows_of(lake, "source_ips")) == 90
    assert sum(row["payments"] for row in rows_of(lake, "source_ip_days")) == 90
    assert {row["address"] for row in rows_of(lake, "addresses")} == {"198.51.100.1", "203.0.113.9"}


def test_an_execution_that_loses_nothing_publishes_what_it_brought(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").mkdir()
    job = _execution(tmp_path / "a", range(10), "198.51.100.1")
    monkeypatch.setattr(Job, "here", classmethod(lambda _: job))
    monkeypatch.setattr("counterfoil.processing.brought.curate", None)  # is not asked
    for _ in range(2):  # it can be done again
        detection.publish()
        lake = FolderTables(tmp_path / "lake")
        assert [len(rows_of(lake, table)) for table in ("transactions", "scores", "rejected")] == [10, 10, 0]
        assert sum(row["payments"] for row in rows_of(lake, "source_ips")) == 10
    written = json.loads((job.outputs / "published" / "published.json").read_text())
    assert written["rows"]["transactions"] == 10


@pytest.mark.parametrize("allowed", ["true", "false"])
def test_failed_files_fail_the_step_when_the_others_are_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, allowed: str
) -> None:
    (tmp_path / "a").mkdir()
    job = _execution(tmp_path / "a", range(10), "198.51.100.1")
    (job.inputs / "summary" / "summary.json").write_text(json.dumps({"files_failed": {"x.csv": "no column 'id'"}}))
    monkeypatch.setattr(Job, "here", classmethod(lambda _: job))
    told = nullcontext() if allowed == "true" else pytest.raises(InputFileError, match=r"x\.csv: no column")
    with told:
        detection.publish(PublishOptions(allow_failed_files=allowed == "true"))
    assert len(rows_of(FolderTables(tmp_path / "lake"), "transactions")) == 10
    written = json.loads((job.outputs / "published" / "published.json").read_text())
    assert written["failed_files"] == {"x.csv": "no column 'id'"}


def test_two_commands_that_build_evidence_at_once_both_succeed(tmp_path: Path) -> None:
    """One died with 'make room on the disk' when the other removed what it had staged."""
    lake, mapping = FolderTables(tmp_path / "lake"), tmp_path / "shop.toml"
    mapping.write_text(TEXT)
    collect_one(payments_file(tmp_path / "a.csv", range(3000), "198.51.100.1"), lake)
    command = [
        sys.executable,
        "-c",
        "from counterfoil.cli import main; main()",
        "features",
        "-m",
        str(mapping),
        "-w",
        str(tmp_path),
    ]
    for _ in range(2):  # in the place of nothing, then of what is there
        both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in "ab"]
        for one in both:
            _, error = one.communicate(timeout=120)
            assert one.returncode == 0, error
        assert len(rows_of(lake, "evidence")) == 3000
        assert len(list((tmp_path / "lake" / "evidence" / "runs").iterdir())) == 1
