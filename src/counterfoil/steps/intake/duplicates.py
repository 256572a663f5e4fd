"""Rows whose id came before: whether each is the same payment, and what it newly says of its label."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import duckdb
import pyarrow as pa

from counterfoil.domain.schemas import EVENT_DATE, LABELS
from counterfoil.steps.lake.engine import one_row, parquet_source

SAME_PAYMENT = ("event_time", "amount", "currency", "account_id", "merchant_id")
"""What two rows of one payment share, whatever else is told of it; what one of them does not tell does not count."""

_NO_CONTENT = ("transaction_id", "label", "label_time", "source", "source_line", EVENT_DATE)
_ROWS = pa.schema(
    [
        pa.field("source", pa.string()),
        pa.field("source_line", pa.int64()),
        pa.field("earlier", pa.string()),  # "file": on an earlier line of this file, "table": in a published file
        pa.field("differs", pa.string()),  # the columns that hold something else than the row before, or null
    ]
)
_LABELS = pa.schema([LABELS.field(name) for name in ("transaction_id", "label", "label_time", "source", "source_line")])


@dataclass(frozen=True)
class Duplicates:
    """`rows` have the columns of _ROWS. `labels` (of _LABELS) are what rows of the same payment newly say."""

    rows: pa.Table
    labels: pa.Table

    @classmethod
    def found(cls, database: duckdb.DuckDBPyConnection, published: Sequence[Path], schema: pa.Schema) -> Self:
        """Compare the rows of `spooled` that are in `duplicate` with those that came before.

        `spooled` has the columns of `schema` and `file_row_number`; `duplicate` has that number and `earlier`.
        """
        if not one_row(database, "SELECT count(*) FROM duplicate")[0]:
            return cls(_ROWS.empty_table(), _LABELS.empty_table())
        names = [name for name in schema.names if name not in _NO_CONTENT]
        database.execute(_COMPARED.format(earlier=_earlier(database, published, names), **_conditions(names)))
        rows = database.sql(
            "SELECT source, source_line, earlier, differs FROM compared ORDER BY file_row_number"
        ).to_arrow_table()
        labels = database.sql(
            f"SELECT {', '.join(_LABELS.names)} FROM compared "
            "WHERE same_payment AND label IS NOT NULL AND label IS DISTINCT FROM label_before ORDER BY file_row_number"
        ).to_arrow_table()
        return cls(rows.cast(_ROWS), labels.cast(_LABELS))


_COMPARED = """
CREATE TABLE compared AS
SELECT * EXCLUDE (choice) FROM (
  SELECT *, row_number() OVER (PARTITION BY file_row_number ORDER BY differs NULLS FIRST) AS choice FROM (
  SELECT later.file_row_number, later.source, later.source_line, duplicate.earlier, later.transaction_id, later.label,
    later.label_time, before.label AS label_before, {same} AS same_payment, {differs} AS differs
  FROM duplicate
  JOIN spooled AS later ON later.file_row_number = duplicate.file_row_number
  JOIN ({earlier}) AS before ON before.transaction_id = later.transaction_id AND before.earlier = duplicate.earlier
  )
) WHERE choice = 1
"""
"""Each duplicate beside the row before; where there are several, beside the most similar."""


def _conditions(names: Sequence[str]) -> dict[str, str]:
    """Whether two rows are one payment, and which columns differ; a column that a row leaves empty is no difference."""
    same = [f"later.{name} = before.{name}" for name in SAME_PAYMENT]
    differs = ", ".join(f'CASE WHEN later."{name}" <> before."{name}" THEN \'{name}\' END' for name in names)
    return {
        "same": " AND ".join(f"coalesce({one}, true)" for one in same),
        "differs": f"nullif(concat_ws(', ', {differs}), '')",
    }


def _earlier(database: duckdb.DuckDBPyConnection, published: Sequence[Path], names: Sequence[str]) -> str:
    """The rows that came before: the first of each id in this file, and the published ones."""
    columns = ", ".join(f'"{name}"' for name in names)
    first = (
        f"SELECT 'file' AS earlier, transaction_id, label, {columns} FROM spooled "
        "WHERE file_row_number NOT IN (SELECT file_row_number FROM duplicate) "
        "AND transaction_id IN (SELECT transaction_id FROM spooled JOIN duplicate USING (file_row_number))"
    )
    if not published:
        return first
    source = parquet_source(published)
    there = {row[0]: row[1] for row in database.execute(f"DESCRIBE FROM {source}").fetchall()}
    types = dict(_types(database))
    # Evidence of the same name may have another type in another mapping: then it is not compared.
    known = [f'"{name}"' if there.get(name) == types[name] else f'NULL AS "{name}"' for name in names]
    return (
        f"{first} UNION ALL SELECT 'table', transaction_id, label, {', '.join(known)} FROM {source} "
        "WHERE transaction_id IN (SELECT transaction_id FROM spooled JOIN duplicate USING (file_row_number))"
    )


def _types(database: duckdb.DuckDBPyConnection) -> Iterator[tuple[str, str]]:
    for name, type_, *_ in database.execute("DESCRIBE FROM spooled").fetchall():
        yield name, type_
