"""The environments, and what else one deployment needs. No account id stands here."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from counterfoil.errors import UsageError


@dataclass(frozen=True)
class Environment:
    """What differs between environments. Hours are UTC; sizes are AWS's names; `keep`: data outlives the stacks."""

    name: str
    region: str
    nat_gateways: int
    private_endpoints: bool
    database_class: str
    database_storage_gb: int
    backup_days: int
    tasks_least: int
    tasks_most: int
    task_cpu: int
    task_memory_mb: int
    raw_days: int
    executions_days: int
    requests_per_second: int
    keep: bool

    def __post_init__(self) -> None:
        if self.tasks_least > self.tasks_most:
            raise UsageError(
                f"environment {self.name!r}: tasks_least {self.tasks_least} is above tasks_most {self.tasks_most}"
            )
        if self.executions_days <= STEP_CACHE_DAYS:
            raise UsageError(
                f"environment {self.name!r}: executions_days {self.executions_days} is not above the "
                f"{STEP_CACHE_DAYS} days of the step cache, which would point at removed objects"
            )
        if self.keep and self.nat_gateways < ZONES:
            raise UsageError(
                f"environment {self.name!r}: nat_gateways {self.nat_gateways} leaves a zone without a way out when "
                f"another is down: give {ZONES}"
            )

    @property
    def prefix(self) -> str:
        """What the names of this environment's resources begin with."""
        return f"counterfoil-{self.name}"


STEP_CACHE_DAYS = 30
"""For how long SageMaker may take a step's result from an earlier execution (pipelines/jobs.py)."""
ZONES = 2
"""Availability zones: as many as a template that knows no account can name."""

DEV = Environment(
    name="dev", region="eu-west-1", nat_gateways=1, private_endpoints=False,
    database_class="t4g.medium", database_storage_gb=50, backup_days=7,
    tasks_least=1, tasks_most=2, task_cpu=1024, task_memory_mb=4096,
    raw_days=30, executions_days=45, requests_per_second=100, keep=False,
)  # fmt: skip
PROD = Environment(
    name="prod", region="eu-west-1", nat_gateways=2, private_endpoints=True,
    database_class="r8g.large", database_storage_gb=200, backup_days=35,
    tasks_least=2, tasks_most=24, task_cpu=2048, task_memory_mb=8192,
    raw_days=400, executions_days=45, requests_per_second=2000, keep=True,
)  # fmt: skip
ENVIRONMENTS = {environment.name: environment for environment in (DEV, PROD)}


@dataclass(frozen=True)
class Deployment:
    """What a deployment is told by `-c name=value`, because it belongs to an account and not to the code.

    `*_digest` are images by content: without one the tasks that need it do not run. `image_tag` is the tag of the
    pipelines' images. `watch` is 'yes' where payments come by the stream too. Empty text means: not wanted.
    """

    environment: Environment
    image_tag: str = "none"
    scoring_digest: str = ""
    detector_digest: str = ""
    migration_digest: str = ""
    jwt_issuer: str = ""
    jwt_audience: str = ""
    domain_name: str = ""
    hosted_zone_id: str = ""
    hosted_zone_name: str = ""
    sagemaker_domain_id: str = ""
    quicksight_user_arn: str = ""
    alert_email: str = ""
    github_repository: str = ""
    github_owner_id: str = ""
    github_repository_id: str = ""
    mapping: str = "counterfoil-simulated"
    watch: str = ""

    def __post_init__(self) -> None:
        for name, (pattern, example) in _FORMS.items():
            value = getattr(self, name)
            if value and not re.fullmatch(pattern, value):
                raise UsageError(f"{name} is {value!r}: write it like {example}")
        for group in _TOGETHER:
            given = [name for name in group if getattr(self, name)]
            missing = [name for name in group if name not in given]
            if given and missing:
                raise UsageError(f"{', '.join(given)} needs {', '.join(missing)} beside it: give -c {missing[0]}=...")
        if self.environment.keep and not self.jwt_issuer:
            raise UsageError(
                f"environment {self.environment.name!r} needs jwt_issuer and jwt_audience: without them no analyst "
                "could sign in. Give -c jwt_issuer=https://... -c jwt_audience=..."
            )
        if self.domain_name and not self.domain_name.endswith(f".{self.hosted_zone_name}"):
            raise UsageError(
                f"domain_name {self.domain_name!r} does not lie in hosted_zone_name {self.hosted_zone_name!r}"
            )

    @classmethod
    def of(cls, context: Mapping[str, Any]) -> "Deployment":
        """Read the CDK's context. Raises UsageError for a missing, unknown, ill-formed or contradictory setting."""
        name = str(context.get("environment", ""))
        if name not in ENVIRONMENTS:
            raise UsageError(f"environment is {name!r}: give -c environment={' or '.join(ENVIRONMENTS)}")
        known = {field.name for field in fields(cls)} - {"environment"}
        given = {key: str(value) for key, value in context.items() if not key.startswith(("@", "aws:", "cdk"))}
        given.pop("environment")
        unknown = sorted(given.keys() - known)
        if unknown:
            raise UsageError(f"no such setting: {', '.join(unknown)} (there are: {', '.join(sorted(known))})")
        return cls(environment=ENVIRONMENTS[name], **given)


_DIGEST = (r"sha256:[0-9a-f]{64}", "sha256: and 64 digits of 0-9a-f")
_FORMS: Mapping[str, tuple[str, str]] = {
    "image_tag": (r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", "a commit: 0a1b2c3"),
    "scoring_digest": _DIGEST,
    "detector_digest": _DIGEST,
    "migration_digest": _DIGEST,
    "jwt_issuer": (r"https://\S+", "https://login.example.com/"),
    "domain_name": (r"[a-z0-9-]+(\.[a-z0-9-]+)+", "fraud.example.com"),
    "hosted_zone_id": (r"Z[A-Z0-9]{5,31}", "Z0123456789ABC"),
    "sagemaker_domain_id": (r"d-[a-z0-9]{8,60}", "d-0123456789ab"),
    "quicksight_user_arn": (r"arn:aws[a-z-]*:quicksight:[^:]+:\d{12}:user/.+", "arn:aws:quicksight:...:user/..."),
    "watch": (r"yes", "yes"),
    "alert_email": (r"[^@\s]+@[^@\s]+\.[^@\s]+", "fraud@example.com"),
    "github_repository": (r"[A-Za-z0-9-]+/[A-Za-z0-9._-]+", "organisation/repository"),
    "github_owner_id": (r"\d+", "12345, as `gh api repos/ORG/REPO --jq .owner.id` says"),
    "github_repository_id": (r"\d+", "12345, as `gh api repos/ORG/REPO --jq .id` says"),
}
_TOGETHER = (
    ("jwt_issuer", "jwt_audience"),
    ("domain_name", "hosted_zone_id", "hosted_zone_name"),
    ("github_repository", "github_owner_id", "github_repository_id"),
)
