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
