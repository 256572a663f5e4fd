"""The command `thresholds` as a user meets it: what it shows and writes, and how it refuses."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.cli import main
from counterfoil.domain.policy.thresholds import Thresholds
from counterfoil.domain.schemas import MONEY, TIMESTAMP

Command = Callable[..., tuple[int, str, str]]
NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Return the command in a workspace with a run of four scores on four days; their release reviews from 0.7."""
    tables = FolderTables(tmp_path / "lake")
    payments = pa.table(
        {
            "transaction_id": ["t0", "t1", "t2", "t3"],
            "event_time": pa.array([NOON + timedelta(days=day) for day in range(4)], TIMESTAMP),
            "label": pa.array([1, 0, 1, 0], pa.int8()),
            "label_time": pa.nulls(4, TIMESTAMP),
            "amount": pa.array([Decimal(1000), Decimal(20), Decimal(600), Decimal(5)], MONEY),
            "currency": ["EUR"] * 4,
        }
    )
    scores = payments.select(["transaction_id", "event_time"]).append_column(
        "anomaly_signal", pa.array([0.95, 0.8, 0.7, 0.003])
    )
    scores = scores.append_column("release_id", pa.array(["r1"] * 4))
    for table, run, rows in (("transactions", "bank", payments), ("scores", "r1-march", scores)):
        pq.write_table(rows, tables.stage(table, run) / "part-0.parquet")
        tables.publish(table, run)
    release = SimpleNamespace(thresholds=Thresholds(0.7, None))
    monkeypatch.setattr("counterfoil.steps.insights.thresholds.load_release", lambda *_: release)
    monkeypatch.setattr("counterfoil.workspace.wiring.Workspace.registry", None)
    monkeypatch.setenv("COUNTERFOIL_WORKSPACE", str(tmp_path))

    def run_it(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stop:
            main(("thresholds", *arguments))
        shown = capsys.readouterr()
        assert "Traceback" not in shown.err
        return int(stop.value.code or 0), shown.out, shown.err

    return run_it


def cells(out: str) -> dict[str, list[str]]:
    """The lines of the table by their first cell."""
    lines = [[cell.strip() for cell in line.strip("│").split("│")] for line in out.splitlines() if "│" in line]
    return {name: values for name, *values in lines}


def test_each_budget_and_each_threshold_has_a_line(command: Command) -> None:
    code, out, _ = command("r1-march", "--alerts-per-day", "2", "--alerts-per-day", "1")
    assert code == 0
    assert cells(out) == {
        "1": ["0.003", "1.0", "1", "1.000", "1.000", "0.500", "1.00", "1,570"],
        "2": ["0.003", "1.0", "1", "1.000", "1.000", "0.500", "1.00", "1,570"],
        "review": ["0.7000", "0.8", "1", "1.000", "1.000", "0.667", "0.50", "1,580"],
        "best": ["0.7000", "0.8", "1", "1.000", "1.000", "0.667", "0.50", "1,580"],
    }
    assert "EUR" in out
    assert "the release has no threshold to block" in out
    assert "4 payments, 2 frauds, 4 days; an alert costs 5.00, a false alarm 5.00 more, and 100% of what" in out


def test_costs_change_what_is_saved(command: Command) -> None:
    costs = ("--cost-per-alert", "100", "--cost-per-false-alarm", "50", "--recovered", "0.5")
    code, out, _ = command("r1-march", "--alerts-per-day", "1", *costs)
    assert code == 0
    shown = cells(out)
    assert (shown["1"][-1], shown["review"][-1], shown["best"][-1]) == ("300", "450", "450")
    _, out, _ = command("r1-march", "--cost-per-alert", "5000")
    assert "best" not in cells(out)
    assert "at these costs every threshold loses money" in out


def test_figures_and_plot_are_written_and_named(command: Command, tmp_path: Path) -> None:
    figures, plot = tmp_path / "new" / "figures.json", tmp_path / "new" / "plot.svg"
    code, out, _ = command("r1-march", "--json", str(figures), "--plot", str(plot))
    assert code == 0
    assert f"figures: {figures}" in out
    assert f"plot: {plot}" in out
    written = json.loads(figures.read_text())
    assert (written["run"], written["frauds"], written["currency"]) == ("r1-march", 2, "EUR")
    assert [entry["alert_budget"] for entry in written["by_budget"]] == [10, 25, 50, 100, 250, 500, 1000]
    assert written["best"]["money_saved"] == 1580
    assert plot.read_bytes().lstrip().startswith(b"<?xml")


def test_an_unknown_run_is_exit_code_1_and_names_those_that_are_there(command: Command) -> None:
    code, out, error = command("nope")
    assert (code, out) == (1, "")
    assert "no scores of run 'nope': 'counterfoil score' makes them; there are: r1-march" in error


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--alerts-per-day", "0", "--alerts-per-day"),
        ("--cost-per-alert", "-1", "--cost-per-alert"),
        ("--cost-per-false-alarm", "inf", "cost_per_false_alarm must be 0 or more"),
        ("--recovered", "1.5", "--recovered"),
        ("--recovered", "nan", "--recovered"),
        ("--plot", "picture.png", "--plot writes SVG"),
    ],
)
def test_wrong_values_are_exit_code_2(command: Command, option: str, value: str, message: str) -> None:
    code, out, error = command("r1-march", option, value)
    assert (code, out) == (2, "")
    assert message in error
