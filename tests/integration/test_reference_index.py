"""The PostgreSQL adapters on a real server: plans, recall, rights and killed processes."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from pgvector import Vector

from counterfoil.adapters.postgres import reference_partitions as partitions
from counterfoil.adapters.postgres import schema
from counterfoil.adapters.postgres.connections import act_as_reader, connect
from counterfoil.adapters.postgres.ledger import PostgresLedger
from counterfoil.adapters.postgres.references import PostgresReferences
from counterfoil.adapters.postgres.schema import MIGRATIONS
from counterfoil.domain.release.references import vectors_of
from counterfoil.errors import StoreUnavailableError, UsageError
from counterfoil.ports.lake import SourceFile

Maker = Callable[..., pa.Table]


def _tables(dsn: str) -> list[str]:
    query = "SELECT relname FROM pg_class WHERE relname LIKE 'reference\\_%' AND relkind IN ('r', 'p')"
    with connect(dsn) as connection:
        return sorted(row[0] for row in connection.execute(query) if row[0] != "reference_base")


def test_the_query_is_answered_by_the_hnsw_index_with_high_recall(dsn: str, reference_table: Maker) -> None:
    table = reference_table(5_000, 64)
    store = PostgresReferences(dsn)
    store.write_base("r1", table)
    good = table.filter(pc.field("label") == 0)
    asked = vectors_of(reference_table(5_100, 64))[5_000:]
    exact = np.argsort(-(asked @ vectors_of(good).T), axis=1)[:, :10]
    hits = 0
    for vector, rows in zip(asked, exact, strict=True):
        found = {item.reference_id for item in store.nearest("r1", 0, vector, 10)}
        hits += len(found & set(good.column("reference_id").take(rows).to_pylist()))
    assert hits / exact.size >= 0.95
    # A thousand frauds are scanned sooner than the index is entered: the planner may.
    plan = _plan(dsn, asked[0])
    assert "Index Scan using " in plan
    assert "access method hnsw" in plan
    assert "Seq Scan" not in plan


def _plan(dsn: str, vector: np.ndarray) -> str:
    """Return the plan of `nearest`'s query, with the access method of the index it names."""
    with connect(dsn) as connection:
        explain = psycopg.sql.SQL("EXPLAIN ") + partitions.nearest_query("r1", 0, 64)
        lines = [row[0] for row in connection.execute(explain, (Vector(vector), 10))]
        methods = connection.execute(
            "SELECT 'access method ' || a.amname FROM pg_class c JOIN pg_am a ON a.oid = c.relam "
            "WHERE c.relkind = 'i' AND position(c.relname in %s) > 0",
            ("\n".join(lines),),
        ).fetchall()
    return "\n".join([*lines, *(row[0] for row in methods)])


def test_more_neighbours_than_the_index_returns_at_once(dsn: str, reference_table: Maker) -> None:
    store = PostgresReferences(dsn)
    store.write_base("r1", reference_table(5_000, 16))
    vector = np.full(16, 0.25, dtype=np.float32)
    found = store.nearest("r1", 0, vector, 1_500)
    assert len(found) == len({item.reference_id for item in found}) == 1_500
    similarities = [item.similarity for item in found]
    assert similarities == sorted(similarities, reverse=True)


def test_a_reader_selects_references_and_changes_nothing(dsn: str, reference_table: Maker) -> None:
    PostgresReferences(dsn).write_base("r1", reference_table(50, 4))
    reader = PostgresReferences(dsn, reader=True)
    assert len(reader.nearest("r1", 0, np.full(4, 0.5, dtype=np.float32), 5)) == 5
    assert reader.read_base("r1").num_rows == 50
    assert reader.releases() == ["r1"]
    side = partitions.partition("r1", 0)
    with connect(dsn) as connection:
        for statement in (
            "DELETE FROM reference",
            f"DELETE FROM {side}",
            f"INSERT INTO {side} SELECT * FROM {side}",
            "INSERT INTO reference SELECT * FROM reference",
            "UPDATE reference_base SET checksum = ''",
            "SELECT * FROM input_file",
            "CREATE TABLE mine (x int)",
        ):
            with connection.transaction(force_rollback=True):
                act_as_reader(connection)
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(statement)
    with pytest.raises(UsageError, match="owner"):
        reader.write_base("r2", reference_table(50, 4))
    with pytest.raises(UsageError, match="owner"):
        reader.drop("r1")


# The child says where it is and waits there to be killed.
_KILLED_WRITE = """
import sys, time
import pyarrow.parquet as pq
from counterfoil.adapters.postgres import reference_partitions as partitions
from counterfoil.adapters.postgres import schema
from counterfoil.adapters.postgres.references import PostgresReferences

def wait(*_):
    print("here", flush=True)
    time.sleep(600)

setattr(partitions, sys.argv[3], wait)
PostgresReferences(sys.argv[1]).write_base("r1", pq.read_table(sys.argv[2]))
"""


