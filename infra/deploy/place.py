"""Where a deployment goes, and how its commands are run."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from counterfoil.adapters.aws.clients import aws_reported
from counterfoil.errors import CounterfoilError, StoreUnavailableError, UsageError
from infra.environments import ENVIRONMENTS, Environment

ROOT = Path(__file__).parents[2]
OWN_SETTINGS = frozenset(("environment", "image_tag", "scoring_digest", "detector_digest", "migration_digest"))
"""Settings of the CDK that come from a deployment's other arguments and from ECR, never from a site's context."""
Run = Callable[[Sequence[str]], None]
"""Runs a command in the repository's root and raises DeployError if it fails."""


class DeployError(CounterfoilError):
    """A deployment that was stopped; the message says at which resource and what to do."""


def exit_code_of(work: Callable[[], object]) -> int:
    """Do a command's work; print why it failed to stderr. 0 done, 1 stopped by AWS or a check, 2 wrong usage."""
    try:
        with aws_refusals():
            work()
    except CounterfoilError as error:
        print(error, file=sys.stderr)  # noqa: T201 the workflow shows it
        return 2 if isinstance(error, UsageError) else 1
    return 0


@contextmanager
def aws_refusals() -> Iterator[None]:
    """Turn a call that AWS refuses, or that does not reach it, into DeployError with the call, reason and way out."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        call = f"AWS's {error.operation_name}" if isinstance(error, ClientError) else "AWS"
        try:
            with aws_reported(call):
                raise
        except StoreUnavailableError as refused:
            raise DeployError(str(refused)) from None


def run_here(command: Sequence[str]) -> None:
    """Run a command and show what it says. Raises DeployError with its exit code, or if it is not here."""
    try:
        done = subprocess.run(command, cwd=ROOT, check=False)
    except OSError as error:
        raise DeployError(f"{command[0]} cannot be run ({error.strerror}): install it, or use `make deploy`") from None
    if done.returncode:
        raise DeployError(f"`{' '.join(command[:4])} ...` ended with {done.returncode}: see above")


@dataclass(frozen=True)
class Place:
    """An environment in the account and region of boto3's configuration. `context`: what its site adds to the CDK."""

    environment: Environment
    context: Mapping[str, str] = field(default_factory=dict)
    run: Run = run_here
    say: Callable[[str], None] = print

    @classmethod
    def of(cls, environment: str, context: str) -> "Place":
        """From arguments; `context` is JSON. Raises UsageError."""
        if environment not in ENVIRONMENTS:
            raise UsageError(f"environment is {environment!r}: there are {', '.join(ENVIRONMENTS)}")
        try:
            given = json.loads(context or "{}")
        except json.JSONDecodeError as error:
            raise UsageError(f"--context is no JSON ({error}): give an object of settings and texts") from None
        if not isinstance(given, dict):
            raise UsageError('--context is no JSON object: give {"jwt_issuer": "https://..."}')
        own = sorted(given.keys() & OWN_SETTINGS)
        if own:
            raise UsageError(f"--context gives {', '.join(own)}: the deployment finds these by itself, leave them out")
        return cls(ENVIRONMENTS[environment], {key: str(value) for key, value in given.items()})

    @property
    def prefix(self) -> str:
        """What the names of this environment's resources begin with."""
        return self.environment.prefix

    def client(self, service: str) -> Any:
        """boto3's client of a service, made once: that takes a tenth of a second."""
        if service not in self._clients:
            self._clients[service] = self._session.client(service)
        return self._clients[service]

    @cached_property
    def _clients(self) -> dict[str, Any]:
        return {}

    @cached_property
    def _session(self) -> Any:
        import boto3

        return boto3.Session(region_name=self.environment.region)

    def output(self, stack: str, name: str) -> str:
        """An output of a deployed stack. Raises DeployError if there is no such stack, or none of that name in it."""
        cloudformation = self.client("cloudformation")
        try:
            [described] = cloudformation.describe_stacks(StackName=f"{self.prefix}-{stack}")["Stacks"]
        except cloudformation.exceptions.ClientError as error:
            if (
                error.response["Error"]["Code"] != "ValidationError"
            ):  # what CloudFormation says of one that is not there
                raise
            raise DeployError(
                f"there is no stack {self.prefix}-{stack}: deploy {self.environment.name} first "
                "(infra/README.md, 'Runbook')"
            ) from None
        outputs = {one["OutputKey"]: one["OutputValue"] for one in described.get("Outputs", [])}
        if name not in outputs:
            raise DeployError(f"stack {self.prefix}-{stack} has no output {name}: deploy it again from this commit")
        return str(outputs[name])

    def cdk(self, verb: str, *stacks: str, settings: Mapping[str, str]) -> None:
        """Run the CDK's command line with this site's context and these settings."""
        context = {"environment": self.environment.name, **self.context, **settings}
        given = [part for name, value in context.items() for part in ("-c", f"{name}={value}")]
        self.run(["npx", "--prefix", "infra", "cdk", verb, *stacks, *given])
