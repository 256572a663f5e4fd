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
