"""Which DSN is used as it is, which gets verified TLS, and which is refused."""

from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from counterfoil.adapters.postgres.tls import with_verified_tls
from counterfoil.errors import StoreUnavailableError, UsageError

CA = Path("/etc/ca.pem")

LOCAL = [
    "host=/tmp/pg user=me dbname=base",
    "postgresql:///base?host=/var/run/postgresql",
    "host=@abstract dbname=base",
    "postgresql://me:secret@localhost:5432/base",
    "postgresql://me@127.0.0.1/base",
    "postgresql://me@127.9.9.9/base",
    "postgresql://me@[::1]/base",
    "postgresql://me@localhost,127.0.0.1/base",
    "host=db.example.com hostaddr=127.0.0.1",
    "postgresql://me@127.0.0.1/base?sslmode=disable",
]
REMOTE = [
    "postgresql://me:secret@db.example.com:5432/base",
    "postgresql://me@10.0.0.7/base",
    "postgresql://me@[2001:db8::1]/base",
    "postgresql://me@localhost,db.example.com/base",
    "host=localhost hostaddr=10.0.0.7",
    "host=localhost hostaddr=127.0.0.1,10.0.0.7",
    "host=localhost.example.com",
    "host=127.0.0.1.example.com",
    "host=0.0.0.0",
    "host=127.0.0.1 service=elsewhere",
    "dbname=base",  # PGHOST may say where
    "postgresql://me@/base",
    "host=localhost,",
]


@pytest.mark.parametrize("dsn", LOCAL)
@pytest.mark.parametrize("ca", [None, CA])
def test_a_local_dsn_is_used_as_it_is(dsn: str, ca: Path | None) -> None:
    assert with_verified_tls(dsn, ca) == dsn


@pytest.mark.parametrize("dsn", [*REMOTE, *(dsn for dsn in LOCAL if "sslmode" not in dsn)])
@pytest.mark.parametrize(("ca", "root"), [(None, "system"), (CA, "/etc/ca.pem")])
def test_any_other_verifies_authority_and_name(dsn: str, ca: Path | None, root: str) -> None:
    got = conninfo_to_dict(with_verified_tls(dsn, ca, trust_loopback=dsn in REMOTE))
    added = {"sslmode": "verify-full", "sslrootcert": root, "gssencmode": "disable"}
    assert got == {**conninfo_to_dict(dsn), **added}


@pytest.mark.parametrize(
    ("given", "ca", "mode", "root"),
    [
        ("sslmode=verify-full", None, "verify-full", "system"),
        ("sslmode=verify-full", CA, "verify-full", "/etc/ca.pem"),
        ("sslrootcert=/own.pem", CA, "verify-full", "/own.pem"),
        ("sslmode=verify-full&sslrootcert=/own.pem", None, "verify-full", "/own.pem"),
        ("sslmode=verify-ca", CA, "verify-ca", "/etc/ca.pem"),
        ("sslmode=verify-ca&sslrootcert=/own.pem", None, "verify-ca", "/own.pem"),
        ("gssencmode=prefer", CA, "verify-full", "/etc/ca.pem"),
    ],
)
def test_what_the_dsn_says_stays_if_it_is_as_strict(given: str, ca: Path | None, mode: str, root: str) -> None:
    got = conninfo_to_dict(with_verified_tls(f"postgresql://me@db.example.com/base?{given}", ca))
    assert (got["sslmode"], got["sslrootcert"], got["gssencmode"]) == (mode, root, "disable")


@pytest.mark.parametrize("mode", ["disable", "allow", "prefer", "require"])
@pytest.mark.parametrize("ca", [None, CA])
def test_a_mode_that_checks_nothing_is_refused(mode: str, ca: Path | None) -> None:
    with pytest.raises(UsageError) as caught:
        with_verified_tls(f"postgresql://me:hunter2@db.example.com/base?sslmode={mode}", ca)
    message = str(caught.value)
    assert f"sslmode={mode} towards PostgreSQL at db.example.com, port 5432, database base" in message
    assert "COUNTERFOIL_DATABASE_CA" in message
    assert "verify-ca is allowed" in message
    assert "hunter2" not in message


@pytest.mark.parametrize("rest", ["", "&sslrootcert=system"])
def test_any_public_authority_is_not_enough_without_the_name(rest: str) -> None:
    with pytest.raises(UsageError, match="anybody has one: name the server's own authority"):
        with_verified_tls(f"postgresql://me@db.example.com/base?sslmode=verify-ca{rest}")


def test_a_password_with_a_bare_at_is_not_taken_for_a_host() -> None:
    with pytest.raises(UsageError) as caught:
        with_verified_tls("postgresql://me:p@hunter2@127.0.0.1/base?sslmode=disable")
    assert "hunter2" not in str(caught.value)


def test_a_dsn_that_cannot_be_parsed_is_not_quoted() -> None:
    with pytest.raises(StoreUnavailableError, match="cannot be parsed") as caught:
        with_verified_tls("postgresql://me:hunter2@[db.example.com/base")
    assert "hunter2" not in str(caught.value)
