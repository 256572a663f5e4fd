"""What of SageMaker Pipelines the local session does, and what it refuses, as data: the table in the docs is this."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from counterfoil.errors import PipelineError

_INPUT = "Arguments.ProcessingInputs[]"
_OUTPUT = "Arguments.ProcessingOutputConfig.Outputs[]"
_CLUSTER = "Arguments.ProcessingResources.ClusterConfig"


@dataclass(frozen=True)
class Feature:
    """A feature of SageMaker Pipelines.

    One that is refused is found in a step's request at `path` (names with dots, [] for each item of a list) where the
    value, as text, matches `pattern` as a whole, or is there at all without a pattern; `example` is such a value.
    """

    area: str
    name: str
    note: str
    path: str | None = None
    pattern: str | None = None
    example: Any = None

    @property
    def supported(self) -> bool:
        """Whether the local session does it."""
        return self.path is None


def _step_type(name: str, note: str = "run it on SageMaker, or write it as a processing step") -> Feature:
    return Feature("Step", f"{name} step", note, "Type", re.escape(name), name)


SUPPORT: tuple[Feature, ...] = (
    Feature("Step", "Processing step", "its own process per instance, with its container's entry point"),
    Feature("Step", "Condition step", "all conditions of the SDK; steps of the other branch are skipped"),
    Feature("Step", "Fail step", "ends the execution with its message"),
    _step_type("Training", "also what @step functions and notebook jobs become"),
    *map(
        _step_type,
        (
            "Transform", "Model", "RegisterModel", "Callback", "Tuning", "Lambda", "QualityCheck", "ClarifyCheck",
            "EMR", "EMRServerless", "AutoML", "EndpointConfig", "Endpoint", "InferenceComponent", "Lineage", "Job",
            "Cleanup", "ForEach",
        ),
    ),
    Feature("Pipeline", "Parameters", "string, integer, float, boolean; defaults; lists of allowed values"),
    Feature("Pipeline", "Execution variables", "id, name and times; the ARNs are the id and the name"),
    Feature("Pipeline", "Join, JsonGet, property files, properties", "evaluated by the SDK"),
    Feature("Pipeline", "Order of steps", "by dependency, else as declared; one after another, also in branches"),
    Feature("Pipeline", "Step cache", "where CacheConfig allows; keyed by contents, parameters and code"),
    Feature("Pipeline", "Retry policies", "accepted; what they wait for does not happen here"),
    Feature(
        "Pipeline", "Run conditions", "a step runs when those it depends on have succeeded",
        "DependsOn[].Trigger", "(?!Completed$).*", "Failed",
    ),
    Feature(
        "Pipeline", "ParallelismConfiguration", "steps run one after another",
        "Start.ParallelismConfiguration", None, {"MaxParallelExecutionSteps": 2},
    ),
    Feature(
        "Pipeline", "SelectiveExecutionConfig", "the step cache leaves out what is done",
        "Start.SelectiveExecutionConfig", None, {"SelectedSteps": [{"StepName": "a"}]},
    ),
    Feature(
        "Processor", "ScriptProcessor, FrameworkProcessor, PySparkProcessor", "use Processor with our images",
        "Processor", "(?!Processor$).*", "PySparkProcessor",
    ),
    Feature("Processor", "Images <registry>/counterfoil-NAME", "containers/NAME/main.py; any tag and registry"),
    Feature("Processor", "Container arguments, environment", "values as SageMaker takes them; /opt/ml is mapped"),
    Feature("Processor", "Instance count", "as many processes at the same time"),
    Feature("Processor", "Instance type, volume, KMS keys, role, tags, network, experiment", "checked, without effect"),
    Feature("Processor", "MaxRuntimeInSeconds", "the process group is ended, and the job fails"),
    Feature(
        "Processor", "InstancePreferences", "give one InstanceType and InstanceCount",
        f"{_CLUSTER}.InstancePreferences", None, [{"InstanceType": "ml.m5.xlarge"}],
    ),
    Feature("Input", "S3Prefix, ManifestFile", "s3:// of the local bucket; also a file or folder of this machine"),
    Feature("Input", "FullyReplicated, ShardedByS3Key", "shards are dealt out by key, one by one"),
    Feature("Input", "File mode", "copied before the process starts; originals cannot be changed"),
    Feature("Input", "Pipe mode", "use File", f"{_INPUT}.S3Input.S3InputMode", "(?!File$).*", "Pipe"),
    Feature("Input", "Gzip", "unpack in the step", f"{_INPUT}.S3Input.S3CompressionType", "(?!None$).*", "Gzip"),
    Feature(
        "Input", "Athena or Redshift dataset", "read it in the step", f"{_INPUT}.DatasetDefinition", None,
        {"LocalPath": "/opt/ml/processing/input/x"},
    ),
    Feature("Input", "AppManaged input", "give S3Input", f"{_INPUT}.AppManaged", "True", True),
    Feature(
        "Input", "Paths outside /opt/ml/processing", "SageMaker refuses them too", f"{_INPUT}.S3Input.LocalPath",
        "(?!/opt/ml/processing/.).*|.*/\\.\\.(/.*)?", "/data",
    ),
    Feature("Output", "EndOfJob upload", "appears when the whole job has succeeded; nothing of a failed job"),
    Feature(
        "Output", "Continuous upload", "use EndOfJob", f"{_OUTPUT}.S3Output.S3UploadMode", "(?!EndOfJob$).*",
        "Continuous",
    ),
    Feature(
        "Output", "Feature Store", "write it in the step", f"{_OUTPUT}.FeatureStoreOutput", None,
        {"FeatureGroupName": "g"},
    ),
    Feature("Output", "AppManaged output", "give S3Output", f"{_OUTPUT}.AppManaged", "True", True),
    Feature(
        "Output", "Paths outside /opt/ml/processing", "SageMaker refuses them too", f"{_OUTPUT}.S3Output.LocalPath",
        "(?!/opt/ml/processing/.).*|.*/\\.\\.(/.*)?", "/opt/ml/model",
    ),
)  # fmt: skip


def check_support(requests: Iterable[Mapping[str, Any]]) -> None:
    """Raise PipelineError naming every refused feature, with its step and type.

    A request is as a definition has it, with Name and Type; values that are not known yet may be of any other type.
    """
    found = [
        f"step {request['Name']!r} ({request['Type']}): {feature.name} {_at(feature, value)}: {feature.note}"
        for request in requests
        for feature in SUPPORT
        if feature.path is not None
        for value in _values(request, feature.path.split("."))
        if _is_refused(feature, value)
    ]
    if found:
        raise PipelineError(f"the local session cannot run this pipeline: {'; '.join(found)}")


def _at(feature: Feature, value: object) -> str:
    return f"({value})" if isinstance(value, str) and value not in feature.name else "is not supported"


def _is_refused(feature: Feature, value: object) -> bool:
    if feature.pattern is None:
        return value is not None
    return isinstance(value, str | bool) and re.fullmatch(feature.pattern, str(value)) is not None


def _values(place: Any, path: list[str]) -> list[Any]:
    """Return what is at a path, wherever the request goes that far."""
    if not path:
        return [place]
    name, *rest = path
    if not isinstance(place, Mapping) or name.removesuffix("[]") not in place:
        return []
    inner = place[name.removesuffix("[]")]
    if not name.endswith("[]"):
        return _values(inner, rest)
    return [value for item in inner for value in _values(item, rest)] if isinstance(inner, list) else []
