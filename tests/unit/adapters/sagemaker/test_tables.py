"""Tables of a processing job: the lake's runs, those carried in, and those that the job writes."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.adapters.sagemaker.tables import ProcessingTables
from counterfoil.errors import NotFoundError


def _write(folder: Path, value: int, name: str = "part-0.parquet") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"x": [value]}), folder / name)


def _values(paths: list[Path]) -> list[int]:
    return sorted(value for path in paths for value in pq.read_table(path)["x"].to_pylist())


@pytest.fixture
def tables(tmp_path: Path) -> ProcessingTables:
    """Return tables with the runs a and b in the lake, a new b and a c carried in."""
    lake = FolderTables(tmp_path / "input" / "lake")
    for run, value in (("a", 1), ("b", 2)):
        _write(lake.stage("payments", run), value)
        lake.publish("payments", run)
    _write(tmp_path / "input" / "payments" / "b" / "event_date=2026-01-01", 20)
    _write(tmp_path / "input" / "payments" / "c", 3)
    (tmp_path / "input" / "payments" / "_done.json").write_text("{}")
    return ProcessingTables(tmp_path / "input", tmp_path / "output")


def test_a_carried_run_takes_the_place_of_the_lakes(tables: ProcessingTables) -> None:
    assert tables.runs("payments") == ["a", "b", "c"]
    assert tables.carried_runs("payments") == ["b", "c"]
    assert _values(tables.files("payments")) == [1, 3, 20]
    assert _values(tables.files("payments", "b")) == [20]
    assert _values(tables.files("payments", "a")) == [1]


def test_what_the_job_publishes_is_in_its_output_and_in_the_table(tables: ProcessingTables, tmp_path: Path) -> None:
    staged = tables.stage("payments", "d")
    _write(staged, 4)
    assert _values(tables.files("payments")) == [1, 3, 20]
    assert not (tmp_path / "output" / "payments").exists()
    tables.publish("payments", "d")
    assert _values(tables.files("payments", "d")) == [4]
    assert [path.name for path in (tmp_path / "output" / "payments").iterdir()] == ["d"]


def test_a_run_that_is_staged_and_not_published_is_not_carried_away(tables: ProcessingTables, tmp_path: Path) -> None:
    _write(tables.stage("payments", "d"), 4)
    assert list((tmp_path / "output").rglob("*.parquet")) == []
    with pytest.raises(NotFoundError, match="'e'"):
        tables.publish("payments", "e")


def test_staging_again_starts_empty(tables: ProcessingTables) -> None:
    _write(tables.stage("payments", "d"), 4, "left.parquet")
    _write(tables.stage("payments", "d"), 5)
    tables.publish("payments", "d")
    assert _values(tables.files("payments", "d")) == [5]


def test_a_table_without_channel_is_empty(tables: ProcessingTables) -> None:
    assert tables.files("scores") == []
    assert tables.runs("scores") == tables.carried_runs("scores") == []
