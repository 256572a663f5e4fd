"""Turn transactions into evidence: one row a payment, with all that was known of it at its moment."""

import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from counterfoil.domain.features.span import read_back
from counterfoil.domain.features.spec import DEFAULT_SPECS, FeatureSpec
from counterfoil.domain.intake.mapping_model import SourceMapping
from counterfoil.domain.periods import Period
from counterfoil.domain.schemas import EVENT_DATE
from counterfoil.domain.tables import EVIDENCE, TRANSACTIONS
from counterfoil.errors import NotFoundError
from counterfoil.ports.lake import TableStore
from counterfoil.steps.lake.engine import engine, one_row, parquet_source
from counterfoil.steps.lake.partitions import ROWS_AT_ONCE, Partitions, parts_for
from counterfoil.steps.lake.parts import split

WHOLE_RUN = "features"
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


def build_features(
    tables: TableStore,
    mapping: SourceMapping,
    *,
    label_delay: timedelta,
    period: Period = Period(),
    specs: tuple[FeatureSpec, ...] = DEFAULT_SPECS,
    run: str = WHOLE_RUN,
    only: Sequence[Path] | None = None,
    rows_per_file: int | None = None,
) -> int:
    """Build the table `evidence` of the payments in `period`, as its one run, and return how many rows it has.

    Reads back as far as the longest window plus the label delay, so that a part of the payments gets the
    same evidence as it does within all of them. With `only`, just the payments that stand in these files of
    `transactions` get a row, and `period` is theirs. With `rows_per_file`, the run is cut into files in the
    order of time. Raises NotFoundError if nothing has been collected.
    """
    files = tables.files(TRANSACTIONS)
    if not files:
        raise NotFoundError("no transactions in this workspace: run 'counterfoil collect' first")
    if only is not None:
        period = _span(only)
    staged = tables.stage(EVIDENCE, run)
    seen = read_back(specs, label_delay, period.since, period.until)
    wanted = period.condition() + (f" AND transaction_id IN ({_ids(only)})" if only is not None else "")
    with tempfile.TemporaryDirectory(prefix=".fold-", dir=staged) as name:
        with engine(near=staged) as database:
            _view_transactions(database, files, mapping, seen)
            (rows,) = one_row(database, "SELECT count(*) FROM transactions")
            partitions = Partitions(
                Path(name), parts_for(int(rows)), specs, label_delay, own_columns(mapping), mapping.currency_meaningful
            )
            _sort(database, partitions, wanted)
        rows = partitions.write(staged / "part-0.parquet")
    if rows_per_file is not None:
        split(staged / "part-0.parquet", rows_per_file)
    tables.publish(EVIDENCE, run, replace=True)
    return rows


def own_columns(mapping: SourceMapping) -> tuple[str, ...]:
    """The evidence columns that a mapping adds to the canonical ones."""
    return (*mapping.numeric, *mapping.own_categorical, *mapping.own_textual)


def _span(files: Sequence[Path]) -> Period:
    """The period from the first to the last payment of these files; an empty one if there is none."""
    if not files:
        return Period(_NEVER, _NEVER)
    with engine() as database:
        first, last = one_row(database, f"SELECT min(event_time), max(event_time) FROM {parquet_source(files)}")
    return Period(_NEVER, _NEVER) if first is None else Period(first, last + timedelta(microseconds=1))


def _ids(files: Sequence[Path]) -> str:
    return f"SELECT transaction_id FROM {parquet_source(files)}" if files else "NULL"


def _view_transactions(
    database: duckdb.DuckDBPyConnection, files: Sequence[Path], mapping: SourceMapping, condition: str
) -> None:
    """Define `transactions`, with a null column for evidence that none of the files has."""
    source = parquet_source(files)
    there = {row[0] for row in database.execute(f"DESCRIBE FROM {source}").fetchall()} - {EVENT_DATE}
    nulls = [f"NULL::DOUBLE AS {n}" for n in mapping.numeric if n not in there]
    nulls += [f"NULL::VARCHAR AS {n}" for n in (*mapping.own_categorical, *mapping.own_textual) if n not in there]
    columns = ", ".join([*(f'"{name}"' for name in sorted(there)), *nulls])
    database.execute(f"CREATE VIEW transactions AS SELECT {columns} FROM {source} WHERE {condition}")


def _sort(database: duckdb.DuckDBPyConnection, partitions: Partitions, wanted: str) -> None:
    """Write the payments that the fold reads, in the order of time and id."""
    query = f"SELECT {partitions.columns(wanted)} FROM transactions ORDER BY event_time, transaction_id"
    target = str(partitions.path).replace("'", "''")
    database.execute(f"COPY ({query}) TO '{target}' (FORMAT parquet, ROW_GROUP_SIZE {ROWS_AT_ONCE})")
