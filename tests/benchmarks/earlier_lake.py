"""Samples of the public files, collected by an earlier commit and by this one: which rows and columns differ.

Each difference must be one that the CHANGELOG names. It measures nothing and is no part of CI.
"""

import gzip
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from earlier_build import COMMIT, ROOT, checked_out
from measuring_data import HANDBOOK, TRANSACTIONS_2019, data_file
from report import print_table

from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.domain.tables import ADDRESSES, REJECTED_ROWS, TRANSACTIONS

ORDER = {TRANSACTIONS: "source_line", REJECTED_ROWS: "source_line", ADDRESSES: "source_ip_id"}
ROWS = 40_000
"""Of the two large files: enough to see each kind of value."""
WHOLE = {
    "aws_transactions_2k.csv": "amazon-fraud-detector-transactions",
    "transactions_curation_2019_01.csv.gz": "amazon-fraud-detector-transactions-curation",
    "aws_registrations_20k.csv": "amazon-fraud-detector-registrations",
    "ulb_creditcard_subset.parquet": "ulb-credit-card",
    "pacs.008.xml": "iso20022-pacs008",
}
_COLLECT = "from counterfoil.cli import app; app()"


def main() -> None:
    """Collect every sample with both builds and print what differs."""
    rows = []
    with checked_out() as earlier, tempfile.TemporaryDirectory(prefix="cfl-", dir="/tmp") as name:
        folder = Path(name)
        for sample, mapping in samples(folder):
            before, now = (
                lake(root, folder / f"{build}-{sample.name}", sample, mapping)
                for build, root in (("earlier", earlier), ("now", ROOT))
            )
            rows += [[sample.name, *compared(table, before, now)] for table in ORDER]
    print_table(
        f"Rows of the lake at {COMMIT} and now", ["file", "table", "rows then", "rows now", "differences"], rows
    )


def samples(folder: Path) -> Iterator[tuple[Path, str]]:
    """Each file that both builds read, or the beginning of a large one, with its mapping."""
    head = folder / TRANSACTIONS_2019
    with gzip.open(data_file(TRANSACTIONS_2019)) as whole, gzip.open(head, "wb", 1) as part:
        part.writelines(islice(whole, ROWS + 1))
    yield head, "amazon-fraud-detector-transactions"
    with pq.ParquetFile(data_file(HANDBOOK)) as payments:
        pq.write_table(pa.Table.from_batches([next(payments.iter_batches(ROWS))]), folder / HANDBOOK)
    yield folder / HANDBOOK, "fraud-detection-handbook"
    yield from ((data_file(name), mapping) for name, mapping in WHOLE.items())


def lake(root: Path, workspace: Path, sample: Path, mapping: str) -> FolderTables:
    """Collect a sample by the build at `root`, all with one key; end the program if it fails."""
    workspace.mkdir()
    key = workspace / "pseudonym.key"
    key.write_bytes(bytes(range(32)))
    key.chmod(0o600)
    environment = {**os.environ, "PYTHONPATH": str(root / "src"), "COUNTERFOIL_WORKSPACE": str(workspace)}
    command = [sys.executable, "-c", _COLLECT, "collect", str(sample), "--mapping", mapping]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{sample.name} could not be collected by {root}: {done.stdout}{done.stderr}")
    return FolderTables(workspace / "lake")


def compared(table: str, before: FolderTables, now: FolderTables) -> list[object]:
    """The table's name, its rows then and now, and the columns that differ with the number of their cells."""
    one, other = (_content(tables, table) for tables in (before, now))
    if one.num_rows != other.num_rows:
        return [table, one.num_rows, other.num_rows, "other rows"]
    gone, new = set(one.column_names) - set(other.column_names), set(other.column_names) - set(one.column_names)
    found = [f"{name} is gone" for name in sorted(gone)] + [f"{name} is new" for name in sorted(new)]
    for name in (name for name in one.column_names if name not in gone):
        cells = zip(one[name].to_pylist(), other[name].to_pylist(), strict=True)
        differ = sum(then != today for then, today in cells)
        if differ or one.schema.field(name).type != other.schema.field(name).type:
            found.append(f"{name}: {differ:,}")
    return [table, one.num_rows, other.num_rows, ", ".join(found) or "none"]


def _content(tables: FolderTables, table: str) -> pa.Table:
    parts = [pq.read_table(path, partitioning=None).replace_schema_metadata(None) for path in tables.files(table)]
    return pa.concat_tables(parts).sort_by(ORDER[table]) if parts else pa.table({})


if __name__ == "__main__":
    main()
