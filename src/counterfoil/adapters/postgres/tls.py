"""When a connection to PostgreSQL must be encrypted, and to whom: one rule over DSNs."""

import ipaddress
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from counterfoil.errors import StoreUnavailableError, UsageError

FULL = "verify-full"
AUTHORITY_ONLY = "verify-ca"
SYSTEM = "system"
"""libpq's word for the certificate authorities of the machine."""

Parts = Mapping[str, Any]
"""A DSN in parts: host, port, user, dbname, ..."""


def with_verified_tls(dsn: str, ca: Path | None = None, *, trust_loopback: bool = True) -> str:
    """Return a DSN that connects only to a server that proves who it is.

    A DSN whose every host is a Unix socket or a loopback address stays as it is (unless not `trust_loopback`).
    Any other gets sslmode=verify-full, checked with the DSN's own sslrootcert, else the file `ca`, else the
    machine's authorities. An sslmode in the DSN stays if it is as strict; verify-ca (for a server whose
    certificate has another name) also stays if the DSN or `ca` names the authority. One without any host is
    not known to be local: the environment or a service file may name a host. Raises UsageError for a weaker
    sslmode, StoreUnavailableError for a DSN that cannot be parsed.
    """
    parts = parsed(dsn)
    if trust_loopback and is_local(parts):
        return dsn
    root = str(parts.get("sslrootcert") or ca or SYSTEM)
    mode = str(parts.get("sslmode") or FULL)
    if mode != FULL and (mode != AUTHORITY_ONLY or root == SYSTEM):
        raise UsageError(_weak(parts, mode))
    # Where Kerberos is set up, libpq would prefer its encryption, and look at no certificate.
    return make_conninfo(dsn, sslmode=mode, sslrootcert=root, gssencmode="disable")


def parsed(dsn: str) -> Parts:
    """Return the parts of a DSN. Raises StoreUnavailableError, without quoting it, if it cannot be parsed."""
    try:
        return conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        raise StoreUnavailableError(
            "the PostgreSQL DSN cannot be parsed: write it as postgresql://user:password@host:port/database, "
            "with special characters as %XX"
        ) from None  # the driver's words quote the DSN


def is_local(parts: Parts) -> bool:
    """Whether all hosts of a DSN's parts are Unix sockets or loopback addresses."""
    if parts.get("service"):
        return False  # its file may name another address
    # With hostaddr, libpq connects there, and host is only a name.
    places = str(parts.get("hostaddr") or parts.get("host") or "").split(",")
    return all(_is_local_place(place.strip()) for place in places)


def place(parts: Parts) -> str:
    """Return host, port and database of a DSN's parts."""
    # A password with a bare @ reaches the host name.
    host = str(parts.get("host") or parts.get("hostaddr") or "the default host").rpartition("@")[2]
    return f"{host}, port {parts.get('port') or 5432}, database {parts.get('dbname') or 'of the user'}"


def _is_local_place(host: str) -> bool:
    if host.startswith(("/", "@")) or host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _weak(parts: Parts, mode: str) -> str:
    if mode == AUTHORITY_ONLY:
        return (
            f"sslmode={mode} towards PostgreSQL at {place(parts)} asks for a certificate of any public authority, and "
            "anybody has one: name the server's own authority in COUNTERFOIL_DATABASE_CA, or write sslmode=verify-full"
        )
    return (
        f"sslmode={mode} towards PostgreSQL at {place(parts)} does not check who answers: leave sslmode out "
        "(then it is verify-full) and name the server's authority in COUNTERFOIL_DATABASE_CA. Where its certificate "
        "has another name, sslmode=verify-ca is allowed with that setting; a server without TLS is allowed on a "
        "Unix socket or through a tunnel to 127.0.0.1"
    )
