"""The pipelines by name."""

import json
import warnings
from typing import TYPE_CHECKING, Any

from counterfoil.domain.options import Kind
from counterfoil.domain.tables import ADDRESSES, FORGOTTEN_TABLE, LABELS_TABLE, TRANSACTIONS
from counterfoil.errors import UsageError
from counterfoil.workspace.settings import PipelineSettings
from pipelines.builders import JOBS
from pipelines.detection import detection
from pipelines.jobs import Site
from pipelines.parameters import PIPELINES, Parameter, parameters
from pipelines.telemetry import offline_session, silence_sdk
from pipelines.training import training

if TYPE_CHECKING:
    from sagemaker.mlops.workflow.pipeline import Pipeline

__all__ = ["JOBS", "PIPELINES", "build", "definition", "pipeline_name"]

LAKE_TABLES = (ADDRESSES, FORGOTTEN_TABLE, LABELS_TABLE, TRANSACTIONS)
"""The tables that the pipelines read. Each must have a manifest before an execution starts: SageMaker fails a job
whose input prefix has no object."""

DESCRIPTIONS = {
    "training": "Train a release on labelled payments, judge it against the champion, register it as challenger",
    "detection": "Score new payments with a release, publish the scores, report",
}
_STEPS = {"training": training, "detection": detection}


def pipeline_name(name: str, settings: PipelineSettings) -> str:
    """What the pipeline is called on SageMaker."""
    return f"{settings.name_prefix}-{name}"


def build(name: str, settings: PipelineSettings, session: Any) -> "Pipeline":
    """The pipeline `name` as the SDK's object, for a session of the SDK (a PipelineSession).

    Raises NotFoundError for an unknown name, UsageError for settings that no pipeline can be built from.
    """
    declared = parameters(name, settings)
    unknown = sorted(set(settings.step_roles) - set(JOBS))
    if unknown:
        raise UsageError(
            f"COUNTERFOIL_PIPELINE_STEP_ROLES names no step: {', '.join(unknown)} (steps: {', '.join(JOBS)})"
        )
    silence_sdk()
    from sagemaker.mlops.workflow.pipeline import Pipeline

    with warnings.catch_warnings():
        # That no job is started here: it is what a definition is for.
        warnings.filterwarnings("ignore", message="Running within a PipelineSession")
        values = {parameter.name: _variable(parameter) for parameter in declared}
        return Pipeline(
            name=pipeline_name(name, settings),
            parameters=list(values.values()),
            steps=_STEPS[name](Site(settings, session, values)),
            # Experiments are kept in MLflow; the SDK's default would make more of them, and differ by region.
            pipeline_experiment_config=None,
            sagemaker_session=session,
        )


def definition(name: str, settings: PipelineSettings) -> str:
    """The definition as SageMaker takes it: JSON, indented, keys sorted, the same on each machine."""
    content = json.loads(build(name, settings, offline_session(settings)).definition())
    return json.dumps(content, indent=1, sort_keys=True) + "\n"


def _variable(parameter: Parameter) -> Any:
    """The SDK's parameter. All are texts, as container arguments are, but the number of instances."""
    from sagemaker.core.workflow.parameters import ParameterInteger, ParameterString

    if parameter.kind is Kind.INSTANCES:
        return ParameterInteger(name=parameter.name, default_value=int(parameter.default or 1))
    return ParameterString(name=parameter.name, default_value=parameter.default)
