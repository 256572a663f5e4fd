"""What goes wrong goes wrong as on SageMaker: the step, the reason, the log's tail, and nothing visible of its work."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from pipelines.local.record import read_executions

RAW = "s3://counterfoil-local/raw"
TOYS = Path(__file__).parent / "toy_containers"
pytestmark = [pytest.mark.xdist_group("local_session"), pytest.mark.usefixtures("raw")]


def failing(toy, *arguments, **changes):
    """A good step, one that fails, and one that must not run any more."""
    first = toy.step("first", ["copy"], [toy.source(RAW)])
    bad = toy.step("bad", arguments, [toy.source(toy.out(first))], **changes)
    return toy.pipeline(first, bad, toy.step("after", ["copy"], [toy.source(toy.out(bad))]))


def check_failed(execution, reason):
    assert (execution.status, execution.failed_step, execution.reason) == ("Failed", "bad", reason)
    assert execution.failure == f"step 'bad' failed: {reason}"
    statuses = {step.name: step.status for step in execution.steps}
    assert statuses == {"first": "Succeeded", "bad": "Failed", "after": "Waiting"}
    assert not (execution.folder / "bad").exists()
    assert not (execution.folder.parents[1] / "jobs" / execution.execution_id).exists()


def test_a_crash_with_an_exit_message(toy, run):
    execution = run(failing(toy, "crash", "--message", "the mapping has no column 'amount'"))
    check_failed(execution, "AlgorithmError: the mapping has no column 'amount'")
    assert execution.log_tail == tuple(f"line {number}" for number in range(10, 30))
    assert run.events[-1].kind == "failed"
    assert run.events[-1].lines == execution.log_tail
    assert (execution.folder / "logs" / "bad" / "algo-1.log").read_text().startswith("crash on algo-1\nline 0\n")


def test_a_crash_without_a_message(toy, run):
    check_failed(run(failing(toy, "crash")), "AlgorithmError: exit code 3")


def test_a_killed_container(toy, run):
    check_failed(run(failing(toy, "die")), "AlgorithmError: killed by signal SIGKILL")


def test_one_failing_instance_ends_the_others(toy, run):
    began = time.monotonic()
    execution = run(failing(toy, "crash", "--only", "algo-2", instances=2))
    check_failed(execution, "AlgorithmError: exit code 3")
    assert time.monotonic() - began < 30


@pytest.mark.parametrize("deaf", [(), ("--deaf", "yes")])
def test_a_job_that_takes_too_long_is_ended_with_its_children(toy, run, tmp_path, deaf):
    execution = run(failing(toy, "hang", *deaf, seconds=1))
    check_failed(execution, "MaxRuntimeExceeded: the job ran longer than MaxRuntimeInSeconds (1 s) and was stopped")
    wait_until_gone(tmp_path, 2)  # what was killed takes a moment to go


def wait_until_gone(workspace, seconds):
    """The container and the child that it took; each is killed here if it is not gone, so that it does not stay."""
    pids = [int(pid) for pid in (workspace / "pids").read_text().split()]
    left = psutil.wait_procs([psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)], seconds)[1]
    left = [process for process in left if process.status() != psutil.STATUS_ZOMBIE]
    for process in left:
        process.kill()
    assert left == []


def test_a_missing_input(toy, run, tmp_path):
    (tmp_path / "raw" / "a.txt").unlink()
    (tmp_path / "raw" / "b.txt").unlink()
    execution = run(toy.pipeline(toy.step("first", ["copy"], [toy.source(RAW)])))
    assert execution.status == "Failed"
    assert execution.reason.startswith(f'ClientError: No S3 objects found under S3 URL "{RAW}"')
    assert not (execution.folder / "logs").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["copy", ""], "AppSpecification.ContainerArguments[1] is empty: write '-'"),
        (["copy", "x" * 257], "AppSpecification.ContainerArguments[1] has 257 characters, more than 256"),
    ],
)
def test_a_request_that_sagemaker_would_refuse(toy, run, arguments, said):
    execution = run(failing(toy, *arguments))
    assert execution.reason.startswith("ClientError: Failed to invoke sagemaker:CreateProcessingJob.")
    assert said in execution.reason


def test_a_missing_property_file(toy, sdk, run):
    step = toy.step("show", ["show"], [toy.source(RAW)])
    condition = sdk.ConditionEquals(left=toy.get(step, "passed"), right=True)
    gate = sdk.ConditionStep("gate", conditions=[condition], if_steps=[], else_steps=[])
    execution = run(toy.pipeline(step, gate))
    assert (execution.failed_step, execution.status) == ("gate", "Failed")
    assert "summary/summary.json" in execution.reason
    assert "NoSuchKey" in execution.reason


def test_ctrl_c_ends_the_processes_and_leaves_a_stopped_execution(toy, run, tmp_path):
    def interrupt():
        while not (tmp_path / "pids").exists():
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    presser = threading.Thread(target=interrupt)
    presser.start()
    with pytest.raises(KeyboardInterrupt):
        run(failing(toy, "hang"))
    presser.join()
    wait_until_gone(tmp_path, 2)  # what was killed takes a moment to go
    (execution,) = read_executions(tmp_path / "executions")
    assert execution.status == "Stopped"
    assert [step.status for step in execution.steps] == ["Succeeded", "Stopped", "Waiting"]
    assert run.events[-1].kind == "stopped"


MAIN = """
import sys, importlib.util
from pathlib import Path
from pipelines.local.jobs import Machine
from pipelines.local.key import Code
from pipelines.local.run import run_pipeline
spec = importlib.util.spec_from_file_location("toys", sys.argv[1])
toys = importlib.util.module_from_spec(spec); spec.loader.exec_module(toys)
def build(name):
    toy = toys.Toy(toys.load_sdk())
    first = toy.step("first", ["copy"], [toy.source("s3://counterfoil-local/raw")], cache="P1D")
    second = toy.step("second", [sys.argv[3]], [toy.source(toy.out(first))])
    return toy.pipeline(first, second)
