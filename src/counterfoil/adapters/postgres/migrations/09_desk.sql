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
