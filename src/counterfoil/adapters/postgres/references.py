"""Reference sets in PostgreSQL with pgvector: one partition per release and side, each with an HNSW index."""

import numpy as np
import numpy.typing as npt
import psycopg
import pyarrow as pa
from psycopg import sql

from counterfoil.adapters.postgres import reference_partitions as partitions
from counterfoil.adapters.postgres.connections import Connections, Login
from counterfoil.domain.release.references import checksum, in_canonical_order, vectors_of
from counterfoil.domain.schemas import FRAUD, GOOD
from counterfoil.errors import NotFoundError, ReferenceConflictError, ReleaseMismatchError, UsageError
from counterfoil.ports.releases import Precedent

MAX_DIMENSIONS = 2000
"""What pgvector can index in the type `vector`."""


class PostgresReferences:
    """A ReferenceStore in the database of `login`. With `reader`, as the role that may only read."""

    def __init__(self, login: Login, *, reader: bool = False) -> None:
        self._connections = Connections(login, reader=reader)
        self._known_dimensions: dict[str, int] = {}

    def write_base(self, release_id: str, references: pa.Table) -> str:
        """Write a base in one transaction, index it, and return its checksum.

        Writing the same content again does nothing. Raises ReferenceConflictError if the release has another
        base, UsageError if vectors are not of unit length or a label is neither 1 nor 0.
        """
        _require_usable(references)
        ordered = in_canonical_order(references)
        digest = checksum(ordered)
        with self._connections.transaction() as connection:
            _lock(connection, release_id)
            found = _recorded(connection, release_id)
            if found is None:
                partitions.write(connection, release_id, ordered, digest)
            elif found[1] != digest:
                raise ReferenceConflictError(
                    f"release {release_id!r} has a base with checksum {found[1]} and this one has {digest}: "
                    "a base is written once; give the new one a release id of its own"
                )
        return digest

    def read_base(self, release_id: str) -> pa.Table:
        """Return the base ordered by label (frauds first) and reference id. Raises NotFoundError."""
        with self._connections.transaction() as connection:
            dimensions, _ = self._require(connection, release_id)
            return partitions.read(connection, release_id, dimensions)

    def checksum(self, release_id: str) -> str:
        """Return the checksum that was recorded when the base was written. Raises NotFoundError."""
        with self._connections.transaction() as connection:
            return self._require(connection, release_id)[1]

    def nearest(self, release_id: str, label: int, vector: npt.NDArray[np.float32], k: int) -> list[Precedent]:
        """Return the k nearest references of one side by the index, most similar first.

        Fewer if that side has fewer. Raises NotFoundError for a release without a base, ReleaseMismatchError
        for a vector of another width.
        """
        _require_question(label, vector, k)
        try:
            with self._connections.transaction() as connection:
                dimensions = self._dimensions(connection, release_id)
                if vector.shape != (dimensions,):
                    raise ReleaseMismatchError(
                        f"a vector of shape {vector.shape} was compared with release {release_id!r}, whose "
                        f"vectors have shape ({dimensions},): encode the payment with that release"
                    )
                return partitions.search(connection, release_id, label, dimensions, vector, k)
        except (psycopg.errors.UndefinedTable, psycopg.errors.DataException) as error:
            # The base was dropped, or dropped and written again, since we looked at it.
            self._known_dimensions.pop(release_id, None)
            self.checksum(release_id)
            raise ReleaseMismatchError(
                f"the base of release {release_id!r} was replaced by one of another width: load the release again"
            ) from error

    def drop(self, release_id: str) -> None:
        """Remove a base; nothing happens if there is none."""
        self._known_dimensions.pop(release_id, None)
        with self._connections.transaction() as connection:
            _lock(connection, release_id)
            statement = sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(partitions.partition(release_id)))
            connection.execute(statement)
            connection.execute("DELETE FROM reference_base WHERE release_id = %s", (release_id,))

    def releases(self) -> list[str]:
        """Return the ids of the releases that have a base, sorted."""
        with self._connections.transaction() as connection:
            return _releases(connection)

    def close(self) -> None:
        """Close this thread's connection; the next call opens another."""
        self._connections.close()

    def _dimensions(self, connection: psycopg.Connection, release_id: str) -> int:
        """Return the width of a release's vectors; a base never changes, so it is asked for once."""
        if release_id not in self._known_dimensions:
            self._known_dimensions[release_id] = self._require(connection, release_id)[0]
        return self._known_dimensions[release_id]

    def _require(self, connection: psycopg.Connection, release_id: str) -> tuple[int, str]:
        found = _recorded(connection, release_id)
        if found is None:
            there = ", ".join(_releases(connection)) or "none"
            raise NotFoundError(
                f"release {release_id!r} has no reference set; there are: {there}. Write its base first"
            )
        return found


def _lock(connection: psycopg.Connection, release_id: str) -> None:
    """Let one transaction at a time write or drop this release's base."""
    connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"reference {release_id}",))


def _releases(connection: psycopg.Connection) -> list[str]:
    rows = connection.execute("SELECT release_id FROM reference_base ORDER BY release_id").fetchall()
    return [str(row[0]) for row in rows]


def _recorded(connection: psycopg.Connection, release_id: str) -> tuple[int, str] | None:
    """Return dimensions and checksum of a base, or None."""
    query = "SELECT dimensions, checksum FROM reference_base WHERE release_id = %s"
    row = connection.execute(query, (release_id,)).fetchone()
    return None if row is None else (int(row[0]), str(row[1]))


def _require_usable(references: pa.Table) -> None:
    if references.num_rows == 0:
        raise UsageError("a reference set without rows cannot be written: give at least one labelled payment")
    labels = set(references.column("label").unique().to_pylist())
    if not labels <= {FRAUD, GOOD}:
        raise UsageError(f"references have labels {sorted(map(str, labels))}: keep only {FRAUD} and {GOOD}")
    vectors = vectors_of(references)
    if not 1 <= vectors.shape[1] <= MAX_DIMENSIONS:
        raise UsageError(f"vectors have {vectors.shape[1]} dimensions: pgvector takes 1 to {MAX_DIMENSIONS}")
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1)
    if not np.all(np.abs(lengths - 1) < 1e-3):
        row = int(np.argmin(np.abs(lengths - 1) < 1e-3))
        raise UsageError(f"the vector in row {row} has length {lengths[row]:.6g}: bring vectors to length 1")


def _require_question(label: int, vector: npt.NDArray[np.float32], k: int) -> None:
    if label not in (FRAUD, GOOD):
        raise UsageError(f"label {label!r} is no side of a reference set: ask for {FRAUD} or {GOOD}")
    if not np.isfinite(vector).all():
        raise UsageError("the vector has NaN or infinite values: nothing is near to it; check its evidence")
    if k < 1:
        raise UsageError(f"k = {k} asks for no neighbours: ask for 1 or more")
