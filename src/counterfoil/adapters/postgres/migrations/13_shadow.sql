-- What a challenger would have said of payments that the champion scored. Rows go with the score they stand beside.
CREATE TABLE shadow_score (
    release_id text NOT NULL,
    transaction_id text COLLATE "C" NOT NULL REFERENCES service_score (transaction_id) ON DELETE CASCADE,
    decision text NOT NULL,
    signal double precision NOT NULL,
    scored_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (release_id, transaction_id)
);
CREATE INDEX shadow_score_transaction ON shadow_score (transaction_id);

CREATE TRIGGER append_only BEFORE UPDATE OR TRUNCATE ON shadow_score
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE shadow_score ENABLE ALWAYS TRIGGER append_only;
