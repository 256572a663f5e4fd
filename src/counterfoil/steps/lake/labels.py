"""Labels that come after their payments: kept in a table of their own, and resolved in one place for all who read them.

Nobody else reads the label columns of `transactions` or `evidence` to learn what a payment turned out to be.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from counterfoil.domain.labels import label_changes, labelled_evidence, labelled_payments, withdrawals
from counterfoil.domain.schemas import FRAUD, GOOD, LABELS
from counterfoil.domain.tables import LABELS_TABLE, TRANSACTIONS
from counterfoil.errors import UsageError
from counterfoil.ports.lake import TableStore
from counterfoil.steps.lake.changes import unchanged, until_unchanged
from counterfoil.steps.lake.engine import engine, one_row, parquet_source

OWN_FILE = "own file"
"""Who said the label that came with the payment itself."""

SHOWN = 5
"""As many contradictions are named."""


@dataclass(frozen=True)
class Contradiction:
    """A label that differs from the one that was said before it; the later one counts from when it was said."""

    transaction_id: str
    earlier: int
    later: int


@dataclass(frozen=True)
class Appended:
    """What came of labels that were said.

    `new` are of payments without a label, `changed` contradict the label before, `repeated` say it again and are not
    kept. `unknown` of the new ones are of payments that were not collected yet. `already`: this run was said before,
    so nothing was done. `examples` are the first of the changed ones.
    """

    new: int = 0
    changed: int = 0
    repeated: int = 0
    unknown: int = 0
    already: bool = False
    examples: tuple[Contradiction, ...] = ()

    @property
    def rows(self) -> int:
        """How many labels were said, kept or not."""
        return self.new + self.changed + self.repeated


NOTHING_SAID = Appended()


def append_labels(
    tables: TableStore, labels: pa.Table, *, said_by: str, said_at: datetime, run: str, transactions: bool = True
) -> Appended:
    """Append to the table `labels` what `said_by` said at `said_at` (with a zone), as `run`; return the result.

    `labels` has `transaction_id` and `label` (schemas.FRAUD or GOOD; null takes back what was said before) and may
    have `label_time`, `source` and `source_line`; its order is that in which they were said. A label that only repeats
    the one before is left out. Safe to do again: a run that is there stays what it is. With `transactions` False, the
    payments' own labels are not looked up. Labels that another process says meanwhile are taken into account. Raises
    UsageError for labels that are neither, a missing id, or a moment without a zone, ChangedError if others are always
    faster.
    """
    if said_at.tzinfo is None:
        raise UsageError("labels are said at a moment with a zone: give one in UTC")
    whole = _whole(labels)
    return until_unchanged(lambda: _append(tables, whole, said_by, said_at, run, transactions))


def _append(
    tables: TableStore, labels: pa.Table, said_by: str, said_at: datetime, run: str, transactions: bool
) -> Appended:
    """Raises ChangedError if labels were said since they were read: they may repeat or contradict other ones then."""
    seen = tables.version(LABELS_TABLE)
    if run in seen:
        return Appended(already=True)
    files = tables.files(TRANSACTIONS) if transactions else []
    with engine() as database:
        _define(database, labels, tables.files(LABELS_TABLE), files)
        kept = _kept(database, said_by, said_at)
        appended = _counted(database)
    if kept.num_rows:
        staged = tables.stage(LABELS_TABLE, run)
        pq.write_table(kept, staged / "part-0.parquet", compression="zstd")
        tables.publish(LABELS_TABLE, run, check=unchanged(LABELS_TABLE, seen))
    return appended


def labelled(
    tables: TableStore,
    label_delay: timedelta,
    *,
    files: Sequence[Path] | None = None,
    before: datetime | None = None,
    whole_own: bool = False,
) -> str:
    """The rows of `transactions` (or of some of its files) with their labels resolved, as SQL takes them.

    `before` a moment only what was known counts; None is all that was said. Where nothing was said, the rows are the
    files' own; with `whole_own`, so are the payments of which nothing was said, whatever was known when. There must
    be one file at least.
    """
    payments = parquet_source(tables.files(TRANSACTIONS) if files is None else files)
    said = _said(tables)
    if said is None and before is None:
        return payments
    return f"({labelled_payments(payments, said, label_delay=label_delay, before=before, whole_own=whole_own)})"


def labelled_evidence_files(
    tables: TableStore, files: Sequence[Path | str], label_delay: timedelta, *, before: datetime | None = None
) -> str:
    """The rows of files of `evidence` with label and `known_at` resolved, as SQL takes them."""
    evidence, said = parquet_source(files), _said(tables)
    if said is None and before is None:
        return evidence
    return f"({labelled_evidence(evidence, said, label_delay=label_delay, before=before)})"


def changes_of(tables: TableStore, label_delay: timedelta, *, files: Sequence[Path]) -> str | None:
    """What was said of the payments of these files, change by change, as SQL takes it (domain.labels.label_changes).

    None if nothing was said.
    """
    said = _said(tables)
    return None if said is None or not files else f"({label_changes(parquet_source(files), said, label_delay)})"


def moments_of_withdrawal(tables: TableStore, files: Sequence[Path], label_delay: timedelta) -> list[datetime]:
    """When payments of these files that were known as frauds became known as good, in order."""
    said = _said(tables)
    if said is None or not files:
        return []
    query = withdrawals(parquet_source(files), said, label_delay)
    with engine() as database:
        return [moment for (moment,) in database.execute(f"{query} ORDER BY known_at").fetchall()]


def _said(tables: TableStore) -> str | None:
    files = tables.files(LABELS_TABLE)
    return parquet_source(files) if files else None


def _whole(labels: pa.Table) -> pa.Table:
    """The labels with all columns of schemas.LABELS that whoever says them gives. Raises UsageError."""
    missing = {"transaction_id", "label"} - set(labels.column_names)
    if missing:
        raise UsageError(f"labels have no column {sorted(missing)[0]!r}: give transaction_id and label")
    names = ("transaction_id", "label", "label_time", "source", "source_line")
    fields = [LABELS.field(name) for name in names]
    columns = [
        labels[field.name].cast(field.type) if field.name in labels.column_names else pa.nulls(len(labels), field.type)
        for field in fields
    ]
    if columns[0].null_count or not set(columns[1].unique().to_pylist()) <= {FRAUD, GOOD, None}:
        raise UsageError(
            f"a label has a transaction id, and is {FRAUD} (fraud), {GOOD} (good) or null (taken back): "
            "correct the labels"
        )
    return pa.table(columns, names=list(names))


def _define(
    database: duckdb.DuckDBPyConnection, labels: pa.Table, said: Sequence[Path], transactions: Sequence[Path]
) -> None:
    """Define `own` (the payments' own labels, of those that are named), `said` (before) and `judged` (the new ones)."""
    numbered = labels.append_column("place", pa.array(range(labels.num_rows), pa.int64()))
    database.register("named", numbered)
    if said:
        database.execute(f"CREATE VIEW said AS FROM {parquet_source(said)}")
    else:
        database.register("said", LABELS.empty_table())
    there = "SELECT transaction_id, label, label_time, source, source_line, event_time FROM "
    there += f"{parquet_source(transactions)}" if transactions else f"{_NOWHERE}"
    database.execute(f"CREATE TABLE own AS {there} WHERE transaction_id IN (SELECT transaction_id FROM named)")
    database.execute(_JUDGED)


_NOWHERE = (
    "(SELECT '' AS transaction_id, 0::TINYINT AS label, NULL::TIMESTAMPTZ AS label_time, '' AS source, "
    "0::BIGINT AS source_line, NULL::TIMESTAMPTZ AS event_time LIMIT 0)"
)

_JUDGED = """
CREATE TABLE judged AS
WITH last_said AS (
  SELECT transaction_id, label FROM (
    SELECT transaction_id, label, row_number() OVER (
      PARTITION BY transaction_id ORDER BY said_at DESC NULLS LAST, sequence DESC, said_by DESC, label DESC
    ) AS from_last
    FROM said WHERE transaction_id IN (SELECT transaction_id FROM named)
  ) WHERE from_last = 1
)
SELECT named.*, own.transaction_id IS NULL AS unknown,
  CASE WHEN row_number() OVER (PARTITION BY named.transaction_id ORDER BY place) > 1
      THEN lag(named.label) OVER (PARTITION BY named.transaction_id ORDER BY place)
    WHEN last_said.transaction_id IS NOT NULL THEN last_said.label
    ELSE own.label END AS earlier
FROM named LEFT JOIN last_said USING (transaction_id)
LEFT JOIN (SELECT DISTINCT ON (transaction_id) * FROM own) own USING (transaction_id)
"""
"""Each new label beside the one before it: in the same table, else the last that was said, else the payment's own."""


def _kept(database: duckdb.DuckDBPyConnection, said_by: str, said_at: datetime) -> pa.Table:
    """The rows to append: first what the payments' own files said, where that is not in the table yet."""
    (last,) = one_row(database, "SELECT coalesce(max(sequence), 0) FROM said")
    rows = database.sql(
        f"""
SELECT transaction_id, label, label_time, said_by, said_at, source, source_line,
  $last + row_number() OVER (ORDER BY said_at NULLS FIRST, place, transaction_id) AS sequence
FROM (
  SELECT transaction_id, label, label_time, '{OWN_FILE}' AS said_by, NULL::TIMESTAMPTZ AS said_at, source, source_line,
    0 AS place
  FROM own WHERE label IS NOT NULL
    AND transaction_id IN (SELECT transaction_id FROM judged WHERE earlier IS DISTINCT FROM label)
    AND transaction_id NOT IN (SELECT transaction_id FROM said)
  UNION ALL
  SELECT transaction_id, label, label_time, $said_by, $said_at, source, source_line, place
  FROM judged WHERE earlier IS DISTINCT FROM label
)
ORDER BY sequence
""",
        params={"last": last, "said_by": said_by, "said_at": said_at},
    ).to_arrow_table()
    return rows.select(LABELS.names).cast(LABELS)


def _counted(database: duckdb.DuckDBPyConnection) -> Appended:
    new, changed, repeated, unknown = one_row(
        database,
        "SELECT count(*) FILTER (earlier IS NULL AND label IS NOT NULL), "
        "count(*) FILTER (earlier IS NOT NULL AND earlier IS DISTINCT FROM label), "
        "count(*) FILTER (earlier IS NOT DISTINCT FROM label), "
        "count(*) FILTER (unknown AND earlier IS DISTINCT FROM label) FROM judged",
    )
    examples = database.execute(
        f"SELECT transaction_id, earlier, label FROM judged WHERE earlier <> label ORDER BY place LIMIT {SHOWN}"
    ).fetchall()
    return Appended(new, changed, repeated, unknown, examples=tuple(Contradiction(*row) for row in examples))
