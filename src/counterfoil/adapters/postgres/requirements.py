"""What a database must have before it is used: looked at when a connection is opened, told in one line."""

import re

import psycopg
from psycopg import sql

from counterfoil.adapters.postgres.schema import LOCK, READER
from counterfoil.errors import StoreUnavailableError

SERVER = 14
"""PostgreSQL's major version: from this one on a server notices in the middle of a statement that its client died."""
PGVECTOR = (0, 8)
"""From this version on an index goes on scanning until it has found enough (hnsw.iterative_scan)."""

_EXTENSION = """
SELECT extversion, nspname::text, nspname = ANY(current_schemas(true)),
    (SELECT default_version FROM pg_available_extensions WHERE name = 'vector')
FROM pg_extension JOIN pg_namespace AS place ON place.oid = extnamespace WHERE extname = 'vector'
"""
_READ_BY_READER = ("reference", "reference_base", "schema_migration")
_GRANT_ALL = f"""
GRANT {READER} TO CURRENT_USER;
DO $$
DECLARE side regclass;
BEGIN
    FOR side IN SELECT relid FROM pg_partition_tree('reference') LOOP
        EXECUTE format('GRANT SELECT ON %s TO {READER}', side);
    END LOOP;
END
$$;
GRANT SELECT ON reference_base, schema_migration TO {READER};
"""


def require_fit(connection: psycopg.Connection) -> None:
    """Raise StoreUnavailableError unless server and pgvector are new enough and the extension can be named.

    A database without the extension is fit: the first migration makes it.
    """
    server = connection.info.server_version // 10_000
    name = connection.info.dbname
    if server < SERVER:
        raise StoreUnavailableError(
            f"database {name!r} is on PostgreSQL {server}: Counterfoil needs {SERVER} or newer; upgrade the server"
        )
    row = connection.execute(_EXTENSION).fetchone()
    if row is None:
        return
    version, place, is_seen, available = row
    if not is_seen:
        database, schema = (sql.Identifier(word).as_string(connection) for word in (name, place))
        raise StoreUnavailableError(
            f"pgvector is in schema {place!r} of database {name!r}, where user {connection.info.user!r} does not look: "
            f'run ALTER DATABASE {database} SET search_path = "$user", public, {schema}'
        )
    if _numbers(version) < PGVECTOR:
        first = "" if _numbers(available) >= PGVECTOR else "install pgvector 0.8 or newer on the server, then "
        raise StoreUnavailableError(
            f"database {name!r} has pgvector {version} and Counterfoil needs 0.8 or newer: "
            f"{first}run ALTER EXTENSION vector UPDATE in that database as its owner"
        )


def require_reader(connection: psycopg.Connection) -> None:
    """Make the reader's role, with its rights, where a restored dump lacks them: roles are in no dump.

    Raises StoreUnavailableError with the statements to run if this user may not make them.
    """
    if _reader_may_read(connection):
        return
    try:
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
            if not _has_reader(connection):
                connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(READER)))
            connection.execute(_GRANT_ALL)
    except psycopg.errors.InsufficientPrivilege as error:
        raise StoreUnavailableError(
            f"database {connection.info.dbname!r} was restored without the role {READER!r} or its rights, and user "
            f"{connection.info.user!r} may not make them: run CREATE ROLE {READER} NOLOGIN as a superuser unless it is "
            "there, then any counterfoil command once as the database's owner"
        ) from error


def _has_reader(connection: psycopg.Connection) -> bool:
    return connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (READER,)).fetchone() is not None


def _reader_may_read(connection: psycopg.Connection) -> bool:
    """Whether the role is there and may read; PostgreSQL asks no privilege of a role that does not exist."""
    query = (
        "SELECT bool_and(has_table_privilege(oid, name, 'SELECT')) "
        "FROM pg_roles, unnest(%s::text[]) AS name WHERE rolname = %s"
    )
    return connection.execute(query, (list(_READ_BY_READER), READER)).fetchone() == (True,)


def _numbers(version: str | None) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version or "")[:2])
