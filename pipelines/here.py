"""Run a pipeline in a workspace of this machine, and look at what its steps wrote."""

import json
import signal
import sys
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

from pydantic import SecretStr

from counterfoil.cores import cores
from counterfoil.errors import PipelineError, UsageError
from counterfoil.workspace.settings import LOCAL_BUCKET, PipelineSettings, Settings, load_pipeline_settings
from counterfoil.workspace.wiring import Workspace
from pipelines.catalogue import build
from pipelines.local.events import OnEvent
from pipelines.local.jobs import Machine
from pipelines.local.objects import Objects
from pipelines.local.record import LocalExecution
from pipelines.local.run import run_pipeline
from pipelines.preparation import prepare_start
from pipelines.telemetry import offline_session, require_sdk


def run_here(
    name: str,
    given: Mapping[str, str],
    place: Workspace,
    *,
    on_event: OnEvent,
    settings: PipelineSettings | None = None,
    use_cache: bool = True,
) -> LocalExecution:
    """Run a pipeline to its end, reporting to `on_event`. Raises PipelineError with the log's tail if it fails."""
    if place.settings.lake is not None:
        raise UsageError(f"COUNTERFOIL_LAKE is {place.settings.lake!r}, and 'run' keeps the lake here: unset it")
    # What is set for the containers on AWS names stores there.
    here = (settings or load_pipeline_settings()).model_copy(update={"bucket": LOCAL_BUCKET, "environment": {}})
    values, session = _prepared(name, given, here, place)
    execution = run_pipeline(
        lambda pipeline: build(pipeline, here, session), name, place.root, values,
        on_event=on_event, machine=Machine(use_cache=use_cache, ahead=cores() > 1),
        environment=_for_steps(place.settings),
    )  # fmt: skip
    if execution.failure is not None:
        raise PipelineError("\n".join([execution.failure, *execution.log_tail]))
    return execution


_NOT_FOR_STEPS = {"workspace", "lake", "ml_root"}
"""The session gives each step its own; a lake elsewhere and an ml_root are refused."""


def _for_steps(settings: Settings) -> dict[str, str]:
    """All settings that were set, by the names of their variables, as they are meant here: paths are whole.

    Raises UsageError for a setting that no step would follow.
    """
    if "ml_root" in settings.model_fields_set:
        raise UsageError("COUNTERFOIL_ML_ROOT is set, and 'run' gives each step a folder of its own: unset it")
    found = {name: getattr(settings, name) for name in sorted(settings.model_fields_set - _NOT_FOR_STEPS)}
    return {f"COUNTERFOIL_{name.upper()}": _as_text(value) for name, value in found.items() if value is not None}


def _as_text(value: Any) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def _prepared(
    name: str, given: Mapping[str, str], settings: PipelineSettings, place: Workspace
) -> tuple[dict[str, str], Any]:
    """The pipeline's parameters, and a session of the SDK.

    Names become ids by MLflow, whose import takes as long as the SDK's: a process of its own does that meanwhile.
    """
    require_sdk()
    if "sagemaker" in sys.modules:
        return prepare_start(name, given, settings, place, local=True), offline_session(settings)
    with ProcessPoolExecutor(1, get_context("spawn"), initializer=_leave_ctrl_c_to_the_parent) as other:
        values = other.submit(_prepare, name, dict(given), settings, place.settings)
        session = offline_session(settings)
        return values.result(), session


def _prepare(name: str, given: dict[str, str], settings: PipelineSettings, workspace: Settings) -> dict[str, str]:
    return prepare_start(name, given, settings, Workspace(workspace), local=True)


def _leave_ctrl_c_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def output(execution: LocalExecution, place: Workspace, step: str, channel: str, name: str) -> Any:
    """Read a JSON file that a step of the execution wrote to an output channel."""
    folder = Objects(place.root).path(execution.step(step).outputs[channel])
    return json.loads((folder / name).read_text(encoding="utf-8"))
