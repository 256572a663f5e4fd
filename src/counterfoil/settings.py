"""The only reader of environment variables."""

from pathlib import Path

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from counterfoil.errors import UsageError


class Settings(BaseSettings):
    """Everything that differs between a laptop and AWS. Each field is `COUNTERFOIL_<NAME>` in the environment."""

    model_config = SettingsConfigDict(env_prefix="COUNTERFOIL_", extra="ignore")

    workspace: Path = Field(default=Path(".counterfoil"), description="Folder of tables, database and releases")
    database_url: SecretStr | None = Field(
        default=None, description="DSN of PostgreSQL with pgvector; embedded if unset"
    )
    pseudonym_key: SecretStr | None = Field(
        default=None, description="Key of the keyed hashes, 16 characters at least; made once per workspace if unset"
    )
    tracking_uri: str | None = Field(default=None, description="MLflow tracking URI; SQLite in the workspace if unset")
    text_model: str = Field(default="bundled", description="'bundled', a folder, or a model's name on the hub")
    device: str = Field(default="auto", description="'auto' (a GPU where torch sees one), 'cpu' or 'cuda'")
    half_precision: bool = Field(
        default=False, description="Find the nearest in half precision (for GPUs), then compare these in full"
    )
    batch_rows: int = Field(default=16_384, ge=1, description="Payments that are scored at once")


def load_settings(workspace: Path | None = None) -> Settings:
    """Read the settings; `workspace` overrides the environment. Raises UsageError naming every bad variable."""
    try:
        return Settings() if workspace is None else Settings(workspace=workspace)
    except ValidationError as error:
        problems = "; ".join(f"COUNTERFOIL_{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors())
        raise UsageError(f"settings: {problems}") from None
