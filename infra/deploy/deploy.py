"""Deploy a commit: `python -m infra.deploy.deploy --environment prod --tag 0a1b2c3`.

A look at what would be destroyed, images by content, the stacks, the database's schema, the services, the
pipelines, and one payment. If that payment is not scored, services and pipelines go back to what ran before.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from counterfoil.errors import UsageError
from infra.deploy import changes, errands, images, pipelines, service, smoke
from infra.deploy.place import DeployError, Place, aws_refusals, exit_code_of
from infra.environments import Deployment
from infra.parts.task import NO_DIGEST

SERVICES = ("scoring", "watch")


@dataclass(frozen=True)
class Before:
    """What ran before: task definitions by service, and the pipelines' definitions."""

    definitions: Mapping[str, str | None]
    pipelines: pipelines.Definitions

    @classmethod
    def of(cls, place: Place) -> "Before":
        """What runs now."""
        running = {name: service.running_definition(place, name) for name in SERVICES}
        return cls(running, pipelines.deployed_definitions(place))

    def digest(self, place: Place) -> str | None:
        """The scoring image by content, None if nothing was running."""
        definition = self.definitions["scoring"]
        digest = service.image_of(place, definition).partition("@")[2] if definition else ""
        return digest if digest not in ("", NO_DIGEST) else None


def deploy(
    place: Place, tag: str, *, first: bool = False, smoke_test: Callable[[Place], None] = smoke.smoke_test
) -> None:
    """Deploy the commit `tag`. Raises DeployError; after a failed smoke test the services are as they were.

    `first`: there is no champion yet, and a service without one does not start. So none is started.
    Raises UsageError for a setting that no stack can be made of, before anything is touched.
    """
    require_settings(place, tag)
    place.say("1 changes")
    with tempfile.TemporaryDirectory() as folder:
        _synthesise(place, Path(folder), {"image_tag": tag})
        place.say("2 repositories")
        place.cdk(
            "deploy", "counterfoil-repositories", "--app", folder, "--require-approval", "never", settings={}
        )  # fmt: skip
    place.say("3 images")
    digests = images.push_images(place, tag)
    before = Before.of(place)
    running = before.digest(place)
    # CloudFormation keeps the image that runs: services are moved below, where they can be moved back in a minute.
    settings = {
        "image_tag": tag, "scoring_digest": running or ("" if first else digests["scoring"]),
        "detector_digest": digests["detector"], "migration_digest": digests["migration"],
    }  # fmt: skip
    place.say("4 stacks")
    with tempfile.TemporaryDirectory() as folder:
        _synthesise(place, Path(folder), settings)
        place.cdk("diff", "--app", folder, settings={})
        place.cdk("deploy", "--all", "--app", folder, "--require-approval", "never", settings={})
    place.say("5 database")
    errands.run_errand(place, "migrate")
    if first:
        place.say("no service is started: train a release, promote it, and deploy again without --first")
        return
    try:
        with aws_refusals():
            _release(place, digests["scoring"], tag)
            place.say("8 smoke test")
            smoke_test(place)
    except DeployError as error:
        raise DeployError(f"{error}\n{_gone_back(place, before, running)}") from error
    place.say(f"deployed {tag} to {place.environment.name}")


def require_settings(place: Place, tag: str) -> None:
    """Raise UsageError that names a missing, unknown or contradictory setting."""
    if not tag:
        raise UsageError("--tag is '': give the commit, as $(git rev-parse HEAD)")
    Deployment.of({"environment": place.environment.name, **place.context, "image_tag": tag})


def _synthesise(place: Place, folder: Path, settings: Mapping[str, str]) -> None:
    """Write the templates. Raises DeployError if they would destroy what keeps data."""
    place.cdk("synth", "--quiet", "--output", str(folder), settings=settings)
    changes.require_nothing_destroyed(place, folder)


def _release(place: Place, digest: str, tag: str) -> None:
    place.say("6 services")
    service.move_service(place, "scoring", digest, least=place.environment.tasks_least)
    service.move_service(place, "watch", digest, least=1 if place.context.get("watch") else 0)
    place.say("7 pipelines")
    changed = pipelines.put_definitions(place, pipelines.wanted_definitions(place, tag))
    place.say(f"  {', '.join(changed) or 'as CloudFormation left them'}")


def roll_back(place: Place, before: Before) -> None:
    """Let services and pipelines run what ran before. What was not there before stays."""
    place.say("9 rollback")
    for name, definition in before.definitions.items():
        if definition and not service.image_of(place, definition).endswith(NO_DIGEST):
            service.use_definition(place, name, definition, least=0)
    pipelines.put_definitions(place, before.pipelines)


def _gone_back(place: Place, before: Before, running: str | None) -> str:
    """Roll back, and tell what runs now: also that it is not known, if the way back fails too."""
    try:
        with aws_refusals():
            roll_back(place, before)
    except DeployError as error:
        return f"the rollback failed too: {error}\nwhat ran before: {running}; deploy the commit before"
    return _what_runs(running)


def _what_runs(digest: str | None) -> str:
    if digest is None:
        return "nothing ran before, so there is nothing to go back to: the service stays as it is"
    return f"rolled back: service and pipelines run what ran before ({digest})"


def main(arguments: Sequence[str] | None = None) -> int:
    """0 deployed, 1 stopped with the reason, 2 wrong usage."""
    parser = argparse.ArgumentParser(description="Deploy a commit.")
    parser.add_argument("--environment", required=True)
    parser.add_argument("--tag", required=True, help="the commit, which is the images' tag")
    parser.add_argument("--context", default="{}", help="JSON: settings of the site (infra/environments.py)")
    parser.add_argument("--first", action="store_true", help="there is no champion yet: start no service")
    given = parser.parse_args(arguments)
    return exit_code_of(lambda: deploy(Place.of(given.environment, given.context), given.tag, first=given.first))


if __name__ == "__main__":
    sys.exit(main())
