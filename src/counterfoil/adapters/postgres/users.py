"""Who may log in to the database of a deployment: roles for pipelines and service, made by the database's owner.

The owner (RDS's master user, or a superuser) works here once, at each deployment. The tables belong to the role
`counterfoil_schema`, which nobody logs in as. Steps register releases, whose references are tables of their own, so
their users act as that role; users of the service only change rows.
"""

from collections.abc import Sequence

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from counterfoil.adapters.postgres.connections import Login, connect, fresh_dsn
from counterfoil.adapters.postgres.failures import reported
from counterfoil.adapters.postgres.schema import READER

SCHEMA_ROLE = "counterfoil_schema"
"""Owns the tables; can make roles, because a migration makes the reader's."""
_IAM = "rds_iam"
"""RDS's own role: whoever has it logs in with a token and with nothing else."""


def set_up(login: Login, *, steps: Sequence[str], services: Sequence[str]) -> None:
    """Bring the schema up to date, and let users log in: those of `steps` and of `services`.

    `login` is the owner's. Doing it again changes nothing. Raises StoreUnavailableError, and UsageError for an owner
    that may not make roles.
    """
    dsn = fresh_dsn(login)
    with reported(dsn), psycopg.connect(dsn, autocommit=True) as owner:
        owner.execute("CREATE EXTENSION IF NOT EXISTS vector")
        _make_role(owner, SCHEMA_ROLE, "NOLOGIN CREATEROLE")
        owner.execute(sql.SQL("GRANT {} TO CURRENT_USER WITH INHERIT TRUE, SET TRUE").format(_name(SCHEMA_ROLE)))
        owner.execute(sql.SQL("GRANT CREATE, USAGE ON SCHEMA public TO {}").format(_name(SCHEMA_ROLE)))
        # Made here already, so that the migration which looks for it may grant it.
        _make_role(owner, READER, "NOLOGIN")
        owner.execute(sql.SQL("GRANT {} TO {} WITH ADMIN OPTION").format(_name(READER), _name(SCHEMA_ROLE)))
        # RDS has it; another server has no tokens, and its users need another way in.
        tokens = owner.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (_IAM,)).fetchone() is not None
        for user in (*steps, *services):
            _make_role(owner, user, "LOGIN")
            if tokens:
                owner.execute(sql.SQL("GRANT {} TO {}").format(_name(_IAM), _name(user)))
        for user in steps:
            owner.execute(sql.SQL("GRANT {} TO {}").format(_name(SCHEMA_ROLE), _name(user)))
            # What a step makes belongs to the schema's role too, and so is seen by services.
            owner.execute(sql.SQL("ALTER ROLE {} SET role = {}").format(_name(user), sql.Literal(SCHEMA_ROLE)))
    connect(_as_schema_role(dsn)).close()
    with reported(dsn), psycopg.connect(_as_schema_role(dsn), autocommit=True) as schema:
        schema.execute("SET client_min_messages = error")  # what is granted already is no news
        for statement in _of_services(services):
            schema.execute(statement)


def _make_role(owner: psycopg.Connection, role: str, options: str) -> None:
    if owner.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone() is None:
        owner.execute(sql.SQL("CREATE ROLE {} " + options).format(_name(role)))


def _as_schema_role(dsn: str) -> str:
    """The owner's DSN, for sessions that act as the role that owns the tables."""
    options = str(conninfo_to_dict(dsn).get("options") or "")
    return make_conninfo(dsn, options=f"{options} -c role={SCHEMA_ROLE}".strip())


def _of_services(users: Sequence[str]) -> list[sql.Composed]:
    """A service reads and changes rows, of tables that are there and of those to come."""
    rows = "SELECT, INSERT, UPDATE, DELETE"
    granted = (
        f"GRANT {rows} ON ALL TABLES IN SCHEMA public TO {{}}",
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT {rows} ON TABLES TO {{}}",
        "GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {}",
        f"GRANT {READER} TO {{}}",
    )
    return [sql.SQL(statement).format(_name(user)) for user in users for statement in granted]


def _name(role: str) -> sql.Identifier:
    return sql.Identifier(role)
