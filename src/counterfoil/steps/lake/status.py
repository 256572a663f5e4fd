"""What the workspace holds: input files by the ledger, tables, and rejected rows by their reason."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow.parquet as pq

from counterfoil.domain.tables import REJECTED_ROWS
from counterfoil.errors import NotFoundError
from counterfoil.ports.lake import FileLedger, LedgerEntry, SourceFile, TableStore
from counterfoil.steps.lake.engine import engine, parquet_source


@dataclass(frozen=True)
class TableSize:
    """A table's published runs, files and rows; `newest` is the name of the last run."""

    table: str
    runs: int
    files: int
    rows: int
    newest: str | None = None


@dataclass(frozen=True)
class Status:
    """Input files in the order of their location, tables by name, and how many rows were rejected by reason code."""

    files: tuple[LedgerEntry, ...]
    tables: tuple[TableSize, ...]
    rejected: Mapping[str, int]

    @property
    def states(self) -> Mapping[str, int]:
        """How many files are in each state (done, failed, claimed, unclaimed), the most frequent first."""
        return dict(Counter(entry.state for entry in self.files).most_common())

    def as_dict(self) -> dict[str, Any]:
        """The same as plain data for JSON."""
        files = [asdict(entry) for entry in self.files]
        tables = [asdict(table) for table in self.tables]
        return {"states": dict(self.states), "files": files, "tables": tables, "rejected": dict(self.rejected)}


def status(tables: TableStore, ledger: FileLedger) -> Status:
    """Look at the ledger and at every table. Tables in S3 are brought here to be counted."""
    sizes = tuple(_size(tables, table) for table in tables.tables())
    return Status(tuple(ledger.entries()), sizes, _rejected(tables))


def _size(tables: TableStore, table: str) -> TableSize:
    files = tables.files(table)
    rows = sum(pq.read_metadata(path).num_rows for path in files)
    runs = tables.runs(table)
    return TableSize(table, len(runs), len(files), rows, runs[-1] if runs else None)


def _rejected(tables: TableStore) -> dict[str, int]:
    files = tables.files(REJECTED_ROWS)
    if not files:
        return {}
    query = f"SELECT reason, count(*) AS rows FROM {parquet_source(files)} GROUP BY reason ORDER BY rows DESC, reason"
    with engine() as database:
        return dict(database.execute(query).fetchall())


def mapping_of(ledger: FileLedger, file: SourceFile) -> str:
    """The mapping that a file was collected with, or that what stood in its place before was.

    Raises NotFoundError if nothing from that place was ever collected; it names the places of the same content.
    """
    known = ledger.entry(file)
    entries = ledger.entries() if known is None else [known]
    here = [entry for entry in entries if entry.file.location == file.location]
    if here:
        return here[-1].mapping
    elsewhere = [entry.file.location for entry in entries if entry.file.content_hash == file.content_hash]
    also = f"; its content was, from {', '.join(elsewhere)}" if elsewhere else ""
    raise NotFoundError(f"{file.location} was never collected{also}: run 'counterfoil collect'")
