"""Executions of pipelines, as those who start them see them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True)
class PipelineExecution:
    """An execution of a pipeline as its runner tells it; `status` is Executing, Succeeded, Failed or Stopped."""

    name: str
    execution_id: str
    status: str
    started: datetime | None = None
    failure: str | None = None


class PipelineRunner(Protocol):
    """Where pipelines are executed."""

    def start(self, name: str, parameters: Mapping[str, str]) -> PipelineExecution:
        """Start an execution. Raises NotFoundError for an unknown pipeline, UsageError for a bad parameter."""
        ...

    def status(self, name: str) -> list[PipelineExecution]:
        """Return the pipeline's executions, newest first. Raises NotFoundError."""
        ...
