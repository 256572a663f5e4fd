"""Publish: what a pipeline's execution wrote becomes visible in the lake."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from counterfoil.ports import FileLedger, LedgerEntry, TableStore


@dataclass(frozen=True)
class Published:
    """A run that is visible now, with the rows and files it has."""

    table: str
    run: str
    rows: int
    files: int


def publish_table(lake: TableStore, table: str, run: str, folder: Path) -> Published:
    """Copy the Parquet files under `folder` into the lake and publish them as `run`, in the place of an earlier one.

    Safe to do again: the run is then replaced by itself.
    """
    staged = lake.stage(table, run)
    rows = 0
    paths = sorted(folder.rglob("*.parquet"))
    for path in paths:
        target = staged / path.relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        rows += pq.read_metadata(target).num_rows
    lake.publish(table, run)
    return Published(table, run, rows, len(paths))


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
