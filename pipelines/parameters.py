"""The parameters of the pipelines: name, default and meaning, and what a value must look like."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum

from counterfoil.domain.evaluation.gate import DEFAULT_RULES
from counterfoil.domain.periods import LABEL_DELAY_DAYS
from counterfoil.errors import NotFoundError, UsageError
from counterfoil.steps.releases.releases import CHALLENGER, CHAMPION
from counterfoil.workspace.settings import PipelineSettings

NONE = "-"
"""How an absent value is written: SageMaker refuses empty container arguments."""

PIPELINES = ("training", "detection")
INPUT_VERSION = "InputVersion"
LONGEST_VALUE = 256  # what SageMaker takes as one container argument


class Kind(Enum):
    """What a value must look like; the text is for people."""

    TEXT = "a text"
    FOLDER = "'s3://bucket/prefix'"
    DAY = "a day (YYYY-MM-DD) or '-'"
    NUMBER = "a number, 0 or more"
    SHARE = "a number from 0 to 1"
    COUNT = "a whole number, 1 or more"
    INSTANCES = "a whole number from 1 to 100"
    SWITCH = "'true' or 'false'"
    PLACE = f"'{CHALLENGER}' or '-' (a champion is promoted by a person, with 'counterfoil release promote')"


@dataclass(frozen=True)
class Parameter:
    """A pipeline's parameter. Without a default it must be given."""

    name: str
    meaning: str
    default: str | None = None
    kind: Kind = Kind.TEXT


_SOURCE = (
    Parameter("RawUri", "Prefix of the raw payment files", kind=Kind.FOLDER),
    Parameter(INPUT_VERSION, "Digest of the raw files and of what others brought into the lake: pins the step cache"),
    Parameter("Mapping", "Source mapping of the raw files: a shipped one's name"),
    Parameter(
        "AllowFailedFiles", "'true': files that cannot be collected do not fail the execution", "false", Kind.SWITCH
    ),
    Parameter("LabelDelayDays", "Days until a payment's label can be trusted", str(LABEL_DELAY_DAYS), Kind.NUMBER),
)
_TRAINING = (
    Parameter("TrainFrom", "First day to train on; '-': from the beginning", NONE, Kind.DAY),
    Parameter("TrainUntil", "Last day to train on; '-': to the end", kind=Kind.DAY),
    Parameter("EvaluateFrom", "First day to judge the candidate on; only labels known by then train it", kind=Kind.DAY),
    Parameter("EvaluateUntil", "Last day to judge the candidate on; '-': to the end", NONE, Kind.DAY),
    Parameter("Champion", "Release that the candidate is compared with: id or alias; '-': none", CHAMPION),
    Parameter(
        "Tolerance", "Average precision it may lose against the champion (lower bound of the 95 % interval)",
        f"{DEFAULT_RULES.tolerance:g}", Kind.SHARE,
    ),
    Parameter("MinAuc", "AUC that a candidate needs", f"{DEFAULT_RULES.min_auc:g}", Kind.SHARE),
    Parameter(
        "MinLift", "Average precision that a candidate needs: its odds, in multiples of the odds of a fraud",
        f"{DEFAULT_RULES.min_lift:g}", Kind.NUMBER,
    ),
    Parameter("MinFrauds", "Frauds that the days to judge on must have", str(DEFAULT_RULES.min_frauds), Kind.COUNT),
    Parameter("Alias", "Alias that the registered release gets", CHALLENGER, Kind.PLACE),
)  # fmt: skip
_DETECTION = (
    Parameter("Release", "Release that scores: id or alias", CHAMPION),
    Parameter("Since", "First day to score; '-' in both: the newly collected payments", NONE, Kind.DAY),
    Parameter("Until", "Last day to score", NONE, Kind.DAY),
    Parameter("DetectInstances", "Instances that share the payments to score", "1", Kind.INSTANCES),
)


def parameters(pipeline: str, settings: PipelineSettings) -> tuple[Parameter, ...]:
    """The parameters of a pipeline, in the order of its definition. Raises NotFoundError for an unknown pipeline."""
    if pipeline not in PIPELINES:
        raise NotFoundError(f"no pipeline {pipeline!r}: there are {', '.join(PIPELINES)}")
    own = _TRAINING if pipeline == "training" else _DETECTION
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
    if _fits(parameter.kind, value) or (local and parameter.kind is Kind.FOLDER and value.startswith("/")):
        return None
    return f"{parameter.name} is {value!r}: give {parameter.kind.value}"


def _fits(kind: Kind, value: str) -> bool:
    match kind:
        case Kind.FOLDER:
            return re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/.+", value) is not None
        case Kind.DAY:
            return value == NONE or _day(value) is not None
        case Kind.NUMBER:
            return re.fullmatch(r"\d+(\.\d+)?", value, re.ASCII) is not None
        case Kind.SHARE:
            return re.fullmatch(r"0(\.\d+)?|1(\.0+)?", value, re.ASCII) is not None
        case Kind.COUNT:
            return re.fullmatch(r"[1-9]\d{0,8}", value, re.ASCII) is not None
        case Kind.INSTANCES:
            return re.fullmatch(r"[1-9]\d?|100", value, re.ASCII) is not None
        case Kind.SWITCH:
            return value in ("true", "false")
        case Kind.PLACE:
            return value in (CHALLENGER, NONE)
        case Kind.TEXT:
            return True


def _day(value: str) -> date | None:
    try:
        # Python reads 20260131 and 2026-W05 too; the containers' options do not.
        return date.fromisoformat(value) if re.fullmatch(r"\d{4}-\d\d-\d\d", value, re.ASCII) else None
    except ValueError:
        return None


def _disorder(given: Mapping[str, str]) -> Sequence[str]:
    """Days that cannot follow one another as they must. Both ends of a span are included."""
    complaints = []
    for first, last in (("TrainFrom", "TrainUntil"), ("EvaluateFrom", "EvaluateUntil"), ("Since", "Until")):
        start, end = _day(given.get(first, NONE)), _day(given.get(last, NONE))
        if start and end and start > end:
            complaints.append(f"{first} {start} is after {last} {end}")
    trained, judged = _day(given.get("TrainUntil", NONE)), _day(given.get("EvaluateFrom", NONE))
    if trained and judged and judged <= trained:
        complaints.append(
            f"EvaluateFrom {judged} must be after TrainUntil {trained}: a candidate is judged on later days"
        )
    return complaints
