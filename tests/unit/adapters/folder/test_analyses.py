"""Analyses of this machine are read from the records that the local session writes."""

import fcntl
import json
from pathlib import Path

import pytest

from counterfoil.adapters.folder.analyses import FolderAnalyses
from counterfoil.errors import NotFoundError
from counterfoil.ports.analyses import AnalysisState
from pipelines.local.record import FAILED, SUCCEEDED, Recorder

ID = f"a{'2' * 32}"
STEPS = {"collect": "Processing", "report": "Processing"}


@pytest.fixture
def runner(tmp_path: Path) -> FolderAnalyses:
    return FolderAnalyses(tmp_path, tmp_path / "inbox", "counterfoil-local", {})


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    """A record of the session itself, of an analysis whose process is not alive."""
    recorder = Recorder(tmp_path / "executions", "detection", {}, STEPS)
    folder = tmp_path / "analyses" / ID
    folder.mkdir(parents=True)
    (folder / "lock").touch()
    (folder / "execution").write_text(recorder.execution.execution_id)
    return recorder


def test_steps_are_told_while_it_runs_and_a_dead_one_was_stopped(
    runner: FolderAnalyses, recorder: Recorder, tmp_path: Path
) -> None:
    recorder.step("collect", status="Executing")
    with (tmp_path / "analyses" / ID / "lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = runner.look(ID, "workspace")
    assert found.state is AnalysisState.RUNNING
    assert [(step.name, step.status) for step in found.steps or ()] == [("collect", "Executing"), ("report", "Waiting")]
    assert found.execution == recorder.execution.execution_id
    dead = runner.look(ID, "workspace")
    assert dead.state is AnalysisState.STOPPED
    assert dead.failure == "its process was ended: ask again with another request_id"


def test_results_are_where_the_report_step_left_them(
    runner: FolderAnalyses, recorder: Recorder, tmp_path: Path
) -> None:
    report = f"executions/{recorder.execution.execution_id}/report/report"
    (tmp_path / report).mkdir(parents=True)
    (tmp_path / report / "summary.json").write_text(json.dumps({"runs": ["r"], "payments": 3}))
    recorder.step("report", status="Succeeded", outputs={"report": f"s3://counterfoil-local/{report}"})
    recorder.end(SUCCEEDED)
    found = runner.look(ID, "workspace")
    assert (found.state, found.failure) == (AnalysisState.SUCCEEDED, None)
    assert found.results == {
        "scores": str(tmp_path / "lake" / "scores"), "report": str(tmp_path / report),
        "summary": {"runs": ["r"], "payments": 3},
    }  # fmt: skip


def test_a_failure_names_the_step_and_the_reason(runner: FolderAnalyses, recorder: Recorder) -> None:
    recorder.end(FAILED, failed_step="collect", reason="the disk is full")
    found = runner.look(ID, "workspace")
    assert (found.state, found.failure) == (AnalysisState.FAILED, "step 'collect' failed: the disk is full")


def test_one_of_elsewhere_is_not_found(runner: FolderAnalyses) -> None:
    for handle in ("workspace", "arn:aws:sagemaker:eu-west-1:1:pipeline/p/execution/e"):
        with pytest.raises(NotFoundError, match="is not in this workspace"):
            runner.look(ID, handle)
