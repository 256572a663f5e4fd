"""The SDK's executor of definitions, on our jobs: it evaluates, we run and record. Imports the SageMaker SDK."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError as BotoClientError
from sagemaker.core.helper.pipeline_variable import PipelineVariable
from sagemaker.core.workflow.execution_variables import ExecutionVariable, ExecutionVariables
from sagemaker.core.workflow.functions import Join
from sagemaker.core.workflow.parameters import Parameter
from sagemaker.mlops.local.exceptions import StepExecutionException
from sagemaker.mlops.local.pipeline import LocalPipelineExecutor
from sagemaker.mlops.local.pipeline_entities import _LocalPipelineExecution
from sagemaker.mlops.workflow.condition_step import ConditionStep
from sagemaker.mlops.workflow.pipeline import PipelineGraph

from counterfoil.errors import UsageError
from pipelines.local.errors import REASONS, JobError
from pipelines.local.events import Event, Kind, OnEvent
from pipelines.local.jobs import LocalJobs, RunningStep
from pipelines.local.objects import Objects
from pipelines.local.record import FAILED, SKIPPED, SUCCEEDED, LocalExecution, Recorder, now
from pipelines.parameters import INPUT_VERSION

_TIMES = (ExecutionVariables.START_DATETIME, ExecutionVariables.CURRENT_DATETIME)


class Session:
    """What the SDK's executor asks of a session."""

    def __init__(self, jobs: LocalJobs, objects: Objects) -> None:
        self.sagemaker_client = jobs
        self._objects = objects

    def read_s3_file(self, bucket: str, key: str) -> str:
        """Return an object's text; a missing one is an error of the SDK's kind."""
        try:
            return self._objects.read(bucket, key)
        except (FileNotFoundError, IsADirectoryError):
            code, message = "NoSuchKey", "The specified key does not exist."
            # The SDK reads code and message one level too high.
            answer = {"Error": {"Code": code, "Message": message}, "Code": code, "Message": message}
            raise BotoClientError(answer, "GetObject") from None


