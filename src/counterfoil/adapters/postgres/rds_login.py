"""Logging in to PostgreSQL on RDS as an IAM role: a token, good for 15 minutes, in the password's place."""

import re
from collections.abc import Callable
from pathlib import Path

from psycopg.conninfo import make_conninfo

from counterfoil.adapters.aws.clients import aws_client, aws_reported
from counterfoil.adapters.postgres.tls import FULL, Parts, parsed, place, with_verified_tls
from counterfoil.errors import UsageError

_RDS_HOST = re.compile(r".+\.([a-z0-9-]+)\.rds\.amazonaws\.com(\.cn)?\.?")


def iam_login(dsn: str, ca: Path | None) -> Callable[[], str]:
    """Return a function that gives a DSN with a new token for each connection; nothing is asked of RDS for it.

    `dsn` names one host and the user (granted rds_iam); a password in it is not used. The server's certificate
    and name are always verified (sslmode=verify-full), against `ca`, the DSN's sslrootcert or the machine's
    authorities. The region is that in the host's name, else the environment's. Raises UsageError for a DSN
    that does not fit; the function raises StoreUnavailableError without AWS credentials.
    """
    parts = parsed(dsn)
    _require_usable(parts)
    verified = with_verified_tls(make_conninfo(dsn, password=""), ca, trust_loopback=False)
    host, port, user = str(parts["host"]), int(parts.get("port") or 5432), str(parts["user"])
    client = aws_client("rds", _region(host))

    def fresh() -> str:
        with aws_reported(f"a login token for PostgreSQL at {place(parts)}"):
            token = client.generate_db_auth_token(DBHostname=host, Port=port, DBUsername=user)
        return make_conninfo(verified, password=token)

    return fresh


def _require_usable(parts: Parts) -> None:
    host = str(parts.get("host") or "")
    if not host or "," in host or host.startswith(("/", "@")):
        raise _unusable("names no single host")
    if not parts.get("user"):
        raise _unusable("names no user")
    if str(parts.get("sslmode") or FULL) != FULL:
        raise _unusable(f"has sslmode={parts['sslmode']}, and a token is only given to a server that is verified")


def _unusable(why: str) -> UsageError:
    return UsageError(
        f"the DSN for a login with COUNTERFOIL_DATABASE_AUTH=iam {why}: write it as "
        "postgresql://user@name.id.region.rds.amazonaws.com:5432/database"
    )


def _region(host: str) -> str | None:
    found = _RDS_HOST.fullmatch(host)
    return found[1] if found else None
