"""Each step is killed midway: the execution fails with the reason, nothing of the step is seen, a rerun completes it.

The tests go on from one another in one workspace: where the one before killed a step, the next run takes it up.
"""

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from pipelines.local.record import read_executions

pytestmark = pytest.mark.xdist_group("whole_pipelines")  # they share their workspaces

PROCESSING = "counterfoil.processing"
WRITE_FILES = "counterfoil.steps.releases.registration:_write_files"
TO_CHANNEL = "counterfoil.adapters.sagemaker.tables:ProcessingTables.publish"

TRAINING = {
    "collect, after one file of two": ("collect", {"at": f"{PROCESSING}.collector:PendingLedger.complete", "call": 2}),
    "curate, after one table of two": ("curate", {"at": TO_CHANNEL, "call": 2}),
    "features, before they are cut": ("features", {"at": "counterfoil.steps.features:split"}),
    "publish, a table staged and not visible": (
        "publish", {"at": "counterfoil.adapters.folder.tables:FolderTables.publish", "with": "transactions"},
    ),
    "publish, tables visible and files not done": ("publish", {"at": f"{PROCESSING}.detection:complete_files"}),
    "train, without references": ("train", {"at": WRITE_FILES, "after": True}),
    "evaluate, before its plots": ("evaluate", {"at": "counterfoil.adapters.report.plots:draw"}),
    "gate, its verdict written": ("gate", {"at": f"{PROCESSING}.job:Job.write_json", "after": True}),
    "register, references without a release": ("register", {"at": WRITE_FILES}),
    "register, a release without its alias": ("register", {"at": "counterfoil.steps.releases.releases:promote"}),
}  # fmt: skip
DETECTION = {
    "features, before they are cut": ("features", {"at": "counterfoil.steps.features:split"}),
    "detect, before it writes its scores": ("detect", {"at": TO_CHANNEL, "with": "scores"}),
    "publish, after transactions, before scores": (
        "publish", {"at": f"{PROCESSING}.detection:publish_table", "with": "scores"},
    ),
    "report, before its summary": ("report", {"at": f"{PROCESSING}.job:Job.write_json"}),
}  # fmt: skip
FIRST_SEEN = ("addresses", "rejected", "source_ip_days", "source_ips", "transactions")
"""What publish makes visible before it comes to scores."""


def killed(place, pipeline, parameters, step, fault):
    """Run a pipeline whose step is killed; return what others see of the workspace before and after."""
    before = place.state()
    with place.fault(step, fault={**fault, "do": "kill"}):
        execution = place.run(pipeline, parameters)
    assert (execution.status, execution.failed_step) == ("Failed", step)
    assert execution.failure == f"step '{step}' failed: AlgorithmError: killed by signal SIGKILL"
    log = (execution.folder / "logs" / step / "algo-1.log").read_text().splitlines()
    assert execution.log_tail == place.events[-1].lines == tuple(log[-20:])
    assert not (execution.folder / step).exists()
    assert not list((place.root / "jobs").iterdir())
    assert all(done.status in ("Succeeded", "Failed", "Waiting") for done in execution.steps)
    return before, place.state()


def changes(before, after):
    """The names of what others see otherwise than before."""
    return {name for name in before if before[name] != after[name]}


@pytest.mark.parametrize("moment", TRAINING)
def test_training_is_killed(copied, given, moment):
    step, fault = TRAINING[moment]
    before, after = killed(copied, "training", given["first training"], step, fault)
    seen = changes(before, after)
    if moment == "publish, a table staged and not visible":
        assert seen == set(FIRST_SEEN) - {"transactions"}
    elif moment == "publish, tables visible and files not done":
        assert seen == {"transactions"}
        assert after["files"] == []
    elif step == "train":
        assert seen == {"files"}  # publish, which comes before it, was completed
        assert len(after["files"]) == 2
    elif moment == "register, a release without its alias":
        assert seen == {"releases"}
        assert list(after["releases"].values()) == [[]]
    else:
        assert seen == set()


def test_the_orphan_references_of_a_killed_register_became_the_releases(copied, champion, life):
    assert champion == life.releases[0]
    assert copied.workspace.references.releases() == [champion]
    assert [entry.actor for entry in copied.workspace.decisions.entries()] == ["ci", "ada"]


@pytest.mark.usefixtures("champion")
@pytest.mark.parametrize("moment", DETECTION)
def test_detection_is_killed(copied, given, moment):
    step, fault = DETECTION[moment]
    before, after = killed(copied, "detection", given["first detection"], step, fault)
    seen = changes(before, after)
    if step == "publish":
        assert {"transactions", "scored_evidence"} <= seen <= {*FIRST_SEEN, "scored_evidence"}
        assert after["scores"] == []
    elif step == "report":
        assert seen == {"scores", "files"}
    else:
        assert seen == set()


SESSION = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from conftest import GIVEN, Place
Place(Path(sys.argv[2])).run("detection", GIVEN["first detection"])
"""


@pytest.mark.usefixtures("champion")
def test_the_session_is_killed_while_detect_runs(copied):
    """With detect's cached result gone, so that it runs again."""
    for cached in (copied.root / "executions" / "cache" / "detection" / "detect").glob("*.json"):
        cached.unlink()
    before = copied.state()
    command = [sys.executable, "-W", "ignore", "-c", SESSION, str(Path(__file__).parent), str(copied.root)]
    with copied.fault("detect", fault={"at": "counterfoil.steps.scoring.scorer:Detector.score", "do": "hang"}):
        session = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            step = wait_for_hanging(copied.faults / "hanging", session)
        finally:
            session.kill()
            session.wait()
    assert psutil.wait_procs([psutil.Process(step)] if psutil.pid_exists(step) else [], 10)[1] == []
    stopped = read_executions(copied.root / "executions", "detection")[0]
    assert (stopped.status, stopped.step("detect").status) == ("Stopped", "Stopped")
    assert not (stopped.folder / "detect").exists()
    assert changes(before, copied.state()) == set()


def wait_for_hanging(path, session):
    """The pid of the step that met its fault."""
    deadline = time.monotonic() + 300
    while not (path.exists() and path.read_text()):
        assert session.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return int(path.read_text())


@pytest.mark.usefixtures("champion")
def test_the_rerun_comes_to_what_an_undisturbed_workspace_has(copied, life, given, output):
    execution = copied.run("detection", given["first detection"])
    assert execution.status == "Succeeded"
    assert not list((copied.root / "jobs").iterdir())
    found = copied.tables()
    assert set(found) == set(life.tables) >= {"scores", "scored_evidence", "transactions", "source_ip_days"}
    assert [name for name in found if not found[name].equals(life.tables[name])] == []
    assert found["scores"].num_rows > 1000
    reports = [
        output(done, "report", "report", "summary.json") for done in (execution, life.executions["first detection"])
    ]
    assert reports[0] == reports[1]
    assert len(copied.state()["files"]) == 3
