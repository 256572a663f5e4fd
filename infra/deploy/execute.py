"""Start a pipeline, wait for its end, and report how it went: `python -m infra.deploy.execute training -p NAME=VALUE`.

The start is the product's own (`counterfoil pipeline start`): it finds ids and digests that SageMaker cannot.
"""

import argparse
import json
import math
import os
import re
import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from counterfoil.errors import UsageError
from counterfoil.workspace.settings import PipelineSettings
from infra.deploy.errands import run_errand
from infra.deploy.place import DeployError, Place, exit_code_of

_PAUSE_SECONDS = 30
_ENDED = ("Succeeded", "Failed", "Stopped")


def start(place: Place, name: str, parameters: Sequence[str], pause: Callable[[float], None] = time.sleep) -> str:
    """Start an execution and return its ARN. Raises DeployError.

    It is started by the task that EventBridge runs too: CI may neither read the lake nor the registry.
    """
    begun = datetime.now(UTC)
    options = [part for one in parameters for part in ("-p", one)]
    run_errand(place, "start", f"exec {shlex.join(['counterfoil', 'pipeline', 'start', name, *options])}", pause=pause)
    newest = place.client("sagemaker").list_pipeline_executions(
        PipelineName=f"{place.prefix}-{name}", CreatedAfter=begun, SortBy="CreationTime", SortOrder="Descending"
    )["PipelineExecutionSummaries"]
    if not newest:
        raise DeployError(f"no execution of {place.prefix}-{name} was started: see the log /{place.prefix}/start")
    return str(newest[0]["PipelineExecutionArn"])


def wait(place: Place, arn: str, seconds: float, pause: Callable[[float], None] = time.sleep) -> Mapping[str, Any]:
    """Wait for the end of an execution. Raises DeployError after `seconds`."""
    sagemaker = place.client("sagemaker")
    for _ in range(int(seconds // _PAUSE_SECONDS) + 1):
        found: Mapping[str, Any] = sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)
        if found["PipelineExecutionStatus"] in _ENDED:
            return found
        pause(_PAUSE_SECONDS)
    raise DeployError(f"execution {arn} has not ended in {seconds / 3600:g} hours; it goes on: look at it in SageMaker")


def summary(name: str, execution: Mapping[str, Any], steps: Sequence[Mapping[str, Any]], figures: Any) -> str:
    """Markdown for the job's page: state, steps, and the figures that the candidate was judged by."""
    lines = [f"## {name}: {execution['PipelineExecutionStatus']}", ""]
    if execution.get("FailureReason"):
        lines += [f"> {execution['FailureReason']}", ""]
    lines += ["| step | state | why |", "|---|---|---|"]
    lines += [f"| {one['StepName']} | {one['StepStatus']} | {one.get('FailureReason', '')} |" for one in steps]
    if figures is not None:
        lines += ["", "```json", json.dumps(figures, indent=1, sort_keys=True), "```"]
    return "\n".join(lines) + "\n"


_FIGURES = {"training": "gate/verdict/verdict.json", "detection": "report/report/summary.json"}
"""Below an execution's folder: the verdict on a candidate, and the report on scores."""


def figures(place: Place, name: str, execution: str) -> Any:
    """What an execution found, or None if it did not come so far.

    S3 says AccessDenied, too, of an object that is not there to a role that may not list the bucket, such as CI's.
    """
    account = place.client("sts").get_caller_identity()["Account"]
    bucket = f"{place.prefix}-lake-{account}-{place.environment.region}"
    s3 = place.client("s3")
    try:
        found = s3.get_object(Bucket=bucket, Key=f"executions/{execution}/{_FIGURES[name]}")
    except s3.exceptions.ClientError as error:
        if error.response["Error"]["Code"] not in ("NoSuchKey", "AccessDenied"):
            raise
        return None
    return json.loads(found["Body"].read())


def execute(place: Place, name: str, parameters: Sequence[str], hours: float) -> None:
    """Start, wait, report. Raises DeployError if the execution does not succeed, after its report."""
    arn = start(place, name, parameters)
    ended = wait(place, arn, hours * 3600)
    pages = (
        place.client("sagemaker")
        .get_paginator("list_pipeline_execution_steps")
        .paginate(PipelineExecutionArn=arn, SortOrder="Ascending")
    )
    steps = [step for page in pages for step in page["PipelineExecutionSteps"]]
    execution = arn.rpartition("/")[2]
    _publish(summary(name, ended, steps, figures(place, name, execution)))
    if ended["PipelineExecutionStatus"] != "Succeeded":
        raise DeployError(f"execution {execution} of {name} ended as {ended['PipelineExecutionStatus']}")


def _publish(text: str) -> None:
    page = os.environ.get("GITHUB_STEP_SUMMARY")
    if page:
        with Path(page).open("a", encoding="utf-8") as file:
            file.write(text)
    print(text)  # noqa: T201 the job's log


def main(arguments: Sequence[str] | None = None) -> int:
    """0 succeeded, 1 failed, 2 wrong usage."""
    parser = argparse.ArgumentParser(description="Start a pipeline and wait for its end.")
    parser.add_argument("name", choices=("training", "detection"))
    parser.add_argument("--environment", required=True)
    parser.add_argument("--hours", type=float, default=6)
    parser.add_argument("-p", "--param", action="append", default=[], help="NAME=VALUE of the pipeline")
    parser.add_argument("--parameters", default="", help="the same, one a line or with spaces between")
    given = parser.parse_args(arguments)

    def work() -> None:
        place = Place.of(given.environment, "{}")
        found = read_parameters(given.param, given.parameters)
        require_values(given.name, found)
        execute(place, given.name, found, require_hours(given.hours))

    return exit_code_of(work)


def read_parameters(single: Sequence[str], many: str) -> list[str]:
    """Both ways of giving parameters, as NAME=VALUE. Raises UsageError for anything else."""
    # A text with line ends has one parameter a line: a value may then have spaces.
    parts = many.splitlines() if "\n" in many.strip() else many.split()
    found = [*single, *(part.strip() for part in parts if part.strip())]
    wrong = [one for one in found if not re.fullmatch(r"[A-Za-z]\w*=.+", one, re.DOTALL)]
    if wrong:
        raise UsageError(f"{wrong[0]!r} is no parameter: write NAME=VALUE, as Mapping=counterfoil-simulated")
    return found


def require_values(name: str, found: Sequence[str]) -> None:
    """Raise UsageError for unknown, missing and unusable parameters, before a task is started for them."""
    from pipelines.parameters import INPUT_VERSION, check_values

    # The task finds the version of the input, which only it may read.
    given = {INPUT_VERSION: "later", **dict(one.split("=", 1) for one in found)}
    check_values(name, PipelineSettings(), given)


def require_hours(hours: float) -> float:
    """The hours, which are some. Raises UsageError."""
    if not math.isfinite(hours) or hours <= 0:
        raise UsageError(f"--hours is {hours:g}: give a number above 0")
    return hours


if __name__ == "__main__":
    sys.exit(main())
