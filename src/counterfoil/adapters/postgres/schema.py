"""Tables and roles in PostgreSQL, as numbered migrations that each connection checks."""

from dataclasses import dataclass

import psycopg
from psycopg import sql

from counterfoil.errors import StoreUnavailableError

READER = "counterfoil_reader"
"""Role for scoring: it may SELECT from the reference tables and nothing else."""

LOCK = 0x636F756E74  # "count": any number that no other program uses
"""Who makes tables or roles holds this lock until the end of his transaction."""


@dataclass(frozen=True)
class Migration:
    """One step of the schema. Its statements run in one transaction and change no more once released."""

    number: int
    name: str
    statements: str


_REFERENCES = """
CREATE EXTENSION IF NOT EXISTS vector;

CREATE TABLE reference_base (
    release_id text COLLATE "C" PRIMARY KEY,
    dimensions integer NOT NULL,
    rows bigint NOT NULL,
    frauds bigint NOT NULL,
    checksum text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- Partitions: one per release, and in it one per side. Each leaf has its own HNSW index.
CREATE TABLE reference (
    release_id text COLLATE "C" NOT NULL,
    label smallint NOT NULL,
    reference_id text COLLATE "C" NOT NULL,
    event_time timestamptz NOT NULL,
    known_at timestamptz NOT NULL,
    amount numeric(18, 4),
    currency text,
    merchant_id text,
    category text,
    embedding vector NOT NULL,
    PRIMARY KEY (release_id, label, reference_id)
) PARTITION BY LIST (release_id);
"""

_READER_ROLE = """
DO $$
BEGIN
    CREATE ROLE counterfoil_reader NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;  -- roles belong to the cluster: another database of it has made this one
END
$$;
GRANT counterfoil_reader TO CURRENT_USER;
GRANT SELECT ON reference, reference_base, schema_migration TO counterfoil_reader;
"""

_LEDGER = """
CREATE TABLE input_file (
    location text COLLATE "C" NOT NULL,
    content_hash text NOT NULL,
    mapping text NOT NULL,
    state text NOT NULL CHECK (state IN ('claimed', 'done', 'failed')),
    rows_in bigint NOT NULL DEFAULT 0,
    rows_out bigint NOT NULL DEFAULT 0,
    rows_rejected bigint NOT NULL DEFAULT 0,
    reason text,
    changed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (location, content_hash)
);
"""

_DECISIONS = """
CREATE TABLE decision (
    sequence bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    kind text COLLATE "C" NOT NULL CHECK (kind <> ''),
    subject text COLLATE "C" NOT NULL CHECK (subject <> ''),
    actor text NOT NULL CHECK (actor <> ''),
    reason text NOT NULL,
    details jsonb NOT NULL CHECK (jsonb_typeof(details) = 'object')
);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'table % is append-only: % is refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
END
$$;

-- ALWAYS: a session that plays a replica (session_replication_role) is refused too.
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON decision
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE decision ENABLE ALWAYS TRIGGER append_only;
"""

_RELEASED_FILES = """
ALTER TABLE input_file DROP CONSTRAINT input_file_state_check,
    ADD CONSTRAINT input_file_state_check CHECK (state IN ('claimed', 'released', 'done', 'failed'));
"""

_UNCLAIMED_FILES = """
ALTER TABLE input_file DROP CONSTRAINT input_file_state_check;
UPDATE input_file SET state = 'unclaimed' WHERE state = 'released';
ALTER TABLE input_file
    ADD CONSTRAINT input_file_state_check CHECK (state IN ('claimed', 'unclaimed', 'done', 'failed'));
"""

