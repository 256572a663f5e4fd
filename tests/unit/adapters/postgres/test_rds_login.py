"""A login with an RDS token: a new one for each connection, only to a verified server."""

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from psycopg.conninfo import conninfo_to_dict

from counterfoil.adapters.postgres.rds_login import iam_login
from counterfoil.errors import StoreUnavailableError, UsageError

HOST = "cf.abc123.eu-west-3.rds.amazonaws.com"
DSN = f"postgresql://reader:unused@{HOST}:5433/base"

pytestmark = pytest.mark.usefixtures("aws")


def test_the_token_is_for_this_host_user_and_region() -> None:
    parts = conninfo_to_dict(iam_login(DSN, Path("/ca.pem"))())
    assert {name: parts[name] for name in ("host", "port", "user", "dbname")} == {
        "host": HOST,
        "port": "5433",
        "user": "reader",
        "dbname": "base",
    }
    assert (parts["sslmode"], parts["sslrootcert"]) == ("verify-full", "/ca.pem")
    token = urlsplit(f"https://{parts['password']}")
    asked = parse_qs(token.query)
    assert token.netloc == f"{HOST}:5433"
    assert asked["DBUser"] == ["reader"]
    assert asked["X-Amz-Expires"] == ["900"]
    assert "/eu-west-3/rds-db/" in asked["X-Amz-Credential"][0]


def test_each_connection_has_a_token_of_the_credentials_of_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    made = iter(["first token", "second token"])
    monkeypatch.setattr(
        "botocore.signers.RequestSigner.generate_presigned_url", lambda *_, **__: f"https://{next(made)}"
    )
    login = iam_login(DSN, None)
    assert [conninfo_to_dict(login())["password"] for _ in range(2)] == ["first token", "second token"]


def test_a_host_of_another_name_takes_the_environments_region() -> None:
    password = str(conninfo_to_dict(iam_login("postgresql://reader@db.example.com/base", None)())["password"])
    assert f"{boto3.session.Session().region_name}%2Frds-db" in password
    assert password.startswith("db.example.com:5432/")


@pytest.mark.parametrize(
    ("dsn", "why"),
    [
        (f"postgresql://{HOST}/base", "names no user"),
        ("postgresql://me@/base", "names no single host"),
        ("host=/tmp/pg user=me", "names no single host"),
        (f"postgresql://me@{HOST},other/base", "names no single host"),
        (f"postgresql://me@{HOST}/base?sslmode=verify-ca&sslrootcert=/ca.pem", "sslmode=verify-ca"),
        ("postgresql://me@127.0.0.1/base?sslmode=disable", "sslmode=disable"),
    ],
)
def test_a_dsn_that_does_not_fit_is_refused(dsn: str, why: str) -> None:
    with pytest.raises(UsageError, match=rf"COUNTERFOIL_DATABASE_AUTH=iam .*{why}.*postgresql://user@name"):
        iam_login(dsn, None)


def test_a_tunnel_to_loopback_is_verified_too() -> None:
    parts = conninfo_to_dict(iam_login(f"{DSN}?hostaddr=127.0.0.1", None)())
    assert (parts["sslmode"], parts["hostaddr"]) == ("verify-full", "127.0.0.1")


def test_missing_credentials_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    login = iam_login(DSN, None)
    with pytest.raises(StoreUnavailableError, match=rf"token for PostgreSQL at {HOST}.*log in to AWS"):
        login()
