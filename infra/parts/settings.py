"""The COUNTERFOIL_ settings of containers: one place, compared with the code that reads them."""

from collections.abc import Mapping
from dataclasses import dataclass

from aws_cdk import aws_secretsmanager as secrets

from counterfoil.errors import UsageError
from counterfoil.workspace.settings import Settings

CERTIFICATES = "/opt/counterfoil/rds-ca.pem"
"""Where the images keep RDS's certificate authorities."""
WORK = "/var/lib/counterfoil"
"""The one folder of an image that may be written."""


@dataclass(frozen=True)
class Stores:
    """Where the stores are, by name, for containers of one environment."""

    lake_bucket: str
    glue_database: str
    ledger_table: str
    pseudonym_key: secrets.ISecret
    tracking_arn: str

    def settings(self, database_place: secrets.ISecret) -> dict[str, str]:
        """The settings of a container that logs in to the database at `database_place`, without the pipelines' own."""
        return checked(
            {
                "database_url_secret": database_place.secret_arn,
                "database_auth": "iam",
                "database_ca": CERTIFICATES,
                "glue_database": self.glue_database,
                "ledger_table": self.ledger_table,
                "pseudonym_key_secret": self.pseudonym_key.secret_arn,
                "tracking_uri": self.tracking_arn,
                "workspace": WORK,
            }
        )

    @property
    def lake(self) -> dict[str, str]:
        """Where the lake is; the pipelines say it by themselves."""
        return checked({"lake": f"s3://{self.lake_bucket}/lake"})


def of_service(**settings: str) -> dict[str, str]:
    """Settings that only the service's code reads: none where this commit has no service yet."""
    return checked({name: value for name, value in settings.items() if name in Settings.model_fields})


def checked(settings: Mapping[str, str]) -> dict[str, str]:
    """Settings as environment variables. Raises UsageError for one that the code does not read."""
    unknown = sorted(settings.keys() - Settings.model_fields.keys())
    if unknown:
        raise UsageError(
            f"no container reads {', '.join(unknown)}: counterfoil.workspace.settings.Settings has no such field"
        )
    return {f"COUNTERFOIL_{name.upper()}": value for name, value in settings.items()}
