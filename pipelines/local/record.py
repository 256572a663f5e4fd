"""What is known of an execution: one JSON file, rewritten after each change, readable from any process."""

import fcntl
import json
import secrets
import string
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from counterfoil.adapters.folder.whole_files import write_whole
from pipelines.executions import PipelineExecution

EXECUTING, SUCCEEDED, FAILED, STOPPED = "Executing", "Succeeded", "Failed", "Stopped"
WAITING, SKIPPED = "Waiting", "Skipped"

_ALPHABET = string.ascii_uppercase + string.digits
_ID_LENGTH = 12


@dataclass(frozen=True)
class StepRecord:
    """A step of an execution. `cache` says why it was or was not taken from the cache, a line each.

    `status` is Waiting, Executing, Succeeded, Failed, Stopped or Skipped (a condition decided against it);
    `cached_from` the execution whose outputs it took; `outputs` maps its channels to their URIs.
    """

    name: str
    type: str
    status: str = WAITING
    started: str | None = None
    ended: str | None = None
    reason: str | None = None
    cached_from: str | None = None
    cache: tuple[str, ...] = ()
    outputs: Mapping[str, str] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """How long it ran; 0 if it did not run or has not ended."""
        if self.started is None or self.ended is None:
            return 0.0
        return (datetime.fromisoformat(self.ended) - datetime.fromisoformat(self.started)).total_seconds()


@dataclass(frozen=True)
class LocalExecution:
    """An execution. `reason` and `log_tail` say why `failed_step` failed; times are ISO 8601 in UTC."""

    pipeline: str
    execution_id: str
    folder: Path
    parameters: Mapping[str, str]
    status: str
    started: str
    steps: tuple[StepRecord, ...]
    ended: str | None = None
    failed_step: str | None = None
    reason: str | None = None
    log_tail: tuple[str, ...] = ()

    def step(self, name: str) -> StepRecord:
        """Return a step. Raises KeyError."""
        for step in self.steps:
            if step.name == name:
                return step
        raise KeyError(name)

    @property
    def failure(self) -> str | None:
        """Step and reason of a failure in one line, or None."""
        return None if self.reason is None else f"step {self.failed_step!r} failed: {self.reason}"


class Recorder:
    """Keeps the record of a running execution. Its lock shows other processes that this one lives."""

    def __init__(self, root: Path, pipeline: str, parameters: Mapping[str, str], steps: Mapping[str, str]) -> None:
        """Begin an execution with `steps` (name to type, in order) below the folder `root`."""
        execution_id, folder = _new_folder(root)
        self._lock = _lock_file(folder)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        waiting = tuple(StepRecord(name, kind) for name, kind in steps.items())
        self.execution = LocalExecution(pipeline, execution_id, folder, dict(parameters), EXECUTING, now(), waiting)
        self._write()

    def step(self, name: str, **changes: Any) -> StepRecord:
        """Change a step and return it."""
        changed = replace(self.execution.step(name), **changes)
        steps = tuple(changed if step.name == name else step for step in self.execution.steps)
        self.execution = replace(self.execution, steps=steps)
        self._write()
        return changed

    def end(self, status: str, **changes: Any) -> LocalExecution:
        """End the execution, and free its lock."""
        self.execution = replace(self.execution, status=status, ended=now(), **changes)
        if status == STOPPED:
            self.execution = _stopped(self.execution)
        self._write()
        self._lock.close()
        return self.execution

    def _write(self) -> None:
        values = {**asdict(self.execution), "folder": None}
        write_whole(self.execution.folder / "execution.json", json.dumps(values, indent=1))


def read_executions(root: Path, pipeline: str | None = None) -> list[LocalExecution]:
    """Return the executions below `root`, newest first; one whose process died is Stopped."""
    found = [read_execution(path.parent) for path in root.glob("*/execution.json")]
    wanted = [execution for execution in found if pipeline in (None, execution.pipeline)]
    return sorted(wanted, key=lambda execution: execution.started, reverse=True)


def read_execution(folder: Path) -> LocalExecution:
    """Return one execution. Raises FileNotFoundError."""
    alive = is_running(folder)
    values = json.loads((folder / "execution.json").read_text("utf-8"))
    steps = tuple(StepRecord(**{**step, "cache": tuple(step["cache"])}) for step in values["steps"])
    changes = {"folder": folder, "steps": steps, "log_tail": tuple(values["log_tail"])}
    execution = LocalExecution(**{**values, **changes})
    return execution if alive or execution.status != EXECUTING else _stopped(replace(execution, status=STOPPED))


def is_running(folder: Path) -> bool:
    """Return whether the process of an execution lives: it holds the lock, which the system takes from the dead."""
    with _lock_file(folder) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def as_execution(local: LocalExecution) -> PipelineExecution:
    """Return what is shown of an execution, wherever it ran."""
    started = datetime.fromisoformat(local.started)
    return PipelineExecution(local.pipeline, local.execution_id, local.status, started, local.failure)


def now() -> str:
    """Return the time in UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def _stopped(execution: LocalExecution) -> LocalExecution:
    steps = tuple(replace(step, status=STOPPED) if step.status == EXECUTING else step for step in execution.steps)
    return replace(execution, steps=steps)


def _new_folder(root: Path) -> tuple[str, Path]:
    while True:
        execution_id = "".join(secrets.choice(_ALPHABET) for _ in range(_ID_LENGTH))
        folder = root / execution_id
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return execution_id, folder


def _lock_file(folder: Path) -> IO[bytes]:
    return (folder / "lock").open("ab")
