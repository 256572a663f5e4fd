"""Processing jobs: what SageMaker must know to run one step of a pipeline in its container."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from counterfoil.domain.options import options_of
from counterfoil.errors import UsageError
from counterfoil.workspace.settings import LOCAL_BUCKET, PipelineSettings, Settings

if TYPE_CHECKING:
    from sagemaker.mlops.workflow.steps import ProcessingStep

ENTRYPOINT = ("python", "/opt/counterfoil/main.py")
INPUT = "/opt/ml/processing/input"
OUTPUT = "/opt/ml/processing/output"
_QUIET = {"DO_NOT_TRACK": "true", "HF_HUB_DISABLE_TELEMETRY": "1", "MLFLOW_DISABLE_TELEMETRY": "true"}


@dataclass(frozen=True)
class Job:
    """What is particular to a step's job.

    `cached`: a run with the same inputs and arguments is not repeated. `property_files` are JSON files, each with
    its output channel, that conditions can look into.
    """

    step: str
    container: str
    outputs: tuple[str, ...]
    cached: bool = True
    gpu: bool = False
    volume_gb: int = 30
    hours: int = 4
    property_files: tuple[tuple[str, str], ...] = (("summary", "summary.json"),)


@dataclass(frozen=True)
class Input:
    """An input channel and where SageMaker copies it from: all objects below `uri`, or those that a manifest names.

    `sharded`: each instance gets its share of the objects. `manifest`: `uri` is an object that lists the keys.
    """

    channel: str
    uri: Any
    sharded: bool = False
    manifest: bool = False


@dataclass(frozen=True)
class Site:
    """Where the steps of one pipeline are built: settings, the SDK's session and the pipeline's parameters by name."""

    settings: PipelineSettings
    session: Any
    parameters: Mapping[str, Any]

    def __getitem__(self, parameter: str) -> Any:
        return self.parameters[parameter]

    def lake(self, table: str) -> Input:
        """A table as it was published; its URI is the same in each execution."""
        return Input(f"lake/{table}", f"s3://{self.settings.bucket}/lake/{table}")

    def arguments(self, step: type, **given: Any) -> dict[str, Any]:
        """A step's container arguments: what is `given`, by option, and for all others the parameter of that name."""
        declared = {one.name: one for one in options_of(step)}
        unknown = [name for name in given if name not in declared]
        if unknown:
            raise UsageError(f"{step.__name__} has no {', '.join(unknown)} (there are: {', '.join(declared)})")
        return {one.flag: given[name] if name in given else self[one.parameter] for name, one in declared.items()}

    def step(
        self,
        job: Job,
        inputs: Sequence[Input],
        options: Mapping[str, Any],
        *,
        instances: Any = 1,
        after: Sequence["ProcessingStep"] = (),
    ) -> "ProcessingStep":
        """A step that runs `job`. `options` are container arguments: texts, never empty, or pipeline variables."""
        from sagemaker.core.workflow.properties import PropertyFile
        from sagemaker.mlops.workflow.steps import CacheConfig, ProcessingStep

        arguments = [job.step, *(part for option in options.items() for part in option)]
        if "" in arguments:
            raise UsageError(f"step {job.step!r}: SageMaker refuses empty container arguments, write '-': {options}")
        run = self._processor(job, instances).run(
            inputs=[_input(channel) for channel in inputs],
            outputs=[self.output(job.step, channel) for channel in job.outputs],
            arguments=arguments,
        )
        return ProcessingStep(
            name=job.step,
            step_args=run,
            property_files=[
                PropertyFile(name=output, output_name=output, path=path) for output, path in job.property_files
            ],
            cache_config=CacheConfig(enable_caching=job.cached, expire_after="P30D"),
            retry_policies=retry_policies(),
            depends_on=[step.name for step in after] or None,
        )

    def _processor(self, job: Job, instances: Any) -> Any:
        from sagemaker.core.processing import Processor

        settings = self.settings
        return Processor(
            role=settings.step_roles.get(job.step, settings.role),
            image_uri=f"{settings.registry}/counterfoil-{job.container}:{settings.image_tag}",
            entrypoint=list(ENTRYPOINT),
            instance_type=self["GpuInstanceType" if job.gpu else "InstanceType"],
            instance_count=instances,
            volume_size_in_gb=job.volume_gb,
            max_runtime_in_seconds=job.hours * 3600,
            env=environment(settings),
            tags=tags(settings),
            network_config=network(settings),
            sagemaker_session=self.session,
        )

    def output(self, step: str, channel: str) -> Any:
        from sagemaker.core.shapes import ProcessingOutput, ProcessingS3Output
        from sagemaker.core.workflow.execution_variables import ExecutionVariables
        from sagemaker.core.workflow.functions import Join

        executions = f"s3://{self.settings.bucket}/executions"
        uri = Join(on="/", values=[executions, ExecutionVariables.PIPELINE_EXECUTION_ID, step, channel])
        target = ProcessingS3Output(s3_uri=uri, local_path=f"{OUTPUT}/{channel}", s3_upload_mode="EndOfJob")
        return ProcessingOutput(output_name=channel, s3_output=target)


