"""The tables of one reference set in PostgreSQL: how they are made, filled, indexed, read and asked."""

import hashlib
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import psycopg
import pyarrow as pa
from pgvector import Vector
from psycopg import sql

from counterfoil.adapters.postgres.schema import READER
from counterfoil.domain.release.references import REFERENCE_FIELDS, reference_schema, vectors_of
from counterfoil.domain.schemas import FRAUD, GOOD
from counterfoil.ports.releases import Precedent

HNSW_M = 16
HNSW_EF_CONSTRUCTION = 64

_MAX_EF_SEARCH = 1000  # pgvector's own limit
_COLUMNS = tuple(field.name for field in REFERENCE_FIELDS)
# Vectors are sent as raw bytes, in the form that pgvector reads.
_COPY_COLUMNS = {
    "release_id": "text",
    "reference_id": "text",
    "label": "int2",
    "event_time": "timestamptz",
    "known_at": "timestamptz",
    "amount": "numeric",
    "currency": "text",
    "merchant_id": "text",
    "category": "text",
    "embedding": "bytea",
}


def partition(release_id: str, label: int | None = None) -> str:
    """Return the name of a release's table, or of one of its sides; a hash, as names end at 63 bytes."""
    name = f"reference_{hashlib.sha256(release_id.encode()).hexdigest()[:32]}"
    return name if label is None else f"{name}_{'fraud' if label == FRAUD else 'good'}"


def write(connection: psycopg.Connection, release_id: str, ordered: pa.Table, digest: str) -> None:
    """Fill and index tables that nobody sees yet, then attach them; in the caller's transaction.

    `ordered` is in canonical order and `digest` its checksum. Attaching at the end keeps the parent
    readable: a partition created in place would lock it for as long as the index is built.
    """
    labels = ordered.column("label").to_numpy()
    frauds = int((labels == FRAUD).sum())
    vectors = vectors_of(ordered)
    _prepare_session(connection, *vectors.shape)
    _create(
        connection,
        "CREATE TABLE {release} (LIKE reference INCLUDING ALL) PARTITION BY LIST (label)",
        release_id,
    )
    # The canonical order has the frauds first.
    for label, first, count in ((FRAUD, 0, frauds), (GOOD, frauds, len(labels) - frauds)):
        _create_side(connection, release_id, label, vectors.shape[1])
        side = vectors[first : first + count]
        _copy_in(connection, release_id, label, ordered.slice(first, count), side)
        _index_side(connection, release_id, label, vectors.shape[1])
    _create(connection, "ALTER TABLE reference ATTACH PARTITION {release} FOR VALUES IN ({id})", release_id)
    connection.execute(
        "INSERT INTO reference_base (release_id, dimensions, rows, frauds, checksum) VALUES (%s, %s, %s, %s, %s)",
        (release_id, vectors.shape[1], len(labels), frauds, digest),
    )


