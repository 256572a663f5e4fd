"""A service of ECS gets a new image, or the one before."""

import time
from collections.abc import Callable
from typing import Any

from infra.deploy.place import DeployError, Place

_KEPT = (
    "family", "taskRoleArn", "executionRoleArn", "networkMode", "containerDefinitions", "volumes",
    "placementConstraints", "requiresCompatibilities", "cpu", "memory", "runtimePlatform", "ephemeralStorage",
)  # fmt: skip
"""What a new revision takes over from the one before; the rest of its description is ECS's own."""
LONGEST_SECONDS = 15 * 60
"""Until when a rollout must have ended: ECS's circuit breaker gives up earlier."""
_PAUSE_SECONDS = 10


def service_name(place: Place, name: str) -> str:
    """What the service `scoring` or `watch` is called in the environment's cluster."""
    return f"{place.prefix}-{name}"


def running_definition(place: Place, name: str) -> str | None:
    """The task definition that the service runs, or None if there is no such service."""
    ecs = place.client("ecs")
    try:
        found = ecs.describe_services(cluster=place.prefix, services=[service_name(place, name)])["services"]
    except ecs.exceptions.ClusterNotFoundException:
        return None
    active = [one for one in found if one["status"] == "ACTIVE"]
    return str(active[0]["taskDefinition"]) if active else None


def image_of(place: Place, definition: str) -> str:
    """The image of a task definition's container."""
    described = place.client("ecs").describe_task_definition(taskDefinition=definition)["taskDefinition"]
    return str(described["containerDefinitions"][0]["image"])


def move_service(
    place: Place, name: str, digest: str, *, least: int, pause: Callable[[float], None] = time.sleep
) -> None:
    """Let the service run the image `digest`, with `least` tasks at least, and wait until it does.

    Raises DeployError with ECS's own reason if the tasks do not become healthy: ECS has then gone back by itself.
    """
    current = running_definition(place, name)
    if current is None:
        raise DeployError(f"there is no service {service_name(place, name)}: deploy the stacks first")
    ecs = place.client("ecs")
    described = ecs.describe_task_definition(taskDefinition=current)["taskDefinition"]
    image = described["containerDefinitions"][0]["image"]
    wanted = f"{image.partition('@')[0]}@{digest}"
    if image != wanted:
        described["containerDefinitions"][0]["image"] = wanted
        kept = {key: described[key] for key in _KEPT if key in described}
        current = ecs.register_task_definition(**kept)["taskDefinition"]["taskDefinitionArn"]
    use_definition(place, name, str(current), least=least, pause=pause)


def use_definition(
    place: Place, name: str, definition: str, *, least: int, pause: Callable[[float], None] = time.sleep
) -> None:
    """Let the service run a task definition, and wait until it does. Raises DeployError."""
    ecs, called = place.client("ecs"), service_name(place, name)
    [service] = ecs.describe_services(cluster=place.prefix, services=[called])["services"]
    count = max(int(service["desiredCount"]), least)
    ecs.update_service(cluster=place.prefix, service=called, taskDefinition=definition, desiredCount=count)
    for _ in range(LONGEST_SECONDS // _PAUSE_SECONDS):
        [service] = ecs.describe_services(cluster=place.prefix, services=[called])["services"]
        state, reason = rollout(service, definition)
        if state == "COMPLETED":
            return
        if state == "FAILED":
            raise DeployError(f"service {called} did not take {_short(definition)}: {reason}{_stopped(place, called)}")
        pause(_PAUSE_SECONDS)
    raise DeployError(f"service {called} has not settled on {_short(definition)} in {LONGEST_SECONDS // 60} minutes")


def rollout(service: dict[str, Any], definition: str) -> tuple[str, str]:
    """State of the rollout of a task definition, and ECS's reason for it."""
    mine = [one for one in service["deployments"] if one["taskDefinition"] == definition]
    if not mine:
        return "FAILED", "ECS has gone back to the definition before"
    return str(mine[0].get("rolloutState", "IN_PROGRESS")), str(mine[0].get("rolloutStateReason", "no reason given"))


def _stopped(place: Place, called: str) -> str:
    """Why tasks of the service stopped, as far as ECS knows."""
    ecs = place.client("ecs")
    arns = ecs.list_tasks(cluster=place.prefix, serviceName=called, desiredStatus="STOPPED")["taskArns"][:5]
    tasks = ecs.describe_tasks(cluster=place.prefix, tasks=arns)["tasks"] if arns else []
    reasons = sorted({str(task.get("stoppedReason", "")) for task in tasks} - {""})
    return f"; its tasks stopped: {'; '.join(reasons)}" if reasons else ""


def _short(definition: str) -> str:
    return definition.rpartition("/")[2]
