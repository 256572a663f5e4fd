"""A deployment's database: its users do what they must, and no more, on a real server."""

import json
from collections.abc import Callable
from pathlib import Path

import boto3
import psycopg
import pyarrow as pa
import pytest
from psycopg.conninfo import make_conninfo

from counterfoil.adapters.postgres.decisions import PostgresDecisions
from counterfoil.adapters.postgres.references import PostgresReferences
from counterfoil.adapters.postgres.users import set_up
from counterfoil.domain.release.references import vectors_of
from counterfoil.errors import UsageError
from counterfoil.ports.releases import LoggedDecision

STEPS, SERVICE = "counterfoil_steps", "counterfoil_service"


@pytest.fixture
def database(dsn: str) -> str:
    """A database that was set up, twice: the second time changes nothing."""
    for _ in range(2):
        set_up(dsn, steps=[STEPS], services=[SERVICE])
    return dsn


def _as(dsn: str, user: str) -> str:
    return make_conninfo(dsn, user=user)


@pytest.mark.slow
def test_steps_register_references_that_the_service_finds(
    database: str, reference_table: Callable[..., pa.Table]
) -> None:
    table = reference_table(40, 4)
    PostgresReferences(_as(database, STEPS)).write_base("release-1", table)
    for reader in (False, True):
        found = PostgresReferences(_as(database, SERVICE), reader=reader)
        assert found.read_base("release-1").num_rows == 40
        assert len(found.nearest("release-1", 1, vectors_of(table)[0], 1)) == 1


def test_the_service_writes_down_what_was_decided_and_steps_too(database: str) -> None:
    for user in (STEPS, SERVICE):
        PostgresDecisions(_as(database, user)).append(LoggedDecision("promote", "release-1", user, "tried"))


@pytest.mark.parametrize("statement", ["DROP TABLE decision", "CREATE TABLE mine (a int)", "CREATE ROLE mine"])
def test_the_service_makes_and_drops_nothing(database: str, statement: str) -> None:
    with psycopg.connect(_as(database, SERVICE)) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement)


def test_decisions_cannot_be_changed_by_anybody(database: str) -> None:
    PostgresDecisions(_as(database, STEPS)).append(LoggedDecision("promote", "release-1", "ci", "tried"))
    for user in (STEPS, SERVICE):
        with psycopg.connect(_as(database, user)) as connection, pytest.raises(psycopg.errors.RestrictViolation):
            connection.execute("DELETE FROM decision")


def test_the_migration_task_reads_place_and_password_from_secrets(
    dsn: str, aws: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from counterfoil.processing.migration import main

    assert aws
    parts = psycopg.conninfo.conninfo_to_dict(dsn)
    secrets = boto3.client("secretsmanager")
    place = {"username": "x", "host": parts["host"], "dbname": parts["dbname"]}
    secrets.create_secret(Name="place", SecretString=json.dumps(place))
    secrets.create_secret(Name="owner", SecretString=json.dumps({"username": parts["user"], "password": "p"}))
    monkeypatch.setenv("COUNTERFOIL_WORKSPACE", str(tmp_path))
    monkeypatch.setenv("COUNTERFOIL_DATABASE_URL_SECRET", "place")
    assert main() == 2
    assert "COUNTERFOIL_MIGRATION_OWNER_SECRET" in capsys.readouterr().err
    monkeypatch.setenv("COUNTERFOIL_MIGRATION_OWNER_SECRET", "gone")
    assert main() == 1
    assert "'gone'" in capsys.readouterr().err
    monkeypatch.setenv("COUNTERFOIL_MIGRATION_OWNER_SECRET", "owner")
    assert main() == 0
    with psycopg.connect(_as(dsn, SERVICE)) as connection:
        assert connection.execute("SELECT count(*) FROM decision").fetchone() == (0,)


def test_a_user_cannot_set_up(database: str) -> None:
    with pytest.raises(UsageError, match="may not do that"):
        set_up(_as(database, SERVICE), steps=[STEPS], services=[SERVICE])
