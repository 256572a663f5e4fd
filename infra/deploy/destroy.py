"""Remove an environment and all it holds: `python -m infra.deploy.destroy --environment dev --confirm counterfoil-dev`.

CloudFormation deletes no bucket that has objects and no database that is protected, and it leaves logs, task
definitions and snapshots. So what runs is stopped, buckets are emptied, stacks are deleted, the rest is removed, and
what is there all the same is named.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence

from counterfoil.errors import UsageError
from infra.deploy import rest, running
from infra.deploy.objects import empty_buckets
from infra.deploy.place import DeployError, Place, exit_code_of

STACKS = ("delivery", "insights", "streams", "scoring", "training", "lake", "network")
"""In this order: nobody's exports are read any more when a stack's turn comes."""
REPOSITORIES = "counterfoil-repositories"
_PAUSE_SECONDS = 15
_LONGEST_SECONDS = 90 * 60
"""A database's last snapshot and a canary's network interfaces take long; each stack is given this."""
_TRIES = 2
"""S3 may deliver an access log after its bucket was emptied: once more, then."""


def destroy(place: Place, *, repositories: bool = False, pause: Callable[[float], None] = time.sleep) -> None:
    """Remove everything of the environment; with `repositories` also the images, which environments share.

    Raises UsageError for an environment that keeps its data, DeployError that names what could not be removed.
    """
    require_removable(place)
    place.say("1 what runs")
    running.stop(place, pause)
    place.say("2 what would keep stacks from going")
    running.unprotect_database(place)
    empty_buckets(place)
    place.say("3 stacks")
    for stack in STACKS:
        _delete_stack(place, f"{place.prefix}-{stack}", pause)
    if repositories:
        _delete_stack(place, REPOSITORIES, pause)
        rest.remove_images(place)  # its stack leaves them
    place.say("4 what stacks leave")
    rest.remove(place)
    found = rest.left(place)
    if found:
        raise DeployError(f"{place.prefix} is not gone; there still is:\n  " + "\n  ".join(found))
    place.say(f"nothing of {place.prefix} is left; its key's deletion is scheduled by KMS")


def require_removable(place: Place) -> None:
    """Raise UsageError for an environment whose data outlives its stacks."""
    if place.environment.keep:
        raise UsageError(
            f"environment {place.environment.name!r} keeps its data: set `keep` to False in infra/environments.py, "
            "deploy that, and destroy it then"
        )


def _delete_stack(place: Place, name: str, pause: Callable[[float], None]) -> None:
    """Delete a stack and wait until it is gone. Raises DeployError with CloudFormation's reasons."""
    for left in reversed(range(_TRIES)):
        place.client("cloudformation").delete_stack(StackName=name)
        state = _end_of_deletion(place, name, pause)
        if state is None:
            place.say(f"  {name}")
            return
        if left:
            empty_buckets(place)
    raise DeployError(f"stack {name} ended as {state}: {'; '.join(_reasons(place, name)) or 'no reason given'}")


def _end_of_deletion(place: Place, name: str, pause: Callable[[float], None]) -> str | None:
    """None when the stack is gone, else the state in which it stays."""
    cloudformation = place.client("cloudformation")
    for _ in range(_LONGEST_SECONDS // _PAUSE_SECONDS):
        try:
            [stack] = cloudformation.describe_stacks(StackName=name)["Stacks"]
        except cloudformation.exceptions.ClientError as error:
            if error.response["Error"]["Code"] == "ValidationError":  # there is no such stack
                return None
            raise
        if stack["StackStatus"] != "DELETE_IN_PROGRESS":
            return None if stack["StackStatus"] == "DELETE_COMPLETE" else str(stack["StackStatus"])
        pause(_PAUSE_SECONDS)
    return f"DELETE_IN_PROGRESS for {_LONGEST_SECONDS // 60} minutes"


def _reasons(place: Place, name: str) -> list[str]:
    events = place.client("cloudformation").describe_stack_events(StackName=name)["StackEvents"]
    failed = [event for event in events if event.get("ResourceStatus") == "DELETE_FAILED"]
    return [f"{one['LogicalResourceId']}: {one.get('ResourceStatusReason', '')}" for one in failed[:5]]


def main(arguments: Sequence[str] | None = None) -> int:
    """0 gone, 1 something is left, 2 wrong usage."""
    parser = argparse.ArgumentParser(description="Remove an environment with all its data.")
    parser.add_argument("--environment", required=True)
    parser.add_argument("--confirm", required=True, help="the prefix of what is removed, as counterfoil-dev")
    parser.add_argument("--repositories", action="store_true", help="images too, which environments share")
    given = parser.parse_args(arguments)

    def work() -> None:
        place = Place.of(given.environment, "{}")
        if given.confirm != place.prefix:
            raise UsageError(f"--confirm is {given.confirm!r}: write {place.prefix!r}, whose data is then lost")
        destroy(place, repositories=given.repositories)

    return exit_code_of(work)


if __name__ == "__main__":
    sys.exit(main())
