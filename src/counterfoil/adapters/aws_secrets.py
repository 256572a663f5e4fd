"""Secrets from AWS Secrets Manager, and a database's DSN from one of them. No message quotes a secret."""

import json
from typing import Any

from psycopg.conninfo import make_conninfo

from counterfoil.adapters.aws_clients import aws_client, aws_reported
from counterfoil.adapters.postgres_tls import parsed
from counterfoil.errors import UsageError

_RDS_KEYS = {"username": "user", "password": "password", "host": "host", "port": "port", "dbname": "dbname"}
"""RDS's names of the parts of a DSN, and PostgreSQL's."""


def read_secret(secret_id: str) -> str:
    """Return the current text of a secret; `secret_id` is its name or ARN.

    Raises StoreUnavailableError if it cannot be read, UsageError if it holds no text.
    """
    client = aws_client("secretsmanager", _region(secret_id))
    region = client.meta.region_name
    missing = f"region {region} has no such secret: correct its name in the settings, or create it"
    with aws_reported(f"secret {secret_id!r} in AWS Secrets Manager", missing=missing):
        answer = client.get_secret_value(SecretId=secret_id)
    text = str(answer.get("SecretString") or "").strip()
    if not text:
        raise UsageError(f"secret {secret_id!r} holds no text: store it as a secret string, not as binary")
    return text


def dsn_of_secret(secret: str, secret_id: str, *, base: str | None = None) -> str:
    """Return the DSN that a secret's text is, or that its JSON in RDS's own form means.

    RDS's form: username, password, host, port, dbname; other keys do not matter. What the secret does not
    say, as those that RDS rotates by itself say only username and password, comes from the DSN `base`.
    Raises UsageError if that leaves no host, StoreUnavailableError for a DSN that cannot be parsed.
    """
    said = _parts_of_json(secret, secret_id) if secret.startswith("{") else parsed(secret)
    parts = {**(parsed(base) if base else {}), **said}
    if not parts.get("host") and not parts.get("hostaddr"):
        raise UsageError(
            f"secret {secret_id!r} names no database host: add host, port and dbname to it, or give them as a DSN "
            "in COUNTERFOIL_DATABASE_URL"
        )
    return make_conninfo(**parts)


def _parts_of_json(secret: str, secret_id: str) -> dict[str, Any]:
    try:
        values = json.loads(secret)
    except json.JSONDecodeError:
        raise UsageError(
            f"secret {secret_id!r} begins like JSON and is none: store RDS's form "
            '{"username": ..., "password": ..., "host": ..., "port": ..., "dbname": ...}, or a DSN'
        ) from None  # the parser's error carries the text
    known = {ours: values[theirs] for theirs, ours in _RDS_KEYS.items() if theirs in values}
    wrong = sorted(name for name, value in known.items() if not isinstance(value, str | int))
    if wrong:
        raise UsageError(f"secret {secret_id!r}: {', '.join(wrong)} must be text or a number")
    return {name: value for name, value in known.items() if value != ""}


def _region(secret_id: str) -> str | None:
    """Return the region that an ARN names: a secret may be in another one than the program."""
    parts = secret_id.split(":")
    return parts[3] if parts[0] == "arn" and len(parts) > 5 else None
