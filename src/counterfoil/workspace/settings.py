"""The only reader of environment variables."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from counterfoil.adapters.files.unpacking import StreamLimits
from counterfoil.domain.evaluation.metrics import ALERTS_PER_DAY
from counterfoil.errors import UsageError

LOCAL_BUCKET = "counterfoil-local"
"""The bucket that the local session maps to the workspace folder."""

_SQLITE = "sqlite:///"
_S3 = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^/]+)*")


class Settings(BaseSettings):
    """Everything that differs between a laptop and AWS. Each field is `COUNTERFOIL_<NAME>` in the environment."""

    model_config = SettingsConfigDict(env_prefix="COUNTERFOIL_", extra="ignore")

    workspace: Path = Field(default=Path(".counterfoil"), description="Folder of tables, database and releases")
    lake: str | None = Field(default=None, description="'s3://bucket/prefix' of the tables; in the workspace if unset")
    glue_database: str = Field(default="counterfoil", description="Glue database of the tables in S3")
    ledger_table: str | None = Field(
        default=None, description="DynamoDB table of the claims on files; in PostgreSQL if unset"
    )
    database_url: SecretStr | None = Field(
        default=None, description="DSN of PostgreSQL with pgvector; embedded if unset"
    )
    database_url_secret: str | None = Field(default=None, description="Secrets Manager id that holds the DSN")
    database_auth: Literal["dsn", "iam"] = Field(
        default="dsn", description="'iam': log in with an RDS token in the password's place"
    )
    database_ca: Path | None = Field(
        default=None, description="Certificate authorities that may have signed the database's certificate"
    )
    pseudonym_key: SecretStr | None = Field(
        default=None, description="Key of the keyed hashes, 16 characters at least; made once per workspace if unset"
    )
    pseudonym_key_secret: str | None = Field(default=None, description="Secrets Manager id that holds the key")
    geoip_country: Path | None = Field(
        default=None, description="MaxMind database (.mmdb) of countries or cities, for the curated source IPs"
    )
    geoip_asn: Path | None = Field(default=None, description="MaxMind database (.mmdb) of autonomous systems")
    tracking_uri: str | None = Field(default=None, description="MLflow tracking URI; SQLite in the workspace if unset")
    text_model: str = Field(default="bundled", description="'bundled', a folder, or a model's name on the hub")
    device: str = Field(default="auto", description="'auto' (a GPU where torch sees one), 'cpu' or 'cuda'")
    half_precision: bool = Field(
        default=False, description="Find the nearest in half precision (for GPUs), then compare these in full"
    )
    batch_rows: int = Field(default=16_384, ge=1, description="Payments that are scored at once")
    unpack_most_bytes: int = Field(
        default=StreamLimits.most_bytes, ge=1, description="What a packed input file may unpack to, in bytes"
    )
    unpack_most_ratio: float = Field(
        default=StreamLimits.most_ratio, ge=1, description="What a packed input file may unpack to, times its size"
    )
    unpack_ratio_from_bytes: int = Field(
        default=StreamLimits.ratio_from_bytes, ge=1, description="Up to here the ratio does not matter"
    )
    profile_table: str | None = Field(
        default=None, description="DynamoDB table of the service's profiles; in PostgreSQL if unset"
    )
    payments_stream: str | None = Field(default=None, description="Kinesis data stream that 'watch' reads")
    alerts_topic: str | None = Field(default=None, description="ARN of the SNS topic for alerts; a log line if unset")
    alerts_webhook: SecretStr | None = Field(default=None, description="https address that alerts are posted to")
    alerts_webhook_key: SecretStr | None = Field(default=None, description="Key that signs what is posted there")
    alerts_per_day: int = Field(default=ALERTS_PER_DAY, ge=0, description="Alerts that are sent a day at most")
    alerts_window_minutes: float = Field(default=60, ge=0, description="One alert an account in so many minutes")
    metrics_namespace: str | None = Field(
        default=None, description="CloudWatch namespace of the metrics in the service's log; no such lines if unset"
    )
    trusted_gateway: bool = Field(
        default=False, description="Take caller and role from the headers of a gateway that overwrites them"
    )
    service_mapping: str | None = Field(
        default=None, description="Mapping of the service's payments, a name or a .toml file; the release's if unset"
    )
    service_processes: int = Field(
        default=1, ge=1, le=64, description="Processes that score at one address; one a core uses all of them"
    )
    service_threads: int = Field(default=8, ge=1, le=64, description="Requests that one process works on at once")
    service_waiting: int = Field(default=64, ge=1, description="Requests that may wait; beyond them the answer is 503")
    service_deadline_ms: int = Field(default=5000, ge=50, description="After so long a request is answered with 503")
    service_profile_deadline_ms: int = Field(
        default=200, ge=1, description="After so long a score is made without history"
    )
    service_body_bytes: int = Field(default=1_048_576, ge=1024, description="Bytes that a request's body may have")
    service_refresh_seconds: float = Field(
        default=5, gt=0, description="How often the service looks for a new champion and writes what profiles miss"
    )
    service_parity_a_minute: int = Field(
        default=5,
        ge=0,
        le=50,
        description="So many scored payments the service folds again each minute, as the batch does",
    )
    service_clock_ahead_hours: float = Field(
        default=24, ge=0, description="How far a payment's time may lie ahead of the service's clock"
    )
    service_release: str | None = Field(
        default=None, description="Release that the service scores with, an id or alias; the champion if unset"
    )
    analyses_from: str | None = Field(
        default=None,
        description="What analyses may read: a folder, or 's3://bucket/prefix' (then SageMaker runs them); "
        "the workspace's 'inbox' if unset",
    )
    feedback_acts: bool = Field(
        default=True, description="Whether feedback acts on scores at once, or at the next training only"
    )
    feedback_most_changed: float = Field(
        default=0.001, ge=0, le=1, description="Share of the last 10,000 decisions that one word of feedback may change"
    )
    ml_root: Path = Field(default=Path("/opt/ml"), description="Where SageMaker puts a job's folders")

    def as_environment(self) -> dict[str, str]:
        """The settings that were set, as variables for a process that is to see the same."""
        found = {name: getattr(self, name) for name in sorted(self.model_fields_set)}
        texts = {name: _as_text(value) for name, value in found.items() if value is not None}
        return {f"COUNTERFOIL_{name.upper()}": text for name, text in texts.items()}

    @property
    def unpack_limits(self) -> StreamLimits:
        """What packed input files may unpack to."""
        return StreamLimits(self.unpack_most_bytes, self.unpack_most_ratio, self.unpack_ratio_from_bytes)

    @field_validator("database_ca", "geoip_country", "geoip_asn")
    @classmethod
    def _is_whole(cls, value: Path | None) -> Path | None:
        """A path means the same to steps, which run in other folders."""
        return None if value is None else Path(value).expanduser().absolute()

    @field_validator("tracking_uri")
    @classmethod
    def _names_one_place(cls, value: str | None) -> str | None:
        """A file of SQLite, or a folder, means the same to steps, which run in other folders."""
        if value is None:
            return None
        if value.startswith(_SQLITE):
            return f"{_SQLITE}{Path(value.removeprefix(_SQLITE)).expanduser().absolute()}"
        return value if ":" in value else str(Path(value).expanduser().absolute())

    @field_validator("text_model")
    @classmethod
    def _is_one_folder(cls, value: str) -> str:
        """A model's folder means the same to steps, which run in other folders; a name on the hub stays one."""
        path = Path(value).expanduser()
        return str(path.absolute()) if value != "bundled" and path.is_dir() else value

    @field_validator("analyses_from")
    @classmethod
    def _is_one_place(cls, value: str | None) -> str | None:
        """A folder means the same to processes, which may run in other folders."""
        if value is None or value.startswith("s3://"):
            return cls._is_s3(value)
        return str(Path(value).expanduser().absolute())

    @field_validator("lake")
    @classmethod
    def _is_s3(cls, value: str | None) -> str | None:
        if value is not None and not _S3.fullmatch(value):
            raise ValueError(f"{value!r} is no 's3://bucket/prefix'")
        return value


