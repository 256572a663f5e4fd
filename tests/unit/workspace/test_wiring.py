"""Which settings give which adapters, and that the local ones need no AWS."""

import gzip
import ipaddress
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from counterfoil.adapters.aws.ledger import DynamoLedger, create_table
from counterfoil.adapters.aws.tables import S3Tables
from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.adapters.postgres.decisions import PostgresDecisions
from counterfoil.adapters.postgres.ledger import PostgresLedger
from counterfoil.domain.intake.mapping import parse_mapping
from counterfoil.errors import InputFileError, UsageError
from counterfoil.ports.lake import SourceFile
from counterfoil.ports.releases import LoggedDecision
from counterfoil.workspace.settings import Settings
from counterfoil.workspace.wiring import Workspace

REMOTE = "postgresql://me:hunter2@db.example.com:5433/base"

Open = Callable[..., Workspace]


@pytest.fixture
def open_workspace(tmp_path: Path) -> Open:
    """Return a function that opens a workspace with the settings it is given."""

    def open_one(**settings: Any) -> Workspace:
        return Workspace(Settings(workspace=tmp_path, **settings))

    return open_one


def test_unset_settings_give_the_local_adapters(open_workspace: Open, dsn: str) -> None:
    workspace = open_workspace(database_url=dsn)
    assert isinstance(workspace.tables, FolderTables)
    assert isinstance(workspace.ledger, PostgresLedger)
    assert isinstance(workspace.decisions, PostgresDecisions)
    assert workspace.login == workspace.dsn == dsn
    assert workspace.references.releases() == workspace.references_for_scoring.releases() == []


