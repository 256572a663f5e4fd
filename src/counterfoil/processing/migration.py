"""Setting up a deployment's database: as its owner, whose password is a secret that RDS rotates."""

import sys

from counterfoil.adapters.aws.secrets import read_secret
from counterfoil.adapters.postgres.secret_dsn import dsn_of_secret
from counterfoil.adapters.postgres.tls import with_verified_tls
from counterfoil.adapters.postgres.users import set_up
from counterfoil.errors import CounterfoilError, UsageError
from counterfoil.processing.job import log
from counterfoil.workspace.settings import load_migration_settings, load_settings


def migrate() -> None:
    """Bring schema and users up to date. Raises UsageError, StoreUnavailableError."""
    settings, own = load_settings(), load_migration_settings()
    place_id = settings.database_url_secret
    if place_id is None or own.owner_secret is None:
        raise UsageError(
            "set COUNTERFOIL_DATABASE_URL_SECRET (the database's place) and COUNTERFOIL_MIGRATION_OWNER_SECRET"
        )
    place = dsn_of_secret(read_secret(place_id), place_id)
    dsn = dsn_of_secret(read_secret(own.owner_secret), own.owner_secret, base=place)
    set_up(with_verified_tls(dsn, settings.database_ca), steps=[own.steps_user], services=[own.service_user])
    log().info("migrated", users=[own.steps_user, own.service_user])


def main() -> int:
    """0 done, 1 failed, 2 wrong settings; the reason goes to standard error."""
    try:
        migrate()
    except UsageError as error:
        print(error, file=sys.stderr)  # noqa: T201 the container's own voice
        return 2
    except CounterfoilError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0
