"""Executions of pipelines, as they are shown."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class PipelineExecution:
    """An execution of a pipeline wherever it runs; `status` is Executing, Succeeded, Failed or Stopped."""

    name: str
    execution_id: str
    status: str
    started: datetime | None = None
    failure: str | None = None