run_pipeline(build, "toy", Path(sys.argv[2]), {}, machine=Machine(code=Code(Path(sys.argv[4]), {})))
"""


def start(workspace, command, environment):
    """A process that runs the toy pipeline, as the CLI would."""
    conftest = Path(__file__).with_name("conftest.py")
    arguments = [sys.executable, "-c", MAIN, str(conftest), str(workspace), command, str(TOYS)]
    return subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_a_killed_run_is_stopped_and_a_rerun_completes(toy, run, tmp_path):
    process = start(tmp_path, "hang", unreachable())
    while not (tmp_path / "pids").exists():
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.05)
    (running,) = read_executions(tmp_path / "executions", "toy")
    assert running.status == "Executing"
    process.kill()
    assert process.communicate()[0] == "", "it complains of AWS, or tells what the SDK does"
    (killed,) = read_executions(tmp_path / "executions", "toy")
    assert [killed.status, *(step.status for step in killed.steps)] == ["Stopped", "Succeeded", "Stopped"]
    wait_until_gone(tmp_path, 10)
    assert (tmp_path / "jobs" / killed.execution_id).exists()
    first = toy.step("first", ["copy"], [toy.source(RAW)], cache="P1D")
    again = run(toy.pipeline(first, toy.step("second", ["copy"], [toy.source(toy.out(first))])))
    assert (again.status, again.step("first").cached_from) == ("Succeeded", killed.execution_id)
    assert not (tmp_path / "jobs" / killed.execution_id).exists()


def unreachable():
    """An environment in which every way to AWS ends at a closed port, and nothing is configured."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SAGEMAKER_"))}
    closed = "http://127.0.0.1:9"
    names = ("AWS_ENDPOINT_URL", "AWS_EC2_METADATA_SERVICE_ENDPOINT", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy")
    return {**kept, **dict.fromkeys(names, closed), "https_proxy": closed, "NO_PROXY": "", "no_proxy": ""}


def test_no_call_leaves_this_machine(toy, run, monkeypatch):
    import socket

    def refuse(_self, address):
        raise AssertionError(f"a connection to {address}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **_: refuse(None, a))
    assert run(toy.pipeline(toy.step("first", ["copy"], [toy.source(RAW)], cache="P1D"))).status == "Succeeded"
