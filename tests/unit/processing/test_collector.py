"""The collect step in its container: places, neighbours of a bad file, and files that wait for publication."""

import json
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.adapters.postgres.ledger import PostgresLedger
from counterfoil.domain.privacy.pseudonyms import pseudonymise
from counterfoil.processing import detection
from counterfoil.processing.collector import app
from counterfoil.processing.job import main
from counterfoil.simulation import as_csv, simulate
from counterfoil.steps.lake.forgotten import Traces, keep_traces
from counterfoil.steps.lake.publish import complete_files
from counterfoil.workspace.wiring import open_workspace

ARGUMENTS = ["collect", "--mapping", "counterfoil-simulated", "--input-version", "v1"]


@pytest.fixture
def root(tmp_path: Path, dsn: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder that stands for /opt/ml, with one good file in the channel `raw`."""
    monkeypatch.setenv("COUNTERFOIL_ML_ROOT", str(tmp_path / "ml"))
    monkeypatch.setenv("COUNTERFOIL_WORKSPACE", str(tmp_path / "workspace"))
    monkeypatch.setenv("COUNTERFOIL_DATABASE_URL", dsn)
    raw = tmp_path / "ml" / "processing" / "input" / "raw"
    raw.mkdir(parents=True)
    (raw / "payments.csv").write_bytes(
        as_csv(simulate(accounts=20, merchants=20, days=30, start=date(2026, 1, 1), seed=1))
    )
    config = tmp_path / "ml" / "config"
    config.mkdir()
    inputs = [{"InputName": "raw", "S3Input": {"S3Uri": "s3://bank/raw/"}}]
    (config / "processingjobconfig.json").write_text(json.dumps({"ProcessingInputs": inputs}))
    return tmp_path / "ml"


def _read(root: Path, name: str) -> dict[str, object]:
    content: dict[str, object] = json.loads((root / "processing" / "output" / "summary" / name).read_text())
    return content


def _rows(root: Path, table: str) -> int:
    files = (root / "processing" / "output" / table).rglob("*.parquet")
    return sum(pq.read_metadata(path).num_rows for path in files)


def test_a_file_is_known_by_its_place_and_waits_for_publication(root: Path, dsn: str) -> None:
    assert main(app, ARGUMENTS) == 0
    [entry] = PostgresLedger(dsn).entries()
    assert (entry.file.location, entry.state) == ("s3://bank/raw/payments.csv", "unclaimed")
    summary = _read(root, "summary.json")
    assert summary["rows_in"] == summary["rows_out"] == _rows(root, "transactions") > 0
    assert summary["input_version"] == "v1"


@pytest.mark.slow
def test_a_file_that_was_not_published_is_collected_again_and_a_done_one_is_not(root: Path, dsn: str) -> None:
    assert main(app, ARGUMENTS) == main(app, ARGUMENTS) == 0
    assert _read(root, "summary.json")["files_skipped"] == 0
    (root / "processing" / "input" / "summary").mkdir()
    source = root / "processing" / "output" / "summary" / "collected.json"
    (root / "processing" / "input" / "summary" / "collected.json").write_bytes(source.read_bytes())
    collected = detection._collected(detection.Job.here())
    assert complete_files(open_workspace().ledger, collected) == 1
    assert complete_files(PostgresLedger(dsn), collected) == 0
    assert main(app, ARGUMENTS) == 0
    assert _read(root, "summary.json")["files_skipped"] == 1


def test_a_bad_file_does_not_keep_its_neighbour_out(root: Path, dsn: str) -> None:
    (root / "processing" / "input" / "raw" / "broken.csv").write_text("a,b\n1,2\n")
    assert main(app, ARGUMENTS) == 0
    summary = _read(root, "summary.json")
    assert list(summary["files_failed"]) == ["broken.csv"]  # type: ignore[call-overload]
    assert summary["rows_out"] == _rows(root, "transactions") > 0
    assert {entry.state for entry in PostgresLedger(dsn).entries()} == {"unclaimed", "failed"}


def test_a_step_without_any_good_file_fails_and_says_why(root: Path) -> None:
    raw = root / "processing" / "input" / "raw"
    (raw / "payments.csv").write_text("a,b\n1,2\n")
    assert main(app, ARGUMENTS) == 1
    message = (root / "output" / "message").read_text()
    assert "none of the files could be collected" in message
    assert _rows(root, "transactions") == 0


def test_accounts_that_the_lake_has_forgotten_are_refused(root: Path) -> None:
    raw = (root / "processing" / "input" / "raw" / "payments.csv").read_text().splitlines()
    place = raw[0].split(",").index("account")
    account = raw[1].split(",")[place]
    [pseudonym] = pseudonymise(pa.array([account]), "account", open_workspace().pseudonym_key).to_pylist()
    keep_traces(FolderTables(root / "processing" / "input" / "lake"), Traces(str(pseudonym), frozenset()))
    assert main(app, ARGUMENTS) == 0
    theirs = sum(line.split(",")[place] == account for line in raw[1:])
    assert _rows(root, "rejected") == _read(root, "summary.json")["rows_rejected"] == theirs > 0
    files = (root / "processing" / "output" / "transactions").rglob("*.parquet")
    assert pseudonym not in {one for path in files for one in pq.ParquetFile(path).read()["account_id"].to_pylist()}


def test_leftovers_of_notebooks_and_editors_are_no_files(root: Path, dsn: str) -> None:
    raw = root / "processing" / "input" / "raw"
    (raw / ".ipynb_checkpoints").mkdir()
    for name in (".ipynb_checkpoints/payments-checkpoint.csv", "_SUCCESS", "~$payments.csv", "raw_$folder$"):
        (raw / name).write_bytes((raw / "payments.csv").read_bytes())
    assert main(app, ARGUMENTS) == 0
    summary = _read(root, "summary.json")
    assert (summary["files"], summary["files_failed"], summary["rows_rejected"]) == (1, {}, 0)
    assert [entry.file.location for entry in PostgresLedger(dsn).entries()] == ["s3://bank/raw/payments.csv"]
