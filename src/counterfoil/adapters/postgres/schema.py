"""Tables and roles in PostgreSQL, as numbered migrations that each connection checks: `migrations/` has their SQL."""

from dataclasses import dataclass
from importlib.resources import files

import psycopg
from psycopg import sql

from counterfoil.errors import StoreUnavailableError

READER = "counterfoil_reader"
"""Role for scoring: it may SELECT from the reference tables and nothing else."""

LOCK = 0x636F756E74  # "count": any number that no other program uses
"""Who makes tables or roles holds this lock until the end of his transaction."""

_FOLDER = files("counterfoil") / "adapters" / "postgres" / "migrations"


@dataclass(frozen=True)
class Migration:
    """One step of the schema. Its statements run in one transaction and change no more once released."""

    number: int
    name: str
    statements: str


def _migration(number: int, name: str, file: str) -> Migration:
    return Migration(number, name, (_FOLDER / f"{number:02}_{file}.sql").read_text(encoding="utf-8"))


MIGRATIONS: tuple[Migration, ...] = (
    _migration(1, "references", "references"),
    _migration(2, "reader role", "reader_role"),
    _migration(3, "ledger of input files", "ledger"),
    _migration(4, "decision log", "decisions"),
    _migration(5, "files that wait for publication", "waiting_files"),
    _migration(6, "scoring in real time", "service"),
    _migration(7, "unclaimed files by that name", "unclaimed_files"),
    _migration(8, "overlays of feedback", "overlays"),
    _migration(9, "the analyst's desk", "desk"),
    _migration(10, "claimants of input files", "claimants"),
    _migration(11, "payments of one thing", "related_payments"),
    _migration(12, "cases of linked accounts", "rings"),
    _migration(13, "scores of challengers", "shadow"),
    _migration(14, "leases of shards", "shard_leases"),
    _migration(15, "how far feedback reaches", "reach"),
)


def migrate(connection: psycopg.Connection) -> None:
    """Bring the schema up to date; does nothing, with one query, when it is.

    `connection` is in autocommit. Processes that migrate at once wait for each other. Raises
    StoreUnavailableError if the database was migrated by a newer version, or the user may not migrate it.
    """
    try:
        if _applied(connection) == len(MIGRATIONS):
            return
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
            connection.execute(_BOOKKEEPING)
            for migration in MIGRATIONS[_applied(connection) :]:
                _apply(connection, migration)
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.FeatureNotSupported) as error:
        raise StoreUnavailableError(
            f"user {connection.info.user!r} cannot set up database {connection.info.dbname!r} ({error}): "
            "connect once as its owner; the server needs the extension pgvector 0.8 or newer"
        ) from error


_BOOKKEEPING = """
CREATE TABLE IF NOT EXISTS schema_migration (
    number integer PRIMARY KEY,
    name text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""


def _applied(connection: psycopg.Connection) -> int:
    """Return how many migrations the database has. Raises StoreUnavailableError if there are newer."""
    found = connection.execute("SELECT to_regclass('schema_migration') IS NOT NULL").fetchone()
    if found == (False,):
        return 0
    row = connection.execute("SELECT coalesce(max(number), 0) FROM schema_migration").fetchone()
    number = int(row[0]) if row else 0
    if number > len(MIGRATIONS):
        raise StoreUnavailableError(
            f"database {connection.info.dbname!r} has schema {number} and this version of Counterfoil knows "
            f"{len(MIGRATIONS)}: install the newer version"
        )
    return number


def _apply(connection: psycopg.Connection, migration: Migration) -> None:
    connection.execute(sql.SQL(migration.statements))
    connection.execute(
        "INSERT INTO schema_migration (number, name) VALUES (%s, %s)", (migration.number, migration.name)
    )
