"""Tasks that run once, to their end: setting up the database, starting a pipeline."""

import json
import time
from collections.abc import Callable
from typing import Any

from infra.deploy.place import DeployError, Place
from infra.parts.errands import ERRANDS

_PAUSE_SECONDS = 5
_LONGEST_SECONDS = 10 * 60


def run_errand(
    place: Place, name: str, command: str | None = None, *, pause: Callable[[float], None] = time.sleep
) -> None:
    """Run the task `migrate` or `start` (with a shell's command) to its end. Raises DeployError with its reason."""
    ecs = place.client("ecs")
    where = json.loads(place.output("training", ERRANDS))
    override = {} if command is None else {"overrides": {"containerOverrides": [{"name": name, "command": [command]}]}}
    network = {"subnets": where["subnets"], "securityGroups": [where["group"]]}
    started = ecs.run_task(
        cluster=place.prefix, taskDefinition=where[name], launchType="FARGATE",
        networkConfiguration={"awsvpcConfiguration": network}, **override,
    )  # fmt: skip
    if not started["tasks"]:
        raise DeployError(f"the task {name} could not be started: {started.get('failures')}")
    arn = started["tasks"][0]["taskArn"]
    for _ in range(_LONGEST_SECONDS // _PAUSE_SECONDS):
        [task] = ecs.describe_tasks(cluster=place.prefix, tasks=[arn])["tasks"]
        if task["lastStatus"] == "STOPPED":
            return require_done(place, name, task)
        pause(_PAUSE_SECONDS)
    raise DeployError(f"the task {name} ({arn}) has not ended in {_LONGEST_SECONDS // 60} minutes: look at its log")


def require_done(place: Place, name: str, task: Any) -> None:
    """Raise DeployError unless the task's container has ended with 0."""
    codes = [container.get("exitCode") for container in task["containers"]]
    if codes != [0]:
        reason = task.get("stoppedReason") or "no reason given"
        raise DeployError(f"the task {name} ended with {codes} ({reason}): its log is /{place.prefix}/{name}")
