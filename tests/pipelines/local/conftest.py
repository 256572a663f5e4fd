"""Toy pipelines: built with the SDK as the product's are, with a container that needs only the standard library."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from counterfoil.workspace.settings import PipelineSettings
from pipelines.local.events import Event
from pipelines.local.jobs import Machine
from pipelines.local.key import Code
from pipelines.local.record import LocalExecution
from pipelines.local.run import run_pipeline
from pipelines.telemetry import offline_session

TOYS = Path(__file__).parent / "toy_containers"


NAMES = {
    "sagemaker.core.processing": ("Processor",),
    "sagemaker.core.shapes": ("ProcessingInput", "ProcessingOutput", "ProcessingS3Input", "ProcessingS3Output"),
    "sagemaker.core.workflow.conditions": ("ConditionEquals", "ConditionGreaterThan"),
    "sagemaker.core.workflow.execution_variables": ("ExecutionVariables",),
    "sagemaker.core.workflow.functions": ("Join", "JsonGet"),
    "sagemaker.core.workflow.parameters": (
        "ParameterBoolean",
        "ParameterFloat",
        "ParameterInteger",
        "ParameterString",
    ),
    "sagemaker.core.workflow.properties": ("PropertyFile",),
    "sagemaker.mlops.workflow.condition_step": ("ConditionStep",),
    "sagemaker.mlops.workflow.fail_step": ("FailStep",),
    "sagemaker.mlops.workflow.pipeline": ("Pipeline",),
    "sagemaker.mlops.workflow.steps": ("CacheConfig", "ProcessingStep"),
}


def load_sdk() -> SimpleNamespace:
    """What toy pipelines are made of, with a session that reaches nothing."""
    session = offline_session(PipelineSettings())
    found = {name: getattr(import_module(module), name) for module, names in NAMES.items() for name in names}
    return SimpleNamespace(session=session, **found)


@pytest.fixture(scope="session")
def sdk() -> SimpleNamespace:
    """Return the SDK, imported once."""
    return load_sdk()


class Toy:
    """Makes steps and pipelines."""

    def __init__(self, sdk: SimpleNamespace) -> None:
        self.sdk = sdk

    def source(self, uri: Any, name: str = "in", **changes: Any) -> Any:
        given = {
            "s3_data_type": "S3Prefix",
            "s3_input_mode": "File",
            "local_path": f"/opt/ml/processing/input/{name}",
            **changes,
        }
        return self.sdk.ProcessingInput(input_name=name, s3_input=self.sdk.ProcessingS3Input(s3_uri=uri, **given))

    def target(self, step: str, name: str = "out") -> Any:
        execution = self.sdk.ExecutionVariables.PIPELINE_EXECUTION_ID
        uri = self.sdk.Join(on="/", values=["s3://counterfoil-local/executions", execution, step, name])
        place = f"/opt/ml/processing/output/{name}"
        output = self.sdk.ProcessingS3Output(s3_uri=uri, local_path=place, s3_upload_mode="EndOfJob")
        return self.sdk.ProcessingOutput(output_name=name, s3_output=output)

    def step(
        self,
        name: str,
        arguments: Sequence[Any],
        inputs: Sequence[Any] = (),
        *,
        instances: Any = 1,
        cache: str | None = None,
        environment: Mapping[str, Any] | None = None,
        seconds: int = 60,
        image: Any = "000000000000.dkr.ecr.eu-west-1.amazonaws.com/counterfoil-toy:1.0",
        entrypoint: Sequence[str] = ("python", "/opt/counterfoil/main.py"),
        outputs: Sequence[Any] | None = None,
        depends_on: Sequence[Any] = (),
    ) -> Any:
        processor = self.sdk.Processor(
            role="arn:aws:iam::000000000000:role/toy",
            image_uri=image,
            instance_count=instances,
            instance_type="ml.m5.xlarge",
            entrypoint=list(entrypoint),
            sagemaker_session=self.sdk.session,
            env=dict(environment or {}),
            max_runtime_in_seconds=seconds,
        )
        made = [self.target(name), self.target(name, "summary")] if outputs is None else list(outputs)
        return self.sdk.ProcessingStep(
            name=name,
            step_args=processor.run(inputs=list(inputs), outputs=made, arguments=list(arguments)),
            property_files=[self.sdk.PropertyFile(name="summary", output_name="summary", path="summary.json")],
            cache_config=self.sdk.CacheConfig(True, cache) if cache else None,
            depends_on=list(depends_on),
        )

    def out(self, step: Any, name: str = "out") -> Any:
        """The URI of a step's output, as its properties tell it."""
        return step.properties.ProcessingOutputConfig.Outputs[name].S3Output.S3Uri

    def get(self, step: Any, path: str) -> Any:
        return self.sdk.JsonGet(step_name=step.name, property_file="summary", json_path=path)

    def pipeline(self, *steps: Any, parameters: Sequence[Any] = ()) -> Any:
        return self.sdk.Pipeline(
            name="toy", parameters=list(parameters), steps=list(steps), sagemaker_session=self.sdk.session
        )


@pytest.fixture
def toy(sdk: SimpleNamespace, recwarn: pytest.WarningsRecorder) -> Toy:  # noqa: ARG001 the SDK warns of its own ways
    return Toy(sdk)


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Return the workspace's folder s3://counterfoil-local/raw, with two files."""
    folder = tmp_path / "raw"
    folder.mkdir()
    (folder / "a.txt").write_text("alpha")
    (folder / "b.txt").write_text("beta")
    return folder


Run = Callable[..., LocalExecution]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Return a runner of toy pipelines in the workspace `tmp_path`; `run.events` are those of the last run."""

    def go(pipeline: Any, machine: Machine | None = None, **parameters: str) -> LocalExecution:
        go.events = []
        return run_pipeline(
            lambda _: pipeline,
            "toy",
            tmp_path,
            parameters,
            on_event=go.events.append,
            machine=machine or Machine(code=Code(TOYS, {}), grace_seconds=1.0),
        )

    go.events: list[Event] = []
    return go