@pytest.mark.parametrize("step", ["_packed", "_index_side"])
def test_a_killed_write_leaves_nothing_and_a_rerun_completes(
    dsn: str, reference_table: Maker, tmp_path, step: str
) -> None:
    table = reference_table(500, 8)
    pq.write_table(table, tmp_path / "references.parquet")
    command = [sys.executable, "-c", _KILLED_WRITE, dsn, str(tmp_path / "references.parquet"), step]
    _kill_when_it_says_here(command)
    store = PostgresReferences(dsn)
    assert store.releases() == []
    digest = store.write_base("r1", table)  # waits until the server has rolled the killed write back
    assert store.checksum("r1") == digest
    assert len(_tables(dsn)) == 3
    store.drop("r1")
    assert _tables(dsn) == []


def test_a_fault_in_the_middle_of_the_copy_leaves_nothing(
    dsn: str, reference_table: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = partitions._packed

    def breaking(vectors):
        for number, row in enumerate(packed(vectors)):
            if number == 90:
                raise MemoryError
            yield row

    store = PostgresReferences(dsn)
    table = reference_table(500, 8)
    with monkeypatch.context() as patch:
        patch.setattr(partitions, "_packed", breaking)
        with pytest.raises(MemoryError):
            store.write_base("r1", table)
    assert store.releases() == []
    assert _tables(dsn) == []
    assert store.write_base("r1", table) == store.checksum("r1")


_KILLED_CLAIM = """
import sys, time
from counterfoil.adapters.postgres.ledger import PostgresLedger
from counterfoil.ports.lake import SourceFile

ledger = PostgresLedger(sys.argv[1])
assert ledger.claim(SourceFile("a.csv", "1"), "bank")
print("here", flush=True)
time.sleep(600)
"""


def test_the_claim_of_a_killed_process_is_free_again(dsn: str) -> None:
    ledger = PostgresLedger(dsn)
    file = SourceFile("a.csv", "1")

    def refused() -> None:
        assert not ledger.claim(file, "bank")

    _kill_when_it_says_here([sys.executable, "-c", _KILLED_CLAIM, dsn], before=refused)
    assert _soon(lambda: ledger.claim(file, "bank"))
    ledger.complete(file, rows_in=1, rows_out=1, rows_rejected=0)


def _break_connections(dsn: str) -> None:
    with connect(dsn) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def test_a_lost_connection_is_reported_and_then_replaced(dsn: str, reference_table: Maker) -> None:
    store = PostgresReferences(dsn)
    store.write_base("r1", reference_table(20, 4))
    _break_connections(dsn)
    with pytest.raises(StoreUnavailableError, match="not available"):
        store.releases()
    assert store.releases() == ["r1"]


def test_a_claim_outlives_its_connection_unless_another_takes_it(dsn: str) -> None:
    ledger, other = PostgresLedger(dsn), PostgresLedger(dsn)
    kept, taken, late = (SourceFile(f"{name}.csv", "1") for name in ("kept", "taken", "late"))
    assert ledger.claim(kept, "bank")
    assert ledger.claim(taken, "bank")
    _break_connections(dsn)
    with pytest.raises(StoreUnavailableError, match="not available"):
        ledger.entries()
    assert other.claim(taken, "bank")
    assert ledger.claim(late, "bank")
    assert not other.claim(kept, "bank")
    ledger.complete(kept, rows_in=1, rows_out=1, rows_rejected=0)
    with pytest.raises(StoreUnavailableError, match=r"taken\.csv was lost"):
        ledger.complete(taken, rows_in=1, rows_out=1, rows_rejected=0)
    other.complete(taken, rows_in=2, rows_out=2, rows_rejected=0)
    assert [(entry.file, entry.state, entry.rows_in) for entry in ledger.entries()] == [
        (kept, "done", 1), (late, "claimed", 0), (taken, "done", 2),
    ]  # fmt: skip
    ledger.close()
    other.close()


def test_migrations_are_applied_once(dsn: str) -> None:
    for _ in range(2):
        with connect(dsn) as connection:
            rows = connection.execute("SELECT number FROM schema_migration ORDER BY number").fetchall()
    assert [row[0] for row in rows] == [migration.number for migration in MIGRATIONS]
    assert [row[0] for row in rows] == list(range(1, len(MIGRATIONS) + 1))


def test_files_of_an_earlier_version_are_unclaimed_after_the_migration(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as earlier, psycopg.connect(dsn, autocommit=True) as connection:
        earlier.setattr(schema, "MIGRATIONS", MIGRATIONS[:6])
        schema.migrate(connection)
        connection.execute(
            "INSERT INTO input_file (location, content_hash, mapping, state) "
            "VALUES ('old.csv', '1', 'bank', 'released')"
        )
    assert PostgresLedger(dsn).entry(SourceFile("old.csv", "1")).state == "unclaimed"  # type: ignore[union-attr]


def test_a_newer_schema_is_refused(dsn: str) -> None:
    with connect(dsn) as connection:
        connection.execute("INSERT INTO schema_migration (number, name) VALUES (999, 'future')")
    with pytest.raises(StoreUnavailableError, match=r"schema 999.*newer"):
        connect(dsn)


def _kill_when_it_says_here(command: list[str], before: Callable[[], None] = lambda: None) -> None:
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        before()
        process.send_signal(signal.SIGKILL)


def _soon(condition: Callable[[], bool]) -> bool:
    """Return whether the condition holds in ten seconds: a server takes a moment to see a closed socket."""
    deadline = time.monotonic() + 10
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
