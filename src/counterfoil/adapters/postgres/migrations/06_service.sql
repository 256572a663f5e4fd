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
