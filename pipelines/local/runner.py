"""Pipelines of a workspace: the local PipelineRunner."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from counterfoil.errors import NotFoundError
from pipelines.executions import PipelineExecution
from pipelines.local.events import OnEvent, ignore
from pipelines.local.jobs import Machine
from pipelines.local.record import LocalExecution, read_executions
from pipelines.local.run import Build, run_pipeline


class LocalPipelines:
    """Runs the pipelines `names` in this process; `status` can be asked from any other."""

    def __init__(
        self,
        build: Build,
        names: Sequence[str],
        workspace_root: Path,
        *,
        machine: Machine | None = None,
        on_event: OnEvent = ignore,
    ) -> None:
        self._build, self._names, self._root = build, tuple(names), workspace_root
        self._machine, self._on_event = machine, on_event

    def start(self, name: str, parameters: Mapping[str, str]) -> PipelineExecution:
        """Run a pipeline to its end.

        Raises NotFoundError for an unknown pipeline, UsageError for a bad parameter, PipelineError for what is refused.
        """
        self._require(name)
        ended = run_pipeline(self._build, name, self._root, parameters, machine=self._machine, on_event=self._on_event)
        return as_execution(ended)

    def status(self, name: str) -> list[PipelineExecution]:
        """Return the pipeline's executions, newest first; one whose process was killed is Stopped."""
        self._require(name)
        return [as_execution(execution) for execution in read_executions(self._root / "executions", name)]

    def _require(self, name: str) -> None:
        if name not in self._names:
            raise NotFoundError(f"no pipeline {name!r}: there are {', '.join(self._names)}")


def as_execution(local: LocalExecution) -> PipelineExecution:
    """Return what every runner tells of an execution."""
    started = datetime.fromisoformat(local.started)
    return PipelineExecution(local.pipeline, local.execution_id, local.status, started, local.failure)