def test_the_adapters_take_the_login(open_workspace: Open, dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = open_workspace(database_url="postgresql://nobody@127.0.0.1:1/nowhere")
    monkeypatch.setitem(vars(workspace), "login", lambda: dsn)
    assert workspace.dsn == dsn
    assert workspace.ledger.claim(SourceFile("raw/a.csv", "a" * 64), "bank")
    assert workspace.decisions.append(LoggedDecision("promote", "r1", "me", "why")).sequence == 1
    assert workspace.references.releases() == workspace.references_for_scoring.releases() == []
    with psycopg.connect(dsn) as connection:
        assert connection.execute("SELECT count(*) FROM input_file").fetchone() == (1,)


LOCAL_ADAPTERS = """
import sys
from pathlib import Path
from counterfoil.workspace.settings import Settings
from counterfoil.workspace.wiring import Workspace
workspace = Workspace(Settings(workspace=Path(sys.argv[1]), database_url=sys.argv[2], pseudonym_key="k" * 16))
workspace.tables.files("transactions"), workspace.ledger.entries(), workspace.decisions.entries()
workspace.references.releases(), workspace.pseudonym_key
print(sorted({name.partition(".")[0] for name in sys.modules} & {"boto3", "botocore", "awswrangler", "sagemaker"}))
"""


def test_the_local_adapters_import_nothing_of_aws(tmp_path: Path, dsn: str) -> None:
    command = [sys.executable, "-c", LOCAL_ADAPTERS, str(tmp_path), dsn]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.usefixtures("aws")
def test_a_lake_in_s3_is_read_there(open_workspace: Open) -> None:
    workspace = open_workspace(lake="s3://payments/lake")
    assert isinstance(workspace.tables, S3Tables)
    boto3.client("s3").create_bucket(
        Bucket="payments", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )
    assert workspace.tables.runs("transactions") == []


@pytest.mark.usefixtures("aws")
def test_a_ledger_table_is_dynamodbs(open_workspace: Open) -> None:
    create_table("cf-files")
    ledger = open_workspace(ledger_table="cf-files").ledger
    assert isinstance(ledger, DynamoLedger)
    assert ledger.claim(SourceFile("raw/a.csv", "a" * 64), "bank")
    assert boto3.client("dynamodb").scan(TableName="cf-files")["Count"] == 1
    ledger.close()


def test_a_database_elsewhere_is_verified(open_workspace: Open, tmp_path: Path) -> None:
    login = open_workspace(database_url=REMOTE, database_ca=tmp_path / "ca.pem").login
    assert isinstance(login, str)
    parts = conninfo_to_dict(login)
    assert (parts["sslmode"], parts["sslrootcert"]) == ("verify-full", str(tmp_path / "ca.pem"))
    with pytest.raises(UsageError, match="sslmode=require towards PostgreSQL at"):
        _ = open_workspace(database_url=f"{REMOTE}?sslmode=require").login


@pytest.mark.usefixtures("aws")
def test_the_dsn_may_be_a_secret(open_workspace: Open) -> None:
    secret = {"username": "rotated", "password": "p", "host": "db.example.com", "port": 5432, "dbname": "base"}
    boto3.client("secretsmanager").create_secret(Name="cf/db", SecretString=json.dumps(secret))
    parts = conninfo_to_dict(open_workspace(database_url_secret="cf/db").dsn)
    assert (parts["user"], parts["host"], parts["sslmode"]) == ("rotated", "db.example.com", "verify-full")
    both = conninfo_to_dict(open_workspace(database_url_secret="cf/db", database_url=REMOTE).dsn)
    assert (both["user"], both["port"]) == ("rotated", "5432")


@pytest.mark.usefixtures("aws")
def test_a_login_by_role_has_a_token(open_workspace: Open) -> None:
    workspace = open_workspace(database_url=REMOTE, database_auth="iam")
    assert callable(workspace.login)
    parts = conninfo_to_dict(workspace.dsn)
    assert parts["sslmode"] == "verify-full"
    assert "X-Amz-Signature" in str(parts["password"])
    with pytest.raises(UsageError, match="no database is named: set COUNTERFOIL_DATABASE_URL"):
        _ = open_workspace(database_auth="iam").login


@pytest.mark.usefixtures("aws")
def test_the_pseudonym_key_may_be_a_secret(open_workspace: Open, tmp_path: Path) -> None:
    boto3.client("secretsmanager").create_secret(Name="cf/key", SecretString="sixteen characters")
    workspace = open_workspace(pseudonym_key_secret="cf/key")
    assert workspace.pseudonym_key.keys == (b"sixteen characters",)
    boto3.client("secretsmanager").update_secret(SecretId="cf/key", SecretString="another one in its place")
    assert workspace.pseudonym_key.keys == (b"sixteen characters",)  # one key for all that a process does
    assert not (tmp_path / "pseudonym.key").exists()
    with pytest.raises(UsageError, match="both set: keep one"):
        _ = open_workspace(pseudonym_key_secret="cf/key", pseudonym_key="sixteen more chars").pseudonym_key


def test_a_workspace_makes_its_own_pseudonym_key_once(open_workspace: Open) -> None:
    key = open_workspace().pseudonym_key
    assert [len(one) for one in key.keys] == [32]
    assert open_workspace().pseudonym_key == key
    assert open_workspace(pseudonym_key="k" * 16).pseudonym_key.keys == (b"k" * 16,)


def test_a_lake_that_a_killed_change_of_the_key_took_away_is_not_an_empty_one(open_workspace: Open) -> None:
    workspace = open_workspace()
    assert workspace.pseudonym_key == workspace.key_file.current()
    workspace.key_file.begin()
    (workspace.root / "lake").mkdir()
    assert open_workspace().tables.tables() == []
    (workspace.root / "lake").rmdir()
    with pytest.raises(UsageError, match="run 'counterfoil rotate-key' to its end"):
        open_workspace().tables  # noqa: B018 it is made when it is asked for


def test_a_changed_key_is_set_as_a_list(open_workspace: Open) -> None:
    keys = open_workspace(pseudonym_key=json.dumps(["k" * 16, "n" * 16])).pseudonym_key
    assert keys.keys == (b"k" * 16, b"n" * 16)
    for wrong in ('["k', "[1]", "[]", '["short"]'):
        with pytest.raises(UsageError, match="pseudonym key"):
            _ = open_workspace(pseudonym_key=wrong).pseudonym_key


def test_countries_are_known_where_a_database_is_named(open_workspace: Open, write_mmdb: Any) -> None:
    assert open_workspace().networks is None
    path = write_mmdb("GeoLite2-Country", {"81.2.69.0/24": {"country": {"iso_code": "GB"}}})
    networks = open_workspace(geoip_country=path).networks
    assert networks is not None
    assert networks.origin(ipaddress.ip_address("81.2.69.1")).country == "GB"


def test_the_limits_on_packed_files_reach_the_reader(open_workspace: Open, tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_bytes(gzip.compress(b"t\n" + b"2024-01-01T00:00:00Z\n" * 5000))
    mapping = parse_mapping('[fields]\nevent_time = "t"\n', "shop")
    assert sum(batch.records for batch in open_workspace().reader.batches(path, mapping)) == 5000
    strict = open_workspace(unpack_most_ratio=5.0, unpack_ratio_from_bytes=1000)
    with pytest.raises(InputFileError, match="5 times its size: raise COUNTERFOIL_UNPACK_MOST_RATIO"):
        list(strict.reader.batches(path, mapping))
    with pytest.raises(InputFileError, match="90,000 bytes: raise COUNTERFOIL_UNPACK_MOST_BYTES"):
        list(open_workspace(unpack_most_bytes=90_000).reader.batches(path, mapping))
