-- Who reads which shard of a stream, and until when; a reader that is gone lets its shards go by saying nothing more.
CREATE TABLE stream_reader (
    stream text NOT NULL,
    reader text NOT NULL,
    until timestamptz NOT NULL,
    PRIMARY KEY (stream, reader)
);
CREATE TABLE stream_lease (
    stream text NOT NULL,
    shard text NOT NULL,
    reader text NOT NULL,
    until timestamptz NOT NULL,
    PRIMARY KEY (stream, shard)
);
