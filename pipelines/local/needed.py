"""What a setting needs besides: the variables of this process that say how to reach what the setting names."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

_AWS, _MLFLOW = ("AWS_",), ("AWS_", "MLFLOW_TRACKING_", "MLFLOW_S3_", "MLFLOW_HTTP_", "MLFLOW_ALLOW_")
_PREFIXES = {
    "COUNTERFOIL_LEDGER_TABLE": _AWS,
    "COUNTERFOIL_PROFILE_TABLE": _AWS,
    "COUNTERFOIL_DATABASE_URL_SECRET": (*_AWS, "PG"),
    "COUNTERFOIL_PSEUDONYM_KEY_SECRET": _AWS,
    "COUNTERFOIL_TRACKING_URI": _MLFLOW,
    "COUNTERFOIL_DATABASE_URL": ("PG",),
    "COUNTERFOIL_TEXT_MODEL": ("HF_",),
    "COUNTERFOIL_DEVICE": ("CUDA_VISIBLE_DEVICES",),
}
"""Region, credentials and endpoints of AWS, logins of MLflow, what libpq reads, the hub's cache and token."""

_NETWORK = (
    "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "https_proxy", "http_proxy", "no_proxy",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE",
)  # fmt: skip
"""Proxies and certificates, for whatever is reached."""

_PATHS = {
    "AWS_CA_BUNDLE", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_WEB_IDENTITY_TOKEN_FILE",
    "MLFLOW_TRACKING_SERVER_CERT_PATH", "MLFLOW_TRACKING_CLIENT_CERT_PATH",
    "PGPASSFILE", "PGSERVICEFILE", "PGSYSCONFDIR", "PGSSLCERT", "PGSSLKEY",
    "HF_HOME", "HF_HUB_CACHE", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE",
}  # fmt: skip


def needed_by(settings: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of this process that the settings (COUNTERFOIL_...) need, with paths made whole.

    A step runs in a folder of its own, where a relative path would name another file.
    """
    wanted = tuple(_wanted(settings))
    return {
        name: str(Path(value).expanduser().absolute()) if name in _PATHS and value else value
        for name, value in os.environ.items()
        if wanted and name.startswith(wanted)
    }


def _wanted(settings: Mapping[str, str]) -> Iterator[str]:
    named = [name for name in _PREFIXES if name in settings]
    for name in named:
        yield from _PREFIXES[name]
    if settings.get("COUNTERFOIL_DATABASE_AUTH") == "iam":
        yield from _AWS
        named.append("COUNTERFOIL_DATABASE_AUTH")
    if named:
        yield from _NETWORK
