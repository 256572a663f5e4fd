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