_SERVICE = """
-- Logs of entities. `written_by` is the writing transaction: whoever reads on from the oldest one that was under way
-- when he last read misses nothing, whatever the order of the commits.
CREATE TABLE profile_entry (
    entity text COLLATE "C" NOT NULL,
    entry_id text COLLATE "C" NOT NULL,
    at timestamptz NOT NULL,
    content jsonb NOT NULL,
    written_by xid8 NOT NULL DEFAULT pg_current_xact_id(),
    PRIMARY KEY (entity, entry_id)
);
CREATE INDEX profile_entry_new ON profile_entry (entity, written_by);
CREATE INDEX profile_entry_age ON profile_entry (at);

CREATE TABLE service_score (
    transaction_id text COLLATE "C" PRIMARY KEY,
    content_hash text NOT NULL,
    release_id text NOT NULL,
    decision text NOT NULL,
    signal double precision NOT NULL,
    amount numeric(18, 4),
    account_id text COLLATE "C",
    payment jsonb NOT NULL,
    evidence jsonb NOT NULL,
    answer jsonb NOT NULL,
    scored_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX service_score_time ON service_score (scored_at);
CREATE INDEX service_score_account ON service_score (account_id);
CREATE INDEX service_score_queue ON service_score ((signal * coalesce(amount, 0)::double precision) DESC)
    WHERE decision <> 'allow';
CREATE INDEX service_score_alarming ON service_score (scored_at) WHERE decision <> 'allow';
CREATE INDEX decision_subject ON decision (kind, subject);

-- Rows go only where an account is forgotten; what was answered never changes.
CREATE TRIGGER append_only BEFORE UPDATE OR TRUNCATE ON service_score
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE service_score ENABLE ALWAYS TRIGGER append_only;

CREATE TABLE service_token (
    token_id text PRIMARY KEY,
    role text NOT NULL CHECK (role IN ('score', 'analyst', 'operator')),
    name text NOT NULL CHECK (name <> ''),
    digest text NOT NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz
);

CREATE TABLE service_alert (
    transaction_id text COLLATE "C" PRIMARY KEY,
    account_id text COLLATE "C",
    decision text NOT NULL,
    signal double precision NOT NULL,
    content jsonb NOT NULL,
    state text NOT NULL CHECK (state IN ('pending', 'sent', 'held', 'repeated')),
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    promoted_at timestamptz,
    claimed_until timestamptz,
    sent_at timestamptz
);
CREATE INDEX service_alert_account ON service_alert (account_id, at);
CREATE INDEX service_alert_state ON service_alert (state, at);

CREATE TABLE stream_checkpoint (
    stream text NOT NULL,
    shard text NOT NULL,
    sequence text NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (stream, shard)
);

CREATE TABLE dead_letter (
    stream text NOT NULL,
    shard text NOT NULL,
    sequence text NOT NULL,
    reason text NOT NULL,
    content_hash text NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (stream, shard, sequence)
);
"""

_OVERLAYS = """
CREATE TABLE overlay_change (
    sequence bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    release_id text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    label smallint,
    said bigint NOT NULL,
    intercept double precision NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX overlay_change_new ON overlay_change (release_id, sequence);
CREATE INDEX overlay_change_subject ON overlay_change (subject);

CREATE TABLE overlay_reference (
    sequence bigint NOT NULL REFERENCES overlay_change ON DELETE CASCADE,
    reference_id text COLLATE "C" NOT NULL,
    label smallint NOT NULL,
    confirmed boolean NOT NULL,
    event_time timestamptz NOT NULL,
    known_at timestamptz NOT NULL,
    amount numeric(18, 4),
    currency text,
    merchant_id text,
    category text,
    account_id text COLLATE "C",
    vector bytea NOT NULL,
    asked bytea NOT NULL,
    PRIMARY KEY (sequence, reference_id)
);
CREATE INDEX overlay_reference_id ON overlay_reference (reference_id);
CREATE INDEX overlay_reference_account ON overlay_reference (account_id);

-- Rows go only where an account is forgotten.
CREATE TRIGGER append_only BEFORE UPDATE OR TRUNCATE ON overlay_change
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE overlay_change ENABLE ALWAYS TRIGGER append_only;
CREATE TRIGGER append_only BEFORE UPDATE OR TRUNCATE ON overlay_reference
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE overlay_reference ENABLE ALWAYS TRIGGER append_only;
"""

