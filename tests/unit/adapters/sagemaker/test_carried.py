"""A published table that is carried to a job in part: the files that an earlier job has chosen, and single rows."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.adapters.sagemaker.tables import ProcessingTables
from counterfoil.errors import StoreUnavailableError
from pipelines.local.objects import Objects, copy_in

PLACE = "s3://counterfoil-local/lake/payments"


def _write(folder: Path, value: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"x": [value]}), folder / "part-0.parquet")


def _values(paths: list[Path]) -> list[int]:
    return sorted(value for path in paths for value in pq.read_table(path)["x"].to_pylist())


def _publish(lake: FolderTables, run: str, *values: int) -> None:
    staged = lake.stage("payments", run)
    for value in values:
        _write(staged / f"event_date=2026-01-0{value % 10}", value)
    lake.publish("payments", run)


@pytest.fixture
def lake(tmp_path: Path) -> FolderTables:
    """Return a lake with the runs a, of two days, and b."""
    lake = FolderTables(tmp_path / "lake")
    _publish(lake, "a", 1, 2)
    _publish(lake, "b", 13)
    return lake


def _whole(root: Path) -> ProcessingTables:
    inputs = root / "collect" / "input"
    copy_in(Objects(root).listing(PLACE), inputs / "lake" / "payments")
    return ProcessingTables(inputs, root / "collect" / "output")


def _chosen(root: Path) -> ProcessingTables:
    """What is carried of the choice that was written to `history`."""
    inputs = root / "features" / "input"
    copy_in(Objects(root).listing(str(root / "history" / "payments")), inputs / "history" / "payments")
    keys = Objects(root).listing(str(root / "history" / "payments" / "keys.json"), "ManifestFile")
    copy_in(keys, inputs / "lake" / "payments")
    return ProcessingTables(inputs, root / "features" / "output")


def _choose(root: Path, tables: ProcessingTables, values: set[int]) -> None:
    chosen = [path for path in tables.lake_files("payments") if _values([path])[0] in values]
    tables.write_choice("payments", chosen, root / "history" / "payments", f"{PLACE}/")


def test_a_job_has_the_chosen_files_and_knows_of_all_runs(tmp_path: Path, lake: FolderTables) -> None:
    _choose(tmp_path, _whole(tmp_path), {2, 13})
    tables = _chosen(tmp_path)
    assert _values(tables.files("payments")) == [2, 13]
    assert (_values(tables.files("payments", "a")), _values(tables.files("payments", "b"))) == ([2], [13])
    assert tables.runs("payments") == ["a", "b"]
    assert tables.version("payments") == tables.lake_version("payments") == lake.version("payments")
    assert tables.tables() == ["payments"]


def test_single_rows_are_part_of_the_table_and_of_no_run(tmp_path: Path, lake: FolderTables) -> None:  # noqa: ARG001
    _choose(tmp_path, _whole(tmp_path), {2})
    pq.write_table(pa.table({"x": [1]}), tmp_path / "history" / "payments" / "beside.parquet")
    tables = _chosen(tmp_path)
    assert _values(tables.files("payments")) == [1, 2]
    assert [_values(tables.files("payments", run)) for run in tables.runs("payments")] == [[2], []]


def test_where_nothing_is_chosen_the_list_of_keys_is_not_empty(tmp_path: Path, lake: FolderTables) -> None:
    _choose(tmp_path, _whole(tmp_path), set())
    keys = json.loads((tmp_path / "history" / "payments" / "keys.json").read_text())
    assert keys == [{"prefix": f"{PLACE}/"}, ".manifest.json"]
    tables = _chosen(tmp_path)
    assert (tables.files("payments"), tables.runs("payments")) == ([], lake.runs("payments"))


def test_the_manifest_of_an_earlier_version_is_named_as_it_is_called(tmp_path: Path, lake: FolderTables) -> None:  # noqa: ARG001
    home = tmp_path / "lake" / "payments"
    (home / ".manifest.json").rename(home / "manifest.json")
    _choose(tmp_path, _whole(tmp_path), {2})
    assert json.loads((tmp_path / "history" / "payments" / "keys.json").read_text())[1] == "manifest.json"
    assert _values(_chosen(tmp_path).files("payments")) == [2]


def test_a_job_sees_the_version_that_was_chosen_from(tmp_path: Path, lake: FolderTables) -> None:
    _choose(tmp_path, _whole(tmp_path), {2})
    before = lake.version("payments")
    _publish(lake, "c", 4)
    tables = _chosen(tmp_path)
    assert tables.lake_version("payments") == before != lake.version("payments")
    assert _values(tables.files("payments")) == [2]


def test_a_run_of_the_same_execution_is_not_chosen_from(tmp_path: Path, lake: FolderTables) -> None:  # noqa: ARG001
    tables = _whole(tmp_path)
    _write(tables.stage("payments", "a"), 11)
    tables.publish("payments", "a")
    assert tables.written_runs("payments") == ["a"]
    assert _values(tables.lake_files("payments")) == [13]


def test_a_chosen_file_that_did_not_come_is_named(tmp_path: Path, lake: FolderTables) -> None:  # noqa: ARG001
    _choose(tmp_path, _whole(tmp_path), {2, 13})
    tables = _chosen(tmp_path)
    [path] = tables.files("payments", "b")
    path.unlink()
    assert _values(tables.files("payments", "a")) == [2]
    with pytest.raises(StoreUnavailableError, match=r"event_date=2026-01-03.*is missing"):
        tables.files("payments")
