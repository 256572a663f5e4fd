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
