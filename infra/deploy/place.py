"""Where a deployment goes, and how its commands are run."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from counterfoil.errors import CounterfoilError, UsageError
from infra.environments import ENVIRONMENTS, Environment

ROOT = Path(__file__).parents[2]
Run = Callable[[Sequence[str]], None]
"""Runs a command in the repository's root and raises DeployError if it fails."""


class DeployError(CounterfoilError):
    """A deployment that was stopped; the message says at which resource and what to do."""


def exit_code_of(work: Callable[[], object]) -> int:
    """Do a command's work; print why it failed to stderr. 0 done, 1 stopped by AWS or a check, 2 wrong usage."""
    try:
        work()
    except CounterfoilError as error:
        print(error, file=sys.stderr)  # noqa: T201 the workflow shows it
        return 1 if isinstance(error, DeployError) else 2
    return 0


def run_here(command: Sequence[str]) -> None:
    """Run a command and show what it says. Raises DeployError with its exit code."""
    done = subprocess.run(command, cwd=ROOT, check=False)
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
        """An output of a deployed stack. Raises DeployError if it has none of that name."""
        described = self.client("cloudformation").describe_stacks(StackName=f"{self.prefix}-{stack}")["Stacks"][0]
        outputs = {one["OutputKey"]: one["OutputValue"] for one in described.get("Outputs", [])}
        if name not in outputs:
            raise DeployError(f"stack {self.prefix}-{stack} has no output {name}: deploy it again from this commit")
        return str(outputs[name])

    def cdk(self, verb: str, *stacks: str, settings: Mapping[str, str]) -> None:
        """Run the CDK's command line with this site's context and these settings."""
        context = {"environment": self.environment.name, **self.context, **settings}
        given = [part for name, value in context.items() for part in ("-c", f"{name}={value}")]
        self.run(["npx", "--prefix", "infra", "cdk", verb, *stacks, *given])