def output_of(step: "ProcessingStep", channel: str, *, sharded: bool = False) -> Input:
    """What an upstream step wrote to a channel, as an input channel of the same name."""
    return Input(channel, step.properties.ProcessingOutputConfig.Outputs[channel].S3Output.S3Uri, sharded)


def below(channel: Input, *names: str) -> Any:
    """The URI of an object, or of a prefix, below that of a channel which an upstream step wrote."""
    from sagemaker.core.workflow.functions import Join

    return Join(on="/", values=[channel.uri, *names])


def environment(settings: PipelineSettings) -> dict[str, str]:
    """The environment of all containers. Raises UsageError for a secret: a definition can be read by many."""
    secret = [name for name in settings.environment if name in _secrets()]
    if secret:
        raise UsageError(
            f"COUNTERFOIL_PIPELINE_ENVIRONMENT has {', '.join(secret)}: definitions hold no secrets, "
            "put it into Secrets Manager and name its id (COUNTERFOIL_..._SECRET)"
        )
    lake = f"s3://{settings.bucket}/lake"
    if settings.environment.get("COUNTERFOIL_LAKE", lake) != lake:
        raise UsageError(
            f"COUNTERFOIL_LAKE is {settings.environment['COUNTERFOIL_LAKE']!r} for the containers, and the pipelines "
            f"read {lake!r}: set COUNTERFOIL_PIPELINE_BUCKET to the lake's bucket, or leave it out"
        )
    # `publish` writes where the steps read. The local session has its own way to the workspace's lake.
    where = {} if settings.bucket == LOCAL_BUCKET else {"COUNTERFOIL_LAKE": lake}
    return {**_QUIET, **settings.environment, **where}


def network(settings: PipelineSettings) -> Any:
    """The private network that jobs run in, or None for SageMaker's own. Raises UsageError for half of it."""
    if not settings.subnets and not settings.security_groups:
        return None
    if not settings.subnets or not settings.security_groups:
        missing = "SUBNETS" if not settings.subnets else "SECURITY_GROUPS"
        raise UsageError(f"COUNTERFOIL_PIPELINE_{missing} is empty: a job in a network needs subnets and groups")
    from sagemaker.core.network import NetworkConfig

    return NetworkConfig(subnets=settings.subnets, security_group_ids=settings.security_groups)


def tags(settings: PipelineSettings) -> list[dict[str, str]]:
    """The tags of pipelines and jobs, as the API takes them."""
    return [{"Key": key, "Value": value} for key, value in sorted(settings.tags.items())]


def _secrets() -> set[str]:
    """The variables whose values are secrets."""
    fields = Settings.model_fields.items()
    return {f"COUNTERFOIL_{name.upper()}" for name, field in fields if SecretStr.__name__ in str(field.annotation)}


def _input(channel: Input) -> Any:
    from sagemaker.core.shapes import ProcessingInput, ProcessingS3Input

    source = ProcessingS3Input(
        s3_uri=channel.uri,
        local_path=f"{INPUT}/{channel.channel}",
        s3_data_type="ManifestFile" if channel.manifest else "S3Prefix",
        s3_input_mode="File",
        s3_data_distribution_type="ShardedByS3Key" if channel.sharded else "FullyReplicated",
    )
    # A channel's name may have no slash.
    return ProcessingInput(input_name=channel.channel.replace("/", "-"), s3_input=source)


def retry_policies() -> list[Any]:
    """What may pass by itself is tried again; a container that fails is not: it would fail again."""
    from sagemaker.mlops.workflow.retry import (
        SageMakerJobExceptionTypeEnum,
        SageMakerJobStepRetryPolicy,
        StepExceptionTypeEnum,
        StepRetryPolicy,
    )

    job = SageMakerJobExceptionTypeEnum
    service = [StepExceptionTypeEnum.SERVICE_FAULT, StepExceptionTypeEnum.THROTTLING]
    return [
        StepRetryPolicy(exception_types=service, interval_seconds=10, backoff_rate=2.0, max_attempts=6),
        SageMakerJobStepRetryPolicy(
            exception_types=[job.INTERNAL_ERROR], interval_seconds=60, backoff_rate=2.0, max_attempts=3
        ),
        # GPU instances come free within hours rather than minutes.
        SageMakerJobStepRetryPolicy(
            exception_types=[job.CAPACITY_ERROR, job.RESOURCE_LIMIT],
            interval_seconds=120, backoff_rate=1.5, expire_after_mins=240,
        ),
    ]  # fmt: skip
