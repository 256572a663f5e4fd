"""Secrets are read once, become DSNs, and are quoted by no error."""

import json
import traceback

import boto3
import pytest
from psycopg.conninfo import conninfo_to_dict

from counterfoil.adapters.aws.secrets import read_secret
from counterfoil.adapters.postgres.secret_dsn import dsn_of_secret
from counterfoil.errors import CounterfoilError, StoreUnavailableError, UsageError

RDS = {
    "username": "me",
    "password": "p@ss w'ord\\",
    "engine": "postgres",
    "host": "db.example.com",
    "port": 5433,
    "dbname": "base",
    "dbInstanceIdentifier": "cf",
}


@pytest.mark.usefixtures("aws")
def test_a_secret_is_found_by_name_and_by_arn_in_its_own_region(monkeypatch: pytest.MonkeyPatch) -> None:
    client = boto3.client("secretsmanager")
    arn = client.create_secret(Name="cf/key", SecretString=" sixteen characters\n")["ARN"]
    assert read_secret("cf/key") == "sixteen characters"
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-2")
    with pytest.raises(StoreUnavailableError, match=r"'cf/key'.*\(region us-west-2 has no such secret: correct"):
        read_secret("cf/key")
    assert read_secret(arn) == "sixteen characters"


@pytest.mark.usefixtures("aws")
def test_a_secret_without_text_is_refused() -> None:
    boto3.client("secretsmanager").create_secret(Name="binary", SecretBinary=b"hunter2")
    with pytest.raises(UsageError, match="'binary' holds no text: store it as a secret string") as caught:
        read_secret("binary")
    assert "hunter2" not in str(caught.value)


def test_rds_form_is_a_dsn() -> None:
    assert conninfo_to_dict(dsn_of_secret(json.dumps(RDS), "s")) == {
        "user": "me",
        "password": "p@ss w'ord\\",
        "host": "db.example.com",
        "port": "5433",
        "dbname": "base",
    }


@pytest.mark.parametrize(
    "secret", ["postgresql://me:hunter2@db.example.com/base", "host=db.example.com user=me dbname=base"]
)
def test_a_dsn_stays_what_it_means(secret: str) -> None:
    assert conninfo_to_dict(dsn_of_secret(secret, "s")) == conninfo_to_dict(secret)


def test_what_the_secret_does_not_say_comes_from_the_base() -> None:
    secret = json.dumps({"username": "rotated", "password": "new"})
    base = "postgresql://old:old@db.example.com:5433/base?sslrootcert=/ca.pem"
    assert conninfo_to_dict(dsn_of_secret(secret, "s", base=base)) == {
        "user": "rotated",
        "password": "new",
        "host": "db.example.com",
        "port": "5433",
        "dbname": "base",
        "sslrootcert": "/ca.pem",
    }


@pytest.mark.parametrize(
    ("secret", "error", "words"),
    [
        ('{"username": "me", "password": "hunter2"}', UsageError, "'s' names no database host.*COUNTERFOIL_DATABASE_"),
        ('{"password": "hunter2",', UsageError, "begins like JSON and is none"),
        ('{"password": ["hunter2"], "host": "h"}', UsageError, "password must be text or a number"),
        ('{"password": "hunter2", "host": ""}', UsageError, "names no database host"),
        ("user=me password=hunter2", UsageError, "names no database host"),
        ("postgresql://me:hunter2@[db/base", StoreUnavailableError, "cannot be parsed"),
        ("hunter2", StoreUnavailableError, "cannot be parsed"),
    ],
)
def test_an_error_does_not_quote_the_secret(secret: str, error: type[CounterfoilError], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        dsn_of_secret(secret, "s")
    assert "hunter2" not in "".join(traceback.format_exception_only(caught.value))
    assert caught.value.__cause__ is None