def _as_text(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


class PipelineSettings(BaseSettings):
    """What the definitions of the pipelines need; `COUNTERFOIL_PIPELINE_<NAME>`. The defaults run locally."""

    model_config = SettingsConfigDict(env_prefix="COUNTERFOIL_PIPELINE_", extra="ignore")

    bucket: str = Field(default=LOCAL_BUCKET, description="Bucket of raw files, lake and executions")
    region: str = Field(default="eu-west-1", description="AWS region")
    name_prefix: str = Field(default="counterfoil", description="Pipelines are called <prefix>-training, -detection")
    registry: str = Field(default="counterfoil-local", description="ECR registry of the images")
    image_tag: str = Field(default="latest", description="Tag of the images")
    role: str = Field(
        default="arn:aws:iam::000000000000:role/counterfoil-pipeline", description="Role of the pipelines"
    )
    step_roles: dict[str, str] = Field(default_factory=dict, description="JSON: a step's name to its own role's ARN")
    instance_type: str = Field(default="ml.m5.xlarge", description="Instance type of steps without a GPU")
    gpu_instance_type: str = Field(default="ml.g6.xlarge", description="Instance type of train and detect")
    subnets: list[str] = Field(
        default_factory=list, description="JSON: subnets that the jobs run in, to reach a database there"
    )
    security_groups: list[str] = Field(default_factory=list, description="JSON: security groups of the jobs")
    environment: dict[str, str] = Field(
        default_factory=dict, description="JSON: COUNTERFOIL_ settings of the containers; no secrets, their ids only"
    )
    tags: dict[str, str] = Field(default_factory=lambda: {"project": "counterfoil"}, description="JSON: tags of all")


class MigrationSettings(BaseSettings):
    """Further settings of the task that sets up a database; `COUNTERFOIL_MIGRATION_<NAME>`."""

    model_config = SettingsConfigDict(env_prefix="COUNTERFOIL_MIGRATION_", extra="ignore")

    owner_secret: str | None = Field(default=None, description="Secrets Manager id of the owner's name and password")
    steps_user: str = Field(default="counterfoil_steps", description="User of the pipelines' steps")
    service_user: str = Field(default="counterfoil_service", description="User of service and watch")


def load_settings(workspace: Path | None = None) -> Settings:
    """Read the settings; `workspace` overrides the environment. Raises UsageError naming every bad variable."""
    with _bad_variables_named(Settings):
        return Settings() if workspace is None else Settings(workspace=workspace)


def load_pipeline_settings() -> PipelineSettings:
    """Read the settings of the pipelines. Raises UsageError naming every bad variable."""
    with _bad_variables_named(PipelineSettings):
        return PipelineSettings()


def load_migration_settings() -> MigrationSettings:
    """Read the migration's settings. Raises UsageError naming every bad variable."""
    with _bad_variables_named(MigrationSettings):
        return MigrationSettings()


@contextmanager
def _bad_variables_named(kind: type[BaseSettings]) -> Iterator[None]:
    prefix = kind.model_config["env_prefix"]
    try:
        yield
    except ValidationError as error:
        problems = "; ".join(f"{prefix}{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors())
        raise UsageError(f"settings: {problems}") from None
    except SettingsError as error:  # a variable that should be JSON and is not
        raise UsageError(f"settings: {error} (write it as JSON; variables begin with {prefix})") from None
