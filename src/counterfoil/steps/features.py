"""Turn transactions into evidence: one row a payment, with all that was known of it at its moment."""

import tempfile
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from counterfoil.domain.features.span import read_back
from counterfoil.domain.features.spec import FeatureSpec, specs_with
from counterfoil.domain.intake.mapping_model import SourceMapping
from counterfoil.domain.labels import spans_between
from counterfoil.domain.periods import Period
from counterfoil.domain.schemas import EVENT_DATE
from counterfoil.domain.tables import EVIDENCE, TRANSACTIONS
from counterfoil.errors import NotFoundError
from counterfoil.ports.lake import TableStore
from counterfoil.steps.lake.changes import unchanged, until_unchanged
from counterfoil.steps.lake.engine import engine, one_row, parquet_source
from counterfoil.steps.lake.labels import labelled, moments_of_withdrawal
from counterfoil.steps.lake.partitions import ROWS_AT_ONCE, Partitions, parts_for
from counterfoil.steps.lake.parts import split
from counterfoil.steps.lake.span import span_of

WHOLE_RUN = "features"
_SORTING = "500MB"
"""What DuckDB may hold while it sorts; beyond it goes to the overflow folder. The fold needs less than this later."""


def build_features(
    tables: TableStore,
    mapping: SourceMapping,
    *,
    label_delay: timedelta,
    period: Period = Period(),
    specs: tuple[FeatureSpec, ...] | None = None,
    run: str = WHOLE_RUN,
    only: Sequence[Path] | None = None,
    rows_per_file: int | None = None,
) -> int:
    """Build the table `evidence` of the payments in `period`, as its one run, and return how many rows it has.

    Reads back as far as the longest window plus the label delay, so that a part of the payments gets the
    same evidence as it does within all of them. With `only`, just the payments that stand in these files of
    `transactions` get a row, and `period` is theirs. With `rows_per_file`, the run is cut into files in the order of
    time. Without `specs`, the features are the default ones and those of the mapping's entities. Where another process
    publishes evidence meanwhile, all is read and built again. Raises NotFoundError if nothing has been collected,
    ChangedError if others are always faster.
    """

    def attempt() -> int:
        return _build(tables, mapping, label_delay, period, specs, run, only, rows_per_file)

    return until_unchanged(attempt)


def _build(
    tables: TableStore,
    mapping: SourceMapping,
    label_delay: timedelta,
    period: Period,
    specs: tuple[FeatureSpec, ...] | None,
    run: str,
    only: Sequence[Path] | None,
    rows_per_file: int | None,
) -> int:
    published = tables.version(EVIDENCE)  # before what it is made of
    files = tables.files(TRANSACTIONS)
    if not files:
        raise NotFoundError("no transactions in this workspace: run 'counterfoil collect' first")
    if only is not None:
        period = span_of(only)
    if specs is None:
        specs = specs_with(mapping.entities)
    staged = tables.stage(EVIDENCE, run)
    chosen = f" AND transaction_id IN ({_ids(only)})" if only is not None else ""
    parts: list[Path] = []
    for number, (span, before) in enumerate(spans_between(period, moments_of_withdrawal(tables, files, label_delay))):
        # Windows count labels from when they are known; training looks at them as they were known at its moment.
        source = labelled(tables, label_delay, files=files, before=before, whole_own=True)
        seen = read_back(specs, label_delay, span.since, span.until)
        with tempfile.TemporaryDirectory(prefix=".fold-", dir=staged) as name:
            with engine(near=staged, memory=_SORTING) as database:
                _view_transactions(database, source, mapping, seen)
                (rows,) = one_row(database, "SELECT count(*) FROM transactions")
                partitions = Partitions(
                    Path(name), parts_for(int(rows)), specs, label_delay, own_columns(mapping),
                    mapping.currency_meaningful,
                )  # fmt: skip
                _sort(database, partitions, span.condition() + chosen)
            parts.append(staged / f"span-{number}.parquet")
            partitions.write(parts[-1])
    rows = _joined(parts, staged / "part-0.parquet")
    if rows_per_file is not None:
        split(staged / "part-0.parquet", rows_per_file)
    tables.publish(EVIDENCE, run, replace=True, check=unchanged(EVIDENCE, published))
    return rows


def own_columns(mapping: SourceMapping) -> tuple[str, ...]:
    """The evidence columns that a mapping adds to the canonical ones."""
    return (*mapping.numeric, *mapping.own_categorical, *mapping.own_textual)


def _joined(parts: Sequence[Path], target: Path) -> int:
    """Join the evidence of spans, one after another, in one file; return how many rows it has."""
    if len(parts) == 1:
        parts[0].rename(target)
        return int(pq.read_metadata(target).num_rows)
    with pq.ParquetWriter(target, pq.read_schema(parts[0]), compression="snappy") as whole:
        for part in parts:
            with pq.ParquetFile(part) as file:
                for group in range(file.num_row_groups):
                    rows = file.read_row_group(group)
                    whole.write_table(rows, row_group_size=max(rows.num_rows, 1))
            part.unlink()
    return int(pq.read_metadata(target).num_rows)


def _ids(files: Sequence[Path]) -> str:
    return f"SELECT transaction_id FROM {parquet_source(files)}" if files else "NULL"


def _view_transactions(
    database: duckdb.DuckDBPyConnection, source: str, mapping: SourceMapping, condition: str
) -> None:
    """Define `transactions`, with a null column for evidence that none of the files has."""
    there = {row[0] for row in database.execute(f"DESCRIBE FROM {source}").fetchall()} - {EVENT_DATE}
    nulls = [f"NULL::DOUBLE AS {n}" for n in mapping.numeric if n not in there]
    nulls += [f"NULL::VARCHAR AS {n}" for n in (*mapping.own_categorical, *mapping.own_textual) if n not in there]
    columns = ", ".join([*(f'"{name}"' for name in sorted(there)), *nulls])
    database.execute(f"CREATE VIEW transactions AS SELECT {columns} FROM {source} WHERE {condition}")


def _sort(database: duckdb.DuckDBPyConnection, partitions: Partitions, wanted: str) -> None:
    """Write the payments that the fold reads, in the order of time and id."""
    query = f"SELECT {partitions.columns(wanted)} FROM transactions ORDER BY event_time, transaction_id"
    partitions.keep(database.sql(query).to_arrow_reader(ROWS_AT_ONCE))