class Definition:
    """A pipeline, compiled once, with the values of its parameters."""

    def __init__(self, pipeline: Any, parameters: Mapping[str, Any], session: Session) -> None:
        """Raise UsageError for a parameter that SageMaker would refuse."""
        self.graph = PipelineGraph.from_pipeline(pipeline)
        try:
            self.execution = _Execution(pipeline, dict(parameters), session, self.graph)
        except BotoClientError as error:
            raise UsageError(error.response["Error"]["Message"]) from None

    def steps(self) -> list[Any]:
        """Return the steps so that each comes after those it waits for, and else as they were declared."""
        waits = dict.fromkeys(self.graph.step_map, 0)
        for following in self.graph.adjacency_list.values():
            for name in following:
                waits[name] += 1
        ordered: list[Any] = []
        while waits:
            name = next(name for name, count in waits.items() if count == 0)
            del waits[name]
            ordered.append(self.graph.step_map[name])
            for following in self.graph.adjacency_list[name]:
                waits[following] -= 1
        return ordered

    def requests(self) -> Iterator[dict[str, Any]]:
        """Yield the steps' requests with all that is known before the first step runs."""
        for step in self.steps():
            request = {"Name": step.name, "Type": step.step_type.value, "DependsOn": step.depends_on}
            yield {**request, "Arguments": self._known(step.step_only_arguments)}

    def following(self, name: str) -> dict[str, Any] | None:
        """The AppSpecification of the first job after a step, if its image and command are known before it runs."""
        steps = self.steps()
        place = next(number for number, step in enumerate(steps) if step.name == name)
        for step in steps[place + 1 :]:
            if step.step_type.value == "Processing":
                wanted: dict[str, Any] = self._known(step.step_only_arguments)["AppSpecification"]
                first = [wanted.get("ImageUri"), *(wanted.get("ContainerArguments") or [None])[:1]]
                return wanted if all(isinstance(value, str) for value in first) else None
        return None

    def cache_config(self, name: str) -> dict[str, Any]:
        """Return a step's CacheConfig, empty if it has none."""
        step = self.graph.step_map[name]
        return {} if isinstance(step, ConditionStep) else dict(step.to_request().get("CacheConfig") or {})

    def _known(self, value: Any) -> Any:
        """Put in the values of parameters; what depends on steps stays a PipelineVariable."""
        if isinstance(value, dict):
            return {name: self._known(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [self._known(inner) for inner in value]
        if isinstance(value, Parameter):
            return self.execution.pipeline_parameters[value.name]
        if isinstance(value, ExecutionVariable):
            return "x"
        if isinstance(value, Join):
            parts = [self._known(part) for part in value.values]
            unknown = any(isinstance(part, PipelineVariable) for part in parts)
            return value if unknown else value.on.join(map(str, parts))
        return value


class _Execution(_LocalPipelineExecution):  # type: ignore[misc]
    """The SDK's record of an execution, for a definition that is compiled already."""

    def __init__(self, pipeline: Any, parameters: dict[str, Any], session: Session, graph: Any) -> None:
        self.pipeline, self.local_session, self.pipeline_dag = pipeline, session, graph
        self.pipeline_execution_name = ""
        self.status, self.failure_reason = "Executing", None
        self.creation_time = self.last_modified_time = datetime.now(UTC).timestamp()
        self.step_execution: dict[str, Any] = {}
        self._initialize_step_execution(graph.step_map.values())
        self.pipeline_parameters = self._initialize_and_validate_parameters(parameters)


class Executor(LocalPipelineExecutor):  # type: ignore[misc]
    """Runs a definition's steps one after another and records what becomes of them."""

    def __init__(
        self, name: str, definition: Definition, session: Session, recorder: Recorder, on_event: OnEvent
    ) -> None:
        definition.execution.pipeline_execution_name = recorder.execution.execution_id
        super().__init__(definition.execution, session)
        self.pipeline_dag = definition.graph
        self._name, self._definition, self._jobs = name, definition, session.sagemaker_client
        self._recorder, self._on_event = recorder, on_event

    def execute(self) -> LocalExecution:
        """Run all steps; the first that fails ends the execution."""
        for step in self._definition.steps():
            if step.name in self._blocked_steps:
                self._recorder.step(step.name, status=SKIPPED)
                self._on_event(Event("skipped", step.name))
                continue
            try:
                self._execute_step(step)
            except StepExecutionException as error:
                return self._fail(step.name, error.message, error.__context__)
        return self._recorder.end(SUCCEEDED)

    def _execute_step(self, step: Any) -> None:
        config = self._definition.cache_config(step.name)
        cached, expires = config.get("Enabled", False), config.get("ExpireAfter")
        execution_id = self._recorder.execution.execution_id
        version = self._recorder.execution.parameters.get(INPUT_VERSION)
        following = self._definition.following(step.name)
        self._jobs.begin(RunningStep(self._name, step.name, execution_id, cached, expires, version, following))
        self._recorder.step(step.name, status="Executing", started=now())
        self._on_event(Event("started", step.name))
        try:
            super()._execute_step(step)
        except StepExecutionException:
            raise
        except Exception as error:  # the SDK's own, such as a property file whose output is not there
            raise StepExecutionException(step.name, f"{type(error).__name__}: {error}") from error
        lookup = self._jobs.lookup if step.step_type.value == "Processing" else None
        job = lookup.job if lookup else None
        done = self._recorder.step(
            step.name, status=SUCCEEDED, ended=now(), outputs=self._outputs(step.name),
            cached_from=job.execution if job else None, cache=lookup.reasons if lookup else (),
        )  # fmt: skip
        detail = done.cached_from or self._outcome(step.name)
        kind: Kind = "cached" if job else "finished"
        self._on_event(Event(kind, step.name, detail, seconds=done.seconds, lines=done.cache))

    def _fail(self, name: str, message: str, cause: BaseException | None) -> LocalExecution:
        log_tail = cause.log_tail if isinstance(cause, JobError) else ()
        for kind, shown in REASONS.items():
            message = message.replace(f"{kind.__name__}: ", f"{shown}: ", 1)
        failed = self._recorder.step(name, status=FAILED, ended=now(), reason=message, cache=self._jobs.lookup.reasons)
        ended = self._recorder.end(FAILED, failed_step=name, reason=message, log_tail=log_tail)
        self._on_event(Event("failed", name, message, seconds=failed.seconds, lines=log_tail))
        return ended

    def _outputs(self, name: str) -> dict[str, str]:
        config = self.execution.step_execution[name].properties.get("ProcessingOutputConfig") or {}
        return {channel: output["S3Output"]["S3Uri"] for channel, output in (config.get("Outputs") or {}).items()}

    def _outcome(self, name: str) -> str:
        outcome = self.execution.step_execution[name].properties.get("Outcome")
        return "" if outcome is None else json.dumps(outcome)

    def _evaluate_execution_variable(self, pipeline_variable: Any) -> Any:
        """Times as SageMaker gives them to a container: texts in ISO 8601."""
        value = super()._evaluate_execution_variable(pipeline_variable)
        if pipeline_variable == ExecutionVariables.CURRENT_DATETIME:
            return now()
        if pipeline_variable in _TIMES:
            return datetime.fromtimestamp(value, UTC).isoformat(timespec="seconds")
        return value