_DESK = """
-- Entries of lists that a policy reads. `value` is as payments have it: of a person or device its hash by `key_id`.
CREATE TABLE policy_entry (
    entry bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    list text COLLATE "C" NOT NULL CHECK (list <> ''),
    effect text NOT NULL CHECK (effect IN ('snooze', 'watch', 'block', 'allow', 'fatal block')),
    entity text NOT NULL CHECK (entity IN ('account', 'merchant', 'source_ip', 'device', 'card_bin')),
    value text COLLATE "C" NOT NULL CHECK (value <> ''),
    until timestamptz,
    reason text NOT NULL,
    said_by text NOT NULL CHECK (said_by <> ''),
    key_id text,
    since timestamptz NOT NULL,
    ended_at timestamptz
);
CREATE UNIQUE INDEX policy_entry_counts ON policy_entry (list, entity, value) WHERE ended_at IS NULL;
CREATE INDEX policy_entry_value ON policy_entry (value);
CREATE INDEX policy_entry_key ON policy_entry (key_id);

-- A case is the alerts of one account (or of one payment without an account) that nobody has closed.
CREATE TABLE desk_case (
    case_id text COLLATE "C" PRIMARY KEY,
    account_id text COLLATE "C",
    key_id text NOT NULL,
    state text NOT NULL CHECK (state IN ('open', 'closed')),
    assignee text,
    due timestamptz NOT NULL,
    outcome text CHECK (outcome IN ('fraud', 'good', 'unsure')),
    opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    closed_at timestamptz,
    CHECK ((state = 'closed') = (outcome IS NOT NULL AND closed_at IS NOT NULL))
);
CREATE UNIQUE INDEX desk_case_open ON desk_case (account_id) WHERE state = 'open';
CREATE INDEX desk_case_account ON desk_case (account_id);

CREATE TABLE desk_case_alert (
    transaction_id text COLLATE "C" PRIMARY KEY,
    case_id text COLLATE "C" NOT NULL REFERENCES desk_case ON DELETE CASCADE,
    event_time timestamptz NOT NULL,
    decision text NOT NULL,
    signal double precision NOT NULL,
    amount numeric(18, 4),
    currency text,
    release_id text NOT NULL,
    policy_version text
);
CREATE INDEX desk_case_alert_case ON desk_case_alert (case_id);

CREATE TABLE desk_case_note (
    note bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    case_id text COLLATE "C" NOT NULL REFERENCES desk_case ON DELETE CASCADE,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    said_by text NOT NULL CHECK (said_by <> ''),
    what text NOT NULL,
    words text NOT NULL
);
CREATE INDEX desk_case_note_case ON desk_case_note (case_id);
"""

_CLAIMANTS = """
-- Who has a claim: the number that he keeps locked for as long as he lives.
ALTER TABLE input_file ADD COLUMN claimed_by bigint;
"""

_ALIKE = """
-- Payments of one merchant, source IP or device about a time: what cases show as related.
CREATE INDEX service_score_merchant ON service_score ((payment ->> 'merchant_id'), (payment ->> 'event_time'))
    WHERE payment ->> 'merchant_id' IS NOT NULL;
CREATE INDEX service_score_source_ip ON service_score ((payment ->> 'source_ip_id'), (payment ->> 'event_time'))
    WHERE payment ->> 'source_ip_id' IS NOT NULL;
CREATE INDEX service_score_device ON service_score ((payment ->> 'device_id'), (payment ->> 'event_time'))
    WHERE payment ->> 'device_id' IS NOT NULL;
"""

MIGRATIONS: tuple[Migration, ...] = (
    Migration(1, "references", _REFERENCES),
    Migration(2, "reader role", _READER_ROLE),
    Migration(3, "ledger of input files", _LEDGER),
    Migration(4, "decision log", _DECISIONS),
    Migration(5, "files that wait for publication", _RELEASED_FILES),
    Migration(6, "scoring in real time", _SERVICE),
    Migration(7, "unclaimed files by that name", _UNCLAIMED_FILES),
    Migration(8, "overlays of feedback", _OVERLAYS),
    Migration(9, "the analyst's desk", _DESK),
    Migration(10, "claimants of input files", _CLAIMANTS),
    Migration(11, "payments of one thing", _ALIKE),
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
