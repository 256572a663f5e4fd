"""Secrets from AWS Secrets Manager, and a database's DSN from one of them. No message quotes a secret."""

from counterfoil.adapters.aws.clients import aws_client, aws_reported
from counterfoil.errors import UsageError


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


def _region(secret_id: str) -> str | None:
    """Return the region that an ARN names: a secret may be in another one than the program."""
    parts = secret_id.split(":")
    return parts[3] if parts[0] == "arn" and len(parts) > 5 else None
