"""The parameters of the pipelines: name, default and meaning, and what a value must look like."""

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass
from typing import Any

from counterfoil.domain.evaluation.gate import GateRules
from counterfoil.domain.options import NONE, Kind, day_of, options_of, text_of
from counterfoil.domain.release.aliases import CHAMPION
from counterfoil.errors import NotFoundError, UsageError
from counterfoil.steps.options import (
    CollectOptions,
    DetectOptions,
    EvaluateOptions,
    FeaturesOptions,
    InsightsOptions,
    RegisterOptions,
    ReportOptions,
    TrainOptions,
)
from counterfoil.workspace.settings import LOCAL_BUCKET, PipelineSettings

PIPELINES = ("training", "detection")
INPUT_VERSION = "InputVersion"
LONGEST_VALUE = 256  # what SageMaker takes as one container argument


@dataclass(frozen=True)
class Parameter:
    """A pipeline's parameter. Without a default it must be given."""

    name: str
    meaning: str
    default: str | None = None
    kind: Kind = Kind.TEXT


def _of(step: type, option: str, name: str | None = None, **own: Any) -> Parameter:
    """The parameter that a step's option is given. A pipeline may have its `own` name, meaning and default for it.

    With the default MISSING it must be given.
    """
    [declared] = [one for one in options_of(step) if one.name == option]
    default = own.get("default", declared.default)
    text = None if default is MISSING else text_of(default)
    return Parameter(name or declared.parameter, own.get("meaning", declared.meaning), text, declared.kind)


_SOURCE = (
    Parameter("RawUri", "Prefix of the raw payment files", kind=Kind.FOLDER),
    _of(CollectOptions, "input_version"),
    _of(CollectOptions, "mapping"),
    _of(ReportOptions, "allow_failed_files", default=False),
    _of(FeaturesOptions, "label_delay_days"),
)
_TRAINING = (
    _of(TrainOptions, "since", "TrainFrom"),
    _of(TrainOptions, "until", "TrainUntil", default=MISSING),
    _of(EvaluateOptions, "since", "EvaluateFrom", default=MISSING),
    _of(EvaluateOptions, "until", "EvaluateUntil"),
    _of(EvaluateOptions, "champion", default=CHAMPION),
    *(_of(GateRules, rule.name) for rule in options_of(GateRules)),
    _of(RegisterOptions, "alias"),
)
INSIGHT_NOTEBOOK = "04_insight_report"
"""What detection runs on AWS. Here it is left out unless it is asked for: its kernel needs the extra `notebooks`."""
_DETECTION = (
    _of(DetectOptions, "release"),
    _of(DetectOptions, "policy"),
    _of(FeaturesOptions, "since", meaning="First day to score; '-' in both: the newly collected payments"),
    _of(FeaturesOptions, "until", meaning="Last day to score"),
    Parameter("DetectInstances", "Instances that share the payments to score", "1", Kind.INSTANCES),
)


def parameters(pipeline: str, settings: PipelineSettings) -> tuple[Parameter, ...]:
    """The parameters of a pipeline, in the order of its definition. Raises NotFoundError for an unknown pipeline."""
    if pipeline not in PIPELINES:
        raise NotFoundError(f"no pipeline {pipeline!r}: there are {', '.join(PIPELINES)}")
    notebook = NONE if settings.bucket == LOCAL_BUCKET else INSIGHT_NOTEBOOK
    shown = _of(InsightsOptions, "notebook", default=notebook)
    own = _TRAINING if pipeline == "training" else (*_DETECTION, shown)
    instances = (
        Parameter("InstanceType", "Instance type of the steps without a GPU", settings.instance_type),
        Parameter("GpuInstanceType", "Instance type of the steps that encode payments", settings.gpu_instance_type),
    )
    return (*_SOURCE, *own, *instances)


def check_values(pipeline: str, settings: PipelineSettings, given: Mapping[str, str], *, local: bool = False) -> None:
    """Raise UsageError for unknown, missing and unusable values, naming all of them at once.

    Locally, raw files may also lie anywhere on this machine.
    """
    known = {parameter.name: parameter for parameter in parameters(pipeline, settings)}
    unknown = [name for name in given if name not in known]
    missing = [name for name, parameter in known.items() if parameter.default is None and name not in given]
    wrong = [_complaint(known[name], value, local) for name, value in given.items() if name in known]
    problems = [
        *([f"unknown: {', '.join(unknown)}"] if unknown else []),
        *([f"missing: {', '.join(missing)}"] if missing else []),
        *(complaint for complaint in wrong if complaint),
        *_disorder(given),
    ]
    if problems:
        names = ", ".join(known)
        raise UsageError(f"parameters of pipeline '{pipeline}': {'; '.join(problems)} (there are: {names})")


def _complaint(parameter: Parameter, value: str, local: bool) -> str | None:
    if not value.strip() or len(value) > LONGEST_VALUE:
        return f"{parameter.name} has {len(value)} characters: give 1 to {LONGEST_VALUE}, '{NONE}' for none"
    if parameter.kind.fits(value) or (local and parameter.kind is Kind.FOLDER and value.startswith("/")):
        return None
    return f"{parameter.name} is {value!r}: give {parameter.kind.value}"


def _disorder(given: Mapping[str, str]) -> Sequence[str]:
    """Days that cannot follow one another as they must. Both ends of a span are included."""
    complaints = []
    for first, last in (("TrainFrom", "TrainUntil"), ("EvaluateFrom", "EvaluateUntil"), ("Since", "Until")):
        start, end = day_of(given.get(first, NONE)), day_of(given.get(last, NONE))
        if start and end and start > end:
            complaints.append(f"{first} {start} is after {last} {end}")
    trained, judged = day_of(given.get("TrainUntil", NONE)), day_of(given.get("EvaluateFrom", NONE))
    if trained and judged and judged <= trained:
        complaints.append(
            f"EvaluateFrom {judged} must be after TrainUntil {trained}: a candidate is judged on later days"
        )
    return complaints
