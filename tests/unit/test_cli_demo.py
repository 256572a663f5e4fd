"""The demo on a file of one's own: its days are cut so that each part has payments, or it says what is too short."""

import math
import shlex
import sys
import time
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil.cli import demo_run, main
from counterfoil.cli.demo_run import Plan, cut_days
from counterfoil.errors import InputFileError, PipelineError
from counterfoil.workspace.settings import Settings
from counterfoil.workspace.wiring import Workspace
from pipelines.local.events import Event, OnEvent

FIRST = date(2026, 3, 1)
MAPPING = """
[fields]
transaction_id = "id"
event_time = "at"
amount = "sum"
label = "fraud"
[labels]
fraud = ["1"]
good = ["0"]
"""
BY_DAY = st.dictionaries(st.integers(0, 60).map(lambda n: FIRST + timedelta(days=n)), st.integers(1, 50), max_size=30)


@given(payments=BY_DAY, delay=st.floats(0, 20).map(lambda days: timedelta(days=days)))
def test_each_part_has_payments_or_it_is_told_how_many_days_are_needed(
    payments: dict[date, int], delay: timedelta
) -> None:
    late_enough = [day for day in sorted(payments)[1:-1] if day - min(payments) - timedelta(days=1) >= delay]
    if not late_enough:
        with pytest.raises(InputFileError, match=f"needs payments of {math.ceil(delay / timedelta(days=1)) + 3} days"):
            cut_days(payments, delay)
        return
    judged_from, scored_from = cut_days(payments, delay)
    trained = [day for day in payments if day <= judged_from - delay - timedelta(days=1)]
    judged = [day for day in payments if judged_from <= day < scored_from]
    scored = [day for day in payments if day >= scored_from]
    assert trained
    assert judged
    assert scored


def test_the_shares_are_about_those_of_the_demo() -> None:
    days = {FIRST + timedelta(days=n): 10 for n in range(100)}
    assert cut_days(days, timedelta(days=7)) == (FIRST + timedelta(days=65), FIRST + timedelta(days=85))


def test_a_gate_that_refuses_the_candidate_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    plan = Plan("my shop.toml", "raw", "raw", FIRST, FIRST, None, timedelta(days=7))

    def refused(*_: object, **__: object) -> None:
        raise PipelineError("step 'fail' failed: candidate r1 failed: AUC 0.5, at least 0.8: not held")

    monkeypatch.setattr(demo_run, "run_here", refused)
    with pytest.raises(PipelineError) as told:
        demo_run.train(plan, Workspace(Settings(workspace=tmp_path / "a place")), lambda: None)
    first, second, run, promotion = str(told.value).splitlines()
    assert first.endswith("not held")
    assert second.startswith("nothing was scored")
    assert shlex.split(run)[:4] == ["counterfoil", "pipeline", "run", "training"]
    assert {"Mapping=my shop.toml", "MinAuc=0.5", str(tmp_path / "a place")} <= {*shlex.split(run)}
    assert shlex.split(promotion)[:4] == ["counterfoil", "release", "promote", "challenger"]


def test_what_follows_is_imported_once_training_waits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    told: list[str] = []

    def ran(*_: object, on_event: OnEvent) -> None:
        for step in ("collect", "train", "evaluate"):
            told.append(step)
            on_event(Event("started", step))

    monkeypatch.setattr(demo_run, "run_here", ran)
    plan = Plan("shop.toml", "raw", "raw", FIRST, FIRST, None, timedelta(days=7))
    demo_run.train(plan, Workspace(Settings(workspace=tmp_path)), lambda: told.append("meanwhile"))
    assert told == ["collect", "train", "meanwhile", "evaluate"]


@pytest.mark.parametrize("days", [1, 4, 9])
def test_a_file_of_few_days_is_told_in_one_line_before_any_pipeline(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, dsn: str, monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    monkeypatch.setenv("COUNTERFOIL_DATABASE_URL", dsn)
    mapping, file = tmp_path / "shop.toml", tmp_path / "own.csv"
    mapping.write_text(MAPPING)
    rows = [f"few{days}-{n},2026-03-{1 + n % days:02d}T10:00:00Z,5,{n % 2}" for n in range(20)]
    file.write_text("\n".join(["id,at,sum,fraud", *rows]))
    place = tmp_path / "place"
    with pytest.raises(SystemExit) as stop:
        main(["demo", "--data", str(file), "-m", str(mapping), "-w", str(place)])
    error = capsys.readouterr().err
    assert stop.value.code == 1
    assert error.count("\n") == 1
    assert "needs payments of 10 days" in error
    assert f"there are {days} days with payments, from 2026-03-01 to 2026-03-{days:02d}" in error
    assert not (place / "executions").exists()


@pytest.mark.parametrize(("many", "begun"), [(1, 0), (2, 1)])
def test_loops_are_compiled_beside_the_pipeline_where_a_core_is_idle(
    many: int, begun: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    started: list[list[str]] = []

    def sleeps(arguments: list[str]) -> list[str]:
        started.append(arguments)
        return [sys.executable, "-c", "import pathlib, time; pathlib.Path('begun').touch(); time.sleep(60)"]

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(demo_run, "cores", lambda: many)
    monkeypatch.setattr(demo_run, "tied", sleeps)
    before = time.monotonic()
    with demo_run.compiling():
        while begun and not Path("begun").exists():
            time.sleep(0.01)
    assert time.monotonic() - before < 50  # it ends with what it runs beside
    assert [arguments[-1] for arguments in started] == ["counterfoil.processing.warm_up"] * begun
