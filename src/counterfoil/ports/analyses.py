"""What analyses of payment files ask of the world: where files may lie, and a pipeline that scores them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Protocol


class AnalysisState(StrEnum):
    """How far an analysis is."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    STOPPED = "stopped"


@dataclass(frozen=True)
class RawFiles:
    """Payment files: where they are, and a digest (hex) of their names and states that changes with each of them."""

    uri: str
    digest: str


@dataclass(frozen=True)
class AnalysisJob:
    """What the detection pipeline is started with. Without days it scores what it newly collects."""

    analysis_id: str
    raw: RawFiles
    mapping: str
    release: str
    since: date | None = None
    until: date | None = None


@dataclass(frozen=True)
class AnalysisStep:
    """A step that has begun or waits; `status` is SageMaker's word, or Waiting or Skipped."""

    name: str
    status: str
    reason: str | None = None


@dataclass(frozen=True)
class AnalysisProgress:
    """What is known of an analysis now.

    `steps` is None where the runner cannot tell. `results` say where scores and report are, once it has succeeded.
    """

    state: AnalysisState
    execution: str | None = None
    steps: tuple[AnalysisStep, ...] | None = ()
    started: datetime | None = None
    failure: str | None = None
    results: Mapping[str, Any] = field(default_factory=dict)


class AnalysisRunner(Protocol):
    """Runs the detection pipeline on files that lie where the service may read."""

    def files(self, name: str, *, folder: bool) -> RawFiles:
        """Find a file, or all below a folder or prefix. Raises UsageError for none, and for one outside."""
        ...

    def start(self, job: AnalysisJob) -> str:
        """Start a job and return what `look` finds it by; a job that was started before is not started again."""
        ...

    def look(self, analysis_id: str, handle: str) -> AnalysisProgress:
        """Return how far a job is. Raises NotFoundError."""
        ...
