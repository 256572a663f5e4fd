"""A database's DSN from a secret. No message quotes a secret."""

import json
from typing import Any

from psycopg.conninfo import make_conninfo

from counterfoil.adapters.postgres.tls import parsed
from counterfoil.errors import UsageError

_RDS_KEYS = {"username": "user", "password": "password", "host": "host", "port": "port", "dbname": "dbname"}
"""RDS's names of the parts of a DSN, and PostgreSQL's."""


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
