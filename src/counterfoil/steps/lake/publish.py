"""Publish: what a pipeline's execution wrote becomes visible in the lake."""

import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from counterfoil.domain.tables import TRANSACTIONS
from counterfoil.errors import UsageError
from counterfoil.ports.lake import FileLedger, LedgerEntry, TableStore, Version
from counterfoil.steps.lake.forgotten import forgotten_accounts
from counterfoil.steps.lake.keys import is_of_older_form, key_id_of
from counterfoil.steps.lake.runs import run_ending
from counterfoil.steps.lake.staged_payments import COLLECTED_TABLES, StagedPayments, drop_payments


@dataclass(frozen=True)
class Published:
    """A run that is visible now, with the rows and files it has."""

    table: str
    run: str
    rows: int
    files: int


def stage_payments(
    lake: TableStore, run: str, folders: Mapping[str, Path], seen: Version, own: Collection[str]
) -> StagedPayments:
    """Stage a collected run from its `folders` (by table; they may be missing), without what others have by now.

    `seen` is the version of the lake's transactions that its ids were compared with; `own` are the runs that were
    collected beside it. Raises UsageError as `publish_table` does.
    """
    staged = {}
    for table in COLLECTED_TABLES:
        paths = sorted(folders[table].rglob("*.parquet"))
        _require_fit(lake, table, run, paths)
        staged[table] = lake.stage(table, run)
        _copy(paths, folders[table], staged[table])
    payments = StagedPayments(lake, run, staged, seen, own=own)
    payments.settle()
    return payments


def publish_staged(lake: TableStore, table: str, run: str, payments: StagedPayments) -> Published:
    """Publish one of the tables of a collected run."""
    payments.publish(table)
    return published_run(lake, table, run)


def published_run(lake: TableStore, table: str, run: str) -> Published:
    """Return what a run has now."""
    paths = lake.files(table, run)
    return Published(table, run, sum(pq.read_metadata(path).num_rows for path in paths), len(paths))


def publish_table(
    lake: TableStore, table: str, run: str, folder: Path, *, without: pa.Array | None = None
) -> Published:
    """Copy the Parquet files under `folder` into the lake and publish them as `run`, in the place of an earlier one.

    The payments `without` (their ids) are left out. Safe to do again: the run is then replaced by itself.
    Raises UsageError for transactions with pseudonyms of
    another key than the lake's, and for rows of an account that was forgotten.
    """
    paths = sorted(folder.rglob("*.parquet"))
    _require_fit(lake, table, run, paths)
    staged = lake.stage(table, run)
    _copy(paths, folder, staged)
    if without is not None and len(without):
        drop_payments(staged, without)
    kept = sorted(staged.rglob("*.parquet"))
    published = Published(table, run, sum(pq.read_metadata(path).num_rows for path in kept), len(kept))
    lake.publish(table, run)
    return published


def _copy(paths: Sequence[Path], folder: Path, staged: Path) -> None:
    for path in paths:
        target = staged / path.relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)


def _require_fit(lake: TableStore, table: str, run: str, paths: Sequence[Path]) -> None:
    _require_nobody_forgotten(lake, table, run, paths)
    if table == TRANSACTIONS:
        _require_key_of(lake, run, paths)


def _require_nobody_forgotten(lake: TableStore, table: str, run: str, paths: Sequence[Path]) -> None:
    forgotten = pa.array(sorted(forgotten_accounts(lake)), pa.string())
    for path in paths if len(forgotten) else ():
        names = [name for name in ("account_id", "merchant_id") if name in pq.read_schema(path).names]
        columns = pq.read_table(path, columns=names, partitioning=None).columns
        if any(pc.any(pc.is_in(column, value_set=forgotten)).as_py() for column in columns):
            raise UsageError(
                f"run {run!r} of table {table!r} names an account that was forgotten after it was made: "
                "start the pipeline again"
            )


def _require_key_of(lake: TableStore, run: str, paths: Sequence[Path]) -> None:
    # One run tells it: from S3 all files of the runs that are asked for would be brought here.
    kept = [path for first in lake.runs(TRANSACTIONS)[:1] for path in lake.files(TRANSACTIONS, first)]
    there, here = key_id_of(kept), key_id_of(paths)
    if None not in (here, there) and is_of_older_form(kept) != is_of_older_form(paths):
        raise UsageError(
            f"the accounts of run {run!r} were hashed in another form than those of the lake, by another version: "
            "collect the raw files into a new lake with this version"
        )
    if None not in (here, there) and here != there:
        raise UsageError(
            f"the transactions of run {run!r} have pseudonyms of key {here}, those of the lake are of {there}: the "
            "key was changed since they were collected; start the pipeline again"
        )


def without_lost(entry: LedgerEntry, lost: Mapping[str, int]) -> LedgerEntry:
    """Count the rows that a file's run lost at publication (`lost`, by run) as rejected."""
    rows = sum(count for run, count in lost.items() if run.endswith(run_ending(entry.file)))
    return replace(entry, rows_out=entry.rows_out - rows, rows_rejected=entry.rows_rejected + rows)


def complete_files(ledger: FileLedger, collected: Sequence[LedgerEntry]) -> int:
    """Mark files as done whose rows are visible now; return how many were not before.

    A file that another process holds is left to it: its rows are visible either way.
    """
    done = 0
    for entry in collected:
        if ledger.claim(entry.file, entry.mapping):
            ledger.complete(
                entry.file, rows_in=entry.rows_in, rows_out=entry.rows_out, rows_rejected=entry.rows_rejected
            )
            done += 1
    return done
