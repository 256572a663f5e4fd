"""Run a pipeline here, from its definition to the record of its execution."""

import logging
import shutil
import signal
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from counterfoil.errors import UsageError
from pipelines.local.cache import parse_duration
from pipelines.local.events import Event, OnEvent, ignore
from pipelines.local.jobs import LocalJobs, Machine
from pipelines.local.objects import Objects
from pipelines.local.record import STOPPED, LocalExecution, Recorder, is_running
from pipelines.local.support import check_support
from pipelines.telemetry import silence_sdk

Build = Callable[[str], Any]
"""Makes the SageMaker SDK's Pipeline of a name, with a session that reaches nothing (`session.offline_session`)."""


def run_pipeline(
    build: Build,
    name: str,
    workspace_root: Path,
    parameters: Mapping[str, str],
    *,
    environment: Mapping[str, str] | None = None,
    on_event: OnEvent = ignore,
    machine: Machine | None = None,
    start: Mapping[str, Any] | None = None,
) -> LocalExecution:
    """Run the pipeline `name` to its end and return its execution, which may have failed.

    `environment` holds settings (COUNTERFOIL_...) of all steps; `start` further arguments of StartPipelineExecution.
    Raises UsageError for a wrong parameter and PipelineError for what is refused, both before anything runs. Ctrl-C
    and SIGTERM end the running step's processes, leave a Stopped execution and raise KeyboardInterrupt.
    """
    silence_sdk()
    from pipelines.local.executor import Definition, Executor, Session

    machine = machine or Machine()
    machine = replace(machine, environment={**machine.environment, **(environment or {})})
    workspace = workspace_root.resolve()
    objects = Objects(workspace)
    jobs = LocalJobs(objects, workspace, machine, on_event)
    with _quiet():
        pipeline = build(name)
        check_support([{"Name": name, "Type": "Pipeline", "Start": dict(start or {})}, *_declared(pipeline.steps)])
        session = Session(jobs, objects)
        definition = Definition(pipeline, typed_parameters(pipeline.parameters, parameters), session)
        _check(definition, jobs)
        _sweep(workspace)
        given = {key: str(value) for key, value in definition.execution.pipeline_parameters.items()}
        steps = {step.name: step.step_type.value for step in definition.steps()}
        recorder = Recorder(workspace / "executions", name, given, steps)
        on_event(Event("planned", "", recorder.execution.execution_id, lines=tuple(steps)))
        executor = Executor(name, definition, session, recorder, on_event)
        try:
            return _execute(executor, recorder, workspace, on_event)
        finally:
            jobs.close()


def _execute(executor: Any, recorder: Recorder, workspace: Path, on_event: OnEvent) -> LocalExecution:
    try:
        with _terminated_as_interrupted():
            ended: LocalExecution = executor.execute()
            return ended
    except BaseException:
        stopped = recorder.end(STOPPED)
        for step in stopped.steps:
            if step.status == STOPPED:
                on_event(Event("stopped", step.name))
        raise
    finally:
        shutil.rmtree(workspace / "jobs" / recorder.execution.execution_id, ignore_errors=True)


def _check(definition: Any, jobs: LocalJobs) -> None:
    """Refuse before the first step what the last would be refused for."""
    requests = list(definition.requests())
    check_support(requests)
    for request in requests:
        if request["Type"] == "Processing":
            jobs.check_places(request["Arguments"])
            expires = definition.cache_config(request["Name"]).get("ExpireAfter")
            if expires is not None:
                parse_duration(expires)


def _declared(steps: list[Any]) -> Iterator[dict[str, Any]]:
    """What is known of steps before they are compiled: compiling some of them would upload files to S3."""
    for step in steps:
        request = {"Name": step.name, "Type": step.step_type.value} if hasattr(step, "step_type") else _unknown(step)
        called = getattr(getattr(step, "step_args", None), "func_args", None)
        if request["Type"] == "Processing" and called:
            request["Processor"] = type(called[0]).__name__
        yield request
        yield from _declared([*getattr(step, "if_steps", ()), *getattr(step, "else_steps", ())])


def _unknown(step: Any) -> dict[str, Any]:
    """A collection of steps, or what an @step function returned."""
    kind = "Training" if type(step).__name__ == "DelayedReturn" else "Model"
    return {"Name": str(getattr(step, "name", type(step).__name__)), "Type": kind}


def _sweep(workspace: Path) -> None:
    """Remove the folders of jobs whose execution was killed."""
    for folder in (workspace / "jobs").glob("*"):
        execution = workspace / "executions" / folder.name
        if not (execution / "lock").exists() or not is_running(execution):
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep away what the SDK logs and warns of its own ways: events say what happens."""
    logger = logging.getLogger("sagemaker")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="sagemaker")
            yield
    finally:
        logger.setLevel(level)


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """Let SIGTERM end the execution as Ctrl-C does; only the main thread may say so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        with suppress(ValueError, TypeError):
            signal.signal(signal.SIGTERM, before)


_CONVERTED: Mapping[str, Callable[[str], Any]] = {
    "Integer": int,
    "Float": float,
    "Boolean": lambda text: {"true": True, "false": False}[text.lower()],
}


def typed_parameters(declared: list[Any], given: Mapping[str, str]) -> dict[str, Any]:
    """Return the given values in their types. Raises UsageError naming parameter, value and what is allowed.

    What is left to find (parameters without a value) is found by the SDK as SageMaker finds it.
    """
    by_name = {parameter.name: parameter for parameter in declared}
    for name in given:
        if name not in by_name:
            raise UsageError(f"unknown parameter {name!r}: there are {', '.join(by_name)}")
    return {name: _typed(by_name[name], value) for name, value in given.items()}


def _typed(parameter: Any, text: str) -> Any:
    kind = parameter.parameter_type.value
    try:
        value = _CONVERTED.get(kind, str)(text)
    except (ValueError, KeyError):
        raise UsageError(f"parameter {parameter.name!r}: {text!r} is no {kind}") from None
    allowed = getattr(parameter, "enum_values", None)
    if allowed and value not in allowed:
        raise UsageError(f"parameter {parameter.name!r}: {text!r} is none of {', '.join(map(str, allowed))}")
    return value
