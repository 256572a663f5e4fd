"""What requests and answers about analyses of payment files look like."""

from datetime import date
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from counterfoil.service.desk_models import Name
from counterfoil.service.models import Model

Place = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern="^[^\x00-\x1f]+$")]
Word = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern="^[A-Za-z0-9][A-Za-z0-9._-]*$")]


class AnalysisRequest(Model):
    """Payment files to collect and score: one file, or all below a prefix."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"prefix": "2026-04-05", "mapping": "counterfoil-simulated", "by": "ada"}},
    )

    files: list[Place] | None = Field(
        default=None, min_length=1, max_length=1, description="One file; of several, give the prefix that they share"
    )
    prefix: Place | None = Field(
        default=None, description="A folder or prefix below the place of raw files (COUNTERFOIL_ANALYSES_FROM)"
    )
    mapping: Word = Field(description="A mapping that comes with Counterfoil, by its name")
    release: Word = Field(default="champion", description="An id or alias")
    since: date | None = Field(default=None, description="First day to score; without days: what is newly collected")
    until: date | None = Field(default=None, description="Last day to score")
    request_id: Word | None = Field(
        default=None, description="The same request is one analysis; another id here makes it another one"
    )
    by: Name | None = Field(default=None, description="Who; with tokens it is the token's holder, whatever stands here")

    @model_validator(mode="after")
    def _names_one_place(self) -> Self:
        if (self.files is None) == (self.prefix is None):
            raise ValueError("give files or a prefix, and not both")
        return self


class AnalysisStep(Model):
    """A step of the pipeline; `status` is SageMaker's word, or Waiting or Skipped."""

    name: str
    status: str
    reason: str | None


class AnalysisResults(Model):
    """Where the scores are, and what the report says of them."""

    scores: str = Field(description="The lake's table of scores: a folder or prefix")
    report: str = Field(description="The execution's report: a folder or prefix")
    summary: dict[str, Any] | None = Field(
        default=None, description="Payments, alerts, and the runs of the table that have the scores"
    )


class Analysis(Model):
    """An analysis: what it was started with, how far it is, and what came of it."""

    analysis_id: str
    state: Literal["running", "succeeded", "failed", "stopped"]
    files: str = Field(description="Where the payment files are")
    mapping: str
    release: str = Field(description="The release's id")
    since: str | None
    until: str | None
    by: str
    requested_at: str
    started_at: str | None
    execution: str | None = Field(description="The pipeline's execution, once there is one")
    steps: list[AnalysisStep] | None = Field(description="null where the pipeline's service does not say")
    steps_done: int | None
    failure: str | None = Field(description="Why it failed, in words")
    results: AnalysisResults | None = Field(description="Once it has succeeded")
