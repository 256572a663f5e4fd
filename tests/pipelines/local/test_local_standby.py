"""A step's process that was started before its turn does what a new one does."""

import json
import signal
from pathlib import Path

import pytest

from counterfoil.cores import BLAS_THREADS, OMP_THREADS, WAIT_POLICY
from pipelines.local.jobs import Machine
from pipelines.local.key import Code
from pipelines.local.standby import Standby

RAW = "s3://counterfoil-local/raw"
TOYS = Path(__file__).parent / "toy_containers"
pytestmark = [pytest.mark.xdist_group("local_session"), pytest.mark.usefixtures("raw")]


@pytest.fixture
def taken(monkeypatch):
    """The commands that a process on standby ran."""
    commands, take = [], Standby.take

    def noted(standby, command):
        process = take(standby, command)
        commands.extend([command.arguments[2]] if process else [])
        return process

    monkeypatch.setattr(Standby, "take", noted)
    return commands


def seen(tmp_path, execution, step):
    """What a step saw, without what differs between any two steps."""
    [path] = (tmp_path / "executions" / execution.execution_id / step / "out").iterdir()
    found = json.loads(path.read_text())
    found["environment"].pop("COUNTERFOIL_ML_ROOT")
    return {name: value for name, value in found.items() if name not in ("started", "ended", "config")}


def test_a_process_that_waited_sees_what_a_new_one_sees(toy, run, taken, tmp_path):
    steps = [toy.step(name, ["show", "--seconds", "0"], [toy.source(RAW)]) for name in ("first", "second")]
    steps[1].add_depends_on([steps[0]])
    execution = run(toy.pipeline(*steps), Machine(code=Code(TOYS, {}), ahead=True))
    assert taken == ["show"]
    fresh, waited = (seen(tmp_path, execution, step) for step in ("first", "second"))
    ours = {OMP_THREADS, WAIT_POLICY, BLAS_THREADS}  # a container's own main sets them, and a toy's does not
    waited["environment"] = {
        n: v for n, v in waited["environment"].items() if n in fresh["environment"] or n not in ours
    }
    assert waited == fresh


def test_the_log_and_the_failure_of_a_process_that_waited_are_the_steps(toy, run, taken):
    first = toy.step("first", ["show"], [toy.source(RAW)])
    second = toy.step("second", ["crash", "--message", "it broke"], [toy.source(RAW)], depends_on=[first])
    execution = run(toy.pipeline(first, second), Machine(code=Code(TOYS, {}), ahead=True))
    assert taken == ["crash"]
    assert execution.status == "Failed"
    assert "it broke" in execution.reason
    assert execution.log_tail[-1] == "line 29"


def test_with_other_settings_a_step_gets_a_new_process(toy, run, taken):
    first = toy.step("first", ["show"], [toy.source(RAW)])
    second = toy.step("second", ["show"], [toy.source(RAW)], environment={"COUNTERFOIL_X": "1"}, depends_on=[first])
    assert run(toy.pipeline(first, second), Machine(code=Code(TOYS, {}), ahead=True)).status == "Succeeded"
    assert taken == []


def test_what_waits_for_a_step_that_does_not_come_is_ended(toy, run, monkeypatch):
    waited, end = [], Standby.end

    def noted(standby):
        waited.append(standby._process)
        end(standby)

    monkeypatch.setattr(Standby, "end", noted)
    first = toy.step("first", ["crash"], [toy.source(RAW)])
    second = toy.step("second", ["show"], [toy.source(RAW)], depends_on=[first])
    assert run(toy.pipeline(first, second), Machine(code=Code(TOYS, {}), ahead=True)).status == "Failed"
    [process] = filter(None, waited)
    assert process.returncode == -signal.SIGKILL
