"""Analyses on SageMaker: an execution of the detection pipeline for each, found by its ARN."""

import json
from contextlib import AbstractContextManager
from functools import cached_property
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

from counterfoil.adapters.aws.clients import aws_client, aws_reported, error_code
from counterfoil.domain.intake.file_names import why_left_out
from counterfoil.errors import NotFoundError, StoreUnavailableError, UsageError
from counterfoil.ports.analyses import AnalysisJob, AnalysisProgress, AnalysisState, AnalysisStep, RawFiles

_STATES = {
    "Executing": AnalysisState.RUNNING,
    "Stopping": AnalysisState.RUNNING,
    "Succeeded": AnalysisState.SUCCEEDED,
    "Failed": AnalysisState.FAILED,
    "Stopped": AnalysisState.STOPPED,
}


class SageMakerAnalyses:
    """An AnalysisRunner for objects below `raw` ('s3://bucket/prefix') and the pipeline of a name.

    `bucket` has the executions' results and the lake.
    """

    def __init__(self, raw: str, pipeline: str, bucket: str, region: str) -> None:
        self._raw = raw.rstrip("/") + "/"
        self._pipeline = pipeline
        self._bucket = bucket
        self._region = region

    def files(self, name: str, *, folder: bool) -> RawFiles:
        """Find an object, or all below a prefix. Raises UsageError for none, and for one outside."""
        uri = name if name.startswith("s3://") else f"{self._raw}{name}"
        outside = not uri.startswith(self._raw) or name.startswith("/") or ".." in uri.split("/")
        if outside:
            raise UsageError(f"the files lie outside of what the service may read: put them below {self._raw}")
        uri = f"{uri.rstrip('/')}/" if folder else uri
        listed = self._listed(uri)
        found = {key: state for key, state in listed.items() if folder or f"s3://{urlsplit(uri).netloc}/{key}" == uri}
        if not found:
            raise UsageError(f"there are no such payment files below {self._raw}: put them there, or correct the name")
        if len(found) < len(listed):  # SageMaker would copy all objects whose keys begin like it
            raise UsageError("other files' names begin with this one's: give a prefix, or a file whose name is its own")
        lines = sorted(f"{key}\t{state}" for key, state in found.items())
        return RawFiles(uri, sha256("\n".join(lines).encode()).hexdigest())

    def _listed(self, uri: str) -> dict[str, str]:
        """The objects below a URI that are collected, with size and ETag."""
        bucket = urlsplit(uri).netloc
        with aws_reported(f"the bucket of raw files {bucket!r}"):
            pages = self._s3.get_paginator("list_objects_v2").paginate(
                Bucket=bucket, Prefix=uri.removeprefix(f"s3://{bucket}/")
            )
            items = [item for page in pages for item in page.get("Contents", [])]
        wanted = [item for item in items if why_left_out(item["Key"].rstrip("/").rpartition("/")[2]) is None]
        return {item["Key"]: f"{item['Size']}\t{item['ETag']}" for item in wanted if not item["Key"].endswith("/")}

    def start(self, job: AnalysisJob) -> str:
        """Start an execution and return its ARN; SageMaker gives the same one for the same job."""
        # The id stands for the raw files' state in the step cache: no other analysis takes this one's answers.
        values = {"RawUri": job.raw.uri, "InputVersion": job.analysis_id, "Mapping": job.mapping}
        values |= {"Release": job.release}
        values |= {name: day.isoformat() for name, day in (("Since", job.since), ("Until", job.until)) if day}
        with self._reported():
            started = self._sagemaker.start_pipeline_execution(
                PipelineName=self._pipeline,
                PipelineExecutionDisplayName=job.analysis_id,
                PipelineParameters=[{"Name": name, "Value": value} for name, value in values.items()],
                ClientRequestToken=job.analysis_id,
            )
        return str(started["PipelineExecutionArn"])

    def look(self, analysis_id: str, handle: str) -> AnalysisProgress:
        """Return how far an execution is. Raises NotFoundError if it is no execution, or AWS has forgotten it."""
        from botocore.exceptions import ClientError

        if not handle.startswith("arn:"):
            raise NotFoundError(f"analysis {analysis_id} was not run on SageMaker: ask where it was started")
        with self._reported():
            try:
                found = self._sagemaker.describe_pipeline_execution(PipelineExecutionArn=handle)
            except ClientError as error:
                if error_code(error) not in ("ResourceNotFound", "ResourceNotFoundException"):
                    raise
                raise NotFoundError(f"SageMaker has no execution of analysis {analysis_id} any more") from None
        state = _STATES[found["PipelineExecutionStatus"]]
        failed = state in (AnalysisState.FAILED, AnalysisState.STOPPED)
        steps = self._steps(handle)
        execution = handle.rpartition("/")[2]
        return AnalysisProgress(
            state=state,
            execution=execution,
            steps=steps,
            started=found.get("CreationTime"),
            failure=_failure(state, found.get("FailureReason"), steps) if failed else None,
            results=self._results(execution) if state is AnalysisState.SUCCEEDED else {},
        )

    def _steps(self, arn: str) -> tuple[AnalysisStep, ...] | None:
        """The steps that have begun; None where the endpoint cannot tell: stand-ins for AWS do not."""
        try:
            with self._reported():
                pages = self._sagemaker.get_paginator("list_pipeline_execution_steps").paginate(
                    PipelineExecutionArn=arn, SortOrder="Ascending"
                )
                steps = [step for page in pages for step in page["PipelineExecutionSteps"]]
        except StoreUnavailableError:
            return None
        return tuple(AnalysisStep(step["StepName"], step["StepStatus"], step.get("FailureReason")) for step in steps)

    def _results(self, execution: str) -> dict[str, Any]:
        key = f"executions/{execution}/report/report"
        results: dict[str, Any] = {
            "scores": f"s3://{self._bucket}/lake/scores",
            "report": f"s3://{self._bucket}/{key}",
        }
        try:
            with aws_reported(f"the report of execution {execution}"):
                content = self._s3.get_object(Bucket=self._bucket, Key=f"{key}/summary.json")["Body"].read()
        except StoreUnavailableError:  # a report that was taken from the step cache lies with another execution
            return results
        return results | {"summary": json.loads(content)}

    def _reported(self) -> AbstractContextManager[None]:
        return aws_reported(
            f"the pipeline {self._pipeline!r}", missing="there is no such pipeline: make it with 'counterfoil pipeline "
            "upsert', or correct COUNTERFOIL_PIPELINE_NAME_PREFIX and _REGION",
        )  # fmt: skip

    @cached_property
    def _sagemaker(self) -> Any:
        return aws_client("sagemaker", self._region)

    @cached_property
    def _s3(self) -> Any:
        return aws_client("s3", self._region)


def _failure(state: AnalysisState, reason: str | None, steps: tuple[AnalysisStep, ...] | None) -> str:
    """Why an execution came to nothing: its failed steps in words, else what SageMaker says of the whole."""
    of_steps = [f"step {step.name!r} failed: {step.reason}" for step in steps or () if step.reason]
    return "; ".join(of_steps) or reason or f"SageMaker says {state.value} and gives no reason"