def _prepare_session(connection: psycopg.Connection, rows: int, dimensions: int) -> None:
    """Give the index build the memory that its graph needs, and let it notice a client that died."""
    # Vector, neighbours on the ground level (2 m of 16 bytes) and what the allocator adds.
    needed = rows * (4 * dimensions + 32 * HNSW_M + 400) >> 20
    memory = min(max(16, needed * 5 // 4), 2048)
    connection.execute("SELECT set_config('maintenance_work_mem', %s, true)", (f"{memory}MB",))
    connection.execute("SET LOCAL client_connection_check_interval = '2s'")


def _create(
    connection: psycopg.Connection, statement: str, release_id: str, label: int = FRAUD, dimensions: int = 0
) -> None:
    """Run a definition; {release} and {side} are tables, {id}, {label} and {d} are values."""
    connection.execute(
        sql.SQL(statement).format(
            release=sql.Identifier(partition(release_id)),
            side=sql.Identifier(partition(release_id, label)),
            id=sql.Literal(release_id),
            label=sql.Literal(label),
            d=sql.Literal(dimensions),
            reader=sql.Identifier(READER),
        )
    )


def _create_side(connection: psycopg.Connection, release_id: str, label: int, dimensions: int) -> None:
    # PostgreSQL trusts this constraint when the table is attached, and does not read its rows again.
    statement = """
        CREATE TABLE {side} (
            LIKE reference INCLUDING ALL,
            CHECK (release_id = {id} AND label = {label}),
            CHECK (vector_dims(embedding) = {d})
        );
        GRANT SELECT ON {side} TO {reader}
    """
    _create(connection, statement, release_id, label, dimensions)


def _index_side(connection: psycopg.Connection, release_id: str, label: int, dimensions: int) -> None:
    # The parent's column has no width, as releases differ in theirs: the index is on the cast.
    index = f"""
        CREATE INDEX ON {{side}} USING hnsw ((embedding::vector({{d}})) vector_cosine_ops)
            WITH (m = {HNSW_M}, ef_construction = {HNSW_EF_CONSTRUCTION})
    """
    try:
        with connection.transaction():
            _create(connection, index, release_id, label, dimensions)
    except (psycopg.errors.DiskFull, psycopg.errors.OutOfMemory):
        # Parallel workers share memory in /dev/shm, which a container makes small: one process needs none.
        connection.execute("SET LOCAL max_parallel_maintenance_workers = 0")
        _create(connection, index, release_id, label, dimensions)
    attach = "ANALYZE {side}; ALTER TABLE {release} ATTACH PARTITION {side} FOR VALUES IN ({label})"
    _create(connection, attach, release_id, label, dimensions)


def _copy_in(
    connection: psycopg.Connection,
    release_id: str,
    label: int,
    references: pa.Table,
    vectors: npt.NDArray[np.float32],
) -> None:
    """Send rows in binary."""
    columns = sql.SQL(", ").join(map(sql.Identifier, _COPY_COLUMNS))
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
        sql.Identifier(partition(release_id, label)), columns
    )
    values = [references.column(name).to_pylist() for name in _COLUMNS]
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types(list(_COPY_COLUMNS.values()))
        for *row, packed in zip(*values, _packed(vectors), strict=True):
            copy.write_row((release_id, *row, packed))


def _packed(vectors: npt.NDArray[np.float32]) -> Iterator[bytes]:
    """Give each row in pgvector's binary form: width and zero in 16 bits each, then big-endian floats."""
    header = np.array([vectors.shape[1], 0], dtype=">u2").tobytes()
    for row in vectors.astype(">f4"):
        yield header + row.tobytes()


def read(connection: psycopg.Connection, release_id: str, dimensions: int) -> pa.Table:
    """Return a base in canonical order, as `domain.references.reference_schema(dimensions)`."""
    query = sql.SQL(
        "SELECT {}, vector_send(embedding) FROM reference WHERE release_id = %s ORDER BY label DESC, reference_id"
    ).format(sql.SQL(", ").join(map(sql.Identifier, _COLUMNS)))
    with connection.cursor(binary=True) as cursor:
        rows = cursor.execute(query, (release_id,)).fetchall()
    *columns, packed = zip(*rows, strict=True)
    schema = reference_schema(dimensions)
    arrays = [pa.array(values, type=schema.field(i).type) for i, values in enumerate(columns)]
    floats = np.frombuffer(b"".join(item[4:] for item in packed), dtype=">f4").astype(np.float32)
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(floats), type=schema.field("vector").type)
    return pa.table([*arrays, vectors], schema)


def search(
    connection: psycopg.Connection,
    release_id: str,
    label: int,
    dimensions: int,
    vector: npt.NDArray[np.float32],
    k: int,
) -> list[Precedent]:
    """Ask one side's index, in the caller's transaction.

    The index goes on scanning until it has k rows, in exact order of distance.
    """
    connection.execute(
        "SELECT set_config('hnsw.ef_search', %s, true), set_config('hnsw.iterative_scan', 'strict_order', true)",
        (str(min(max(100, 2 * k), _MAX_EF_SEARCH)),),
    )
    query = nearest_query(release_id, label, dimensions)
    rows = connection.execute(query, (Vector(np.asarray(vector)), k)).fetchall()
    return [Precedent(str(reference_id), label, 1.0 - float(distance)) for reference_id, distance in rows]


def nearest_query(release_id: str, label: int, dimensions: int) -> sql.Composed:
    """Return the query of one side; its parameters are the vector and the number of rows."""
    return sql.SQL(
        "SELECT reference_id, embedding::vector({d}) <=> %s AS distance FROM {side} ORDER BY distance LIMIT %s"
    ).format(d=sql.Literal(dimensions), side=sql.Identifier(partition(release_id, label)))
