"""The data sets' own protocols, with shipped mappings and default settings, through the backtest that users run.

Of the two long sets only some months are read, to save time: `tests/benchmarks/quality.py` measures the whole year
of 2019 and more weeks of the Handbook.
"""

import json
import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

from counterfoil.adapters.files.mapping_files import load_mapping
from counterfoil.cli.backtest_run import BacktestRequest, run_backtest
from counterfoil.domain.periods import Period
from counterfoil.steps.features import build_features
from counterfoil.steps.intake.collect import collect
from counterfoil.steps.releases.registration import load_release
from counterfoil.steps.scoring.score import detect
from counterfoil.steps.scoring.scorer import Detector
from counterfoil.workspace.settings import Settings
from counterfoil.workspace.wiring import Workspace

WEEK = timedelta(days=7)
pytestmark = pytest.mark.xdist_group("public_data")


@pytest.fixture(scope="module")
def workspace() -> Iterator[Workspace]:
    """A workspace whose path is short, as a socket's must be."""
    from counterfoil.adapters.postgres import embedded as embedded_postgres

    folder = Path(tempfile.mkdtemp(prefix="cf-", dir="/tmp"))
    yield Workspace(Settings(workspace=folder))
    embedded_postgres.stop(folder / "postgres")
    shutil.rmtree(folder)


def _day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _months(file: Path, column: str, since: str, until: str, folder: Path) -> Path:
    """Copy the rows of a time span, as they stand in the file, into a file of the same format."""
    cut, is_csv = folder / file.name, ".csv" in file.suffixes
    source, options = ("read_csv(?, all_varchar = true)", "format csv, header, compression gzip") if is_csv else (
        "read_parquet(?)", "format parquet"
    )  # fmt: skip
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute(
            f"COPY (SELECT * FROM {source} WHERE {column} >= ? AND {column} < ?) TO '{cut}' ({options})",
            [str(file), since, until],
        )
    return cut


def _figures(
    workspace: Workspace, file: Path, mapping: str, *, delay: timedelta = WEEK, exclude_compromised: bool = False,
    fraction: float | None = None, training: Period = Period(), test: Period = Period(),
) -> dict[str, Any]:  # fmt: skip
    scores, figures = workspace.root / "out" / "scores.parquet", workspace.root / "out" / "figures.json"
    run_backtest(
        workspace,
        BacktestRequest([file], mapping, delay, exclude_compromised, fraction, training, test, scores, figures),
    )
    found: dict[str, Any] = json.loads(figures.read_text())
    written = pq.read_table(scores)
    assert written.num_rows == found["test"]["rows"]
    assert len(set(written.column("transaction_id").to_pylist())) == written.num_rows
    assert all(0 <= signal <= 1 for signal in written.column("anomaly_signal").to_pylist())
    return found


def test_european_cards(workspace: Workspace, shared_data: Path) -> None:
    found = _figures(
        workspace, shared_data / "ulb_creditcard_subset.parquet", "ulb-credit-card", delay=timedelta(0), fraction=0.7
    )
    assert (found["test"]["rows"], found["test"]["frauds"]) == (1932, 108)
    assert found["test"]["metrics"]["average_precision"] >= 0.88


def test_handbook_week(workspace: Workspace, shared_data: Path, tmp_path: Path) -> None:
    whole = shared_data / "handbook_transactions.parquet"
    found = _figures(
        workspace,
        # The longest window of the evidence, 28 days and the labels' delay, before the training begins.
        _months(whole, "TX_DATETIME", "2018-06-20", "2018-08-15", tmp_path),
        "fraud-detection-handbook",
        exclude_compromised=True,
        training=Period(_day("2018-07-25"), _day("2018-08-01")),
        test=Period(_day("2018-08-08"), _day("2018-08-15")),
    )
    # The Handbook's own counts.
    assert (found["training_rows"], found["training_frauds"]) == (67_240, 598)
    assert (found["test"]["rows"], found["test"]["frauds"]) == (58_264, 385)
    assert found["test"]["metrics"]["average_precision"] >= 0.65


def test_card_payments_of_2019_and_a_release_that_scores_another_file(
    workspace: Workspace, shared_data: Path, tmp_path: Path
) -> None:
    name = "amazon-fraud-detector-transactions"
    whole = shared_data / "transactions_2019.csv.gz"
    found = _figures(
        workspace,
        _months(whole, "EVENT_TIMESTAMP", "2019-07-01", "2019-11-01", tmp_path),
        name,
        training=Period(_day("2019-08-01"), _day("2019-09-24")),
        test=Period(_day("2019-10-01")),
    )
    assert found["test"]["frauds"] == 158
    assert found["test"]["metrics"]["average_precision"] >= 0.84

    mapping = load_mapping(name)
    [sample] = collect(
        [shared_data / "aws_transactions_2k.csv"], mapping, key=workspace.pseudonym_key, reader=workspace.reader,
        tables=workspace.tables, ledger=workspace.ledger,
    )  # fmt: skip
    assert (sample.rows_in, sample.rows_out, dict(sample.rejected)) == (1611, 1611, {})
    build_features(workspace.tables, mapping, label_delay=WEEK)
    release = load_release(workspace.registry, found["release_id"])
    run = detect(workspace.tables, Detector.load(release, workspace.references_for_scoring, workspace.embedder))
    scores = pq.read_table(workspace.tables.files("scores", run)[0])
    assert scores.num_rows == 1611
    assert set(scores.column("release_id").to_pylist()) == {found["release_id"]}
    assert all(0 <= signal <= 1 for signal in scores.column("anomaly_signal").to_pylist())
