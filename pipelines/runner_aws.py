"""Pipelines on SageMaker: started and looked at with boto3."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from counterfoil.errors import PipelineError, StoreUnavailableError
from counterfoil.workspace.settings import PipelineSettings
from pipelines.aws_errors import aws_call
from pipelines.catalogue import DESCRIPTIONS, build, pipeline_name
from pipelines.executions import PipelineExecution
from pipelines.jobs import tags
from pipelines.parameters import check_values, parameters
from pipelines.roles import check_roles

NEWEST = 20
"""How many executions are listed."""


@dataclass(frozen=True)
class StepExecution:
    """A step of an execution as SageMaker reports it. `cached`: its result was taken from an earlier execution."""

    step: str
    status: str
    cached: bool
    failure: str | None


class AwsPipelines:
    """The pipelines in the account, region and endpoint of boto3's configuration."""

    def __init__(self, settings: PipelineSettings) -> None:
        self._settings = settings

    def upsert(self, name: str) -> str:
        """Create the pipeline, or bring it up to date, and return its ARN.

        Raises NotFoundError for an unknown name, PipelineError for a role that SageMaker cannot take on or that
        may not do what pipelines do, StoreUnavailableError if AWS is out of reach.
        """
        from pipelines.telemetry import aws_session

        settings = self._settings
        with self._calling(f"upsert pipeline '{self._known(name)}'"):
            pipeline = build(name, settings, aws_session(settings))
            check_roles(settings, self._session.client("iam", config=_patient()))
            with _lacking_permissions(settings.role):
                made = pipeline.upsert(role_arn=settings.role, description=DESCRIPTIONS[name], tags=tags(settings))
        return str(made["PipelineArn"])

    def start(self, name: str, parameters: Mapping[str, str]) -> PipelineExecution:
        """Start an execution; parameters that are not given have the defaults of the definition on SageMaker.

        Raises UsageError for an unknown, missing or unusable parameter, before AWS is asked, and NotFoundError
        for a pipeline that is not known or not there.
        """
        check_values(name, self._settings, parameters)
        called = pipeline_name(name, self._settings)
        with self._calling(f"start pipeline '{called}'"):
            started = self._sagemaker.start_pipeline_execution(
                PipelineName=called,
                PipelineParameters=[{"Name": key, "Value": value} for key, value in parameters.items()],
            )
        execution = _last_part(started["PipelineExecutionArn"])
        return PipelineExecution(name, execution, "Executing", datetime.now(UTC))

    def status(self, name: str) -> list[PipelineExecution]:
        """Return the newest executions, newest first, with the reasons of those that failed. Raises NotFoundError."""
        called = self._known(name)
        with self._calling(f"list the executions of pipeline '{called}'"):
            found = self._sagemaker.list_pipeline_executions(
                PipelineName=called, SortBy="CreationTime", SortOrder="Descending", MaxResults=NEWEST
            )["PipelineExecutionSummaries"]
        executions = [_execution(name, summary) for summary in found]
        return sorted(executions, key=lambda one: one.started or datetime.now(UTC), reverse=True)

    def steps(self, name: str, execution_id: str) -> list[StepExecution]:
        """Return the steps of an execution in the order of their start.

        Raises NotFoundError, and StoreUnavailableError where the endpoint does not know: stand-ins for AWS do not.
        """
        called = self._known(name)
        with self._calling(f"list the steps of execution {execution_id} of pipeline '{called}'"):
            pipeline = self._sagemaker.describe_pipeline(PipelineName=called)["PipelineArn"]
            pages = self._sagemaker.get_paginator("list_pipeline_execution_steps").paginate(
                PipelineExecutionArn=f"{pipeline}/execution/{execution_id}", SortOrder="Ascending"
            )
            return [_step(step) for page in pages for step in page["PipelineExecutionSteps"]]

    def _known(self, name: str) -> str:
        parameters(name, self._settings)
        return pipeline_name(name, self._settings)

    @contextmanager
    def _calling(self, doing: str) -> Iterator[None]:
        with aws_call(doing, self._settings):
            yield

    @cached_property
    def _session(self) -> Any:
        import boto3

        return boto3.Session(region_name=self._settings.region)

    @cached_property
    def _sagemaker(self) -> Any:
        return self._session.client("sagemaker", config=_patient())


def _patient() -> Any:
    """A client's configuration that waits when it is throttled, up to a minute in all."""
    from botocore.config import Config

    return Config(retries={"mode": "standard", "total_max_attempts": 6}, connect_timeout=10, read_timeout=30)


@contextmanager
def _lacking_permissions(role: str) -> Iterator[None]:
    """The SDK looks whether the role may do what pipelines do, and says so at length."""
    from sagemaker.core.helper.iam_role_resolver import RoleValidationError

    try:
        yield
    except RoleValidationError as error:
        lacking = [line for line in str(error).splitlines() if "permissions:" in line]
        raise PipelineError(
            f"role {role} (COUNTERFOIL_PIPELINE_ROLE) may not do what pipelines do: {' '.join(lacking)}; "
            "grant this, or name another role"
        ) from error


def _execution(name: str, summary: Mapping[str, Any]) -> PipelineExecution:
    status = summary["PipelineExecutionStatus"]
    # An endpoint may give a reason, 'None', for what went well.
    failure = summary.get("PipelineExecutionFailureReason") if status in ("Failed", "Stopped") else None
    return PipelineExecution(
        name, _last_part(summary["PipelineExecutionArn"]), status, summary.get("StartTime"), failure
    )


def _step(step: Mapping[str, Any]) -> StepExecution:
    return StepExecution(step["StepName"], step["StepStatus"], "CacheHitResult" in step, step.get("FailureReason"))


def _last_part(arn: str) -> str:
    return arn.rpartition("/")[2]


def steps_or_note(runner: AwsPipelines, name: str, execution_id: str) -> tuple[list[StepExecution], str | None]:
    """The steps of an execution; or none, and a note why the endpoint does not know them."""
    try:
        return runner.steps(name, execution_id), None
    except StoreUnavailableError as error:
        return [], str(error)
