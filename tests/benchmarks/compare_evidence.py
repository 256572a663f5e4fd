"""All default features of samples of the measuring data, by this build and by that of 860ca29, cell by cell.

A sample has all payments of some accounts and of some merchants, so that their histories are whole. Both build from the
same lake. With --every 1 all payments are compared.
"""

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
from earlier_build import COMMIT, ROOT, build_evidence, checked_out, differing, evidence_in
from measuring_data import HANDBOOK, TRANSACTIONS_2019, data_file
from report import arguments, print_table, verdict, write_json

from counterfoil.adapters.files.input_files import InputFiles
from counterfoil.adapters.files.mapping_files import load_mapping
from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.adapters.memory.ledger import MemoryLedger
from counterfoil.steps.intake.collect import collect

MOST_DIFFERENCE = 1e-9


@dataclass(frozen=True)
class Source:
    """A file of the measuring data; `columns` name its accounts and merchants. Without any, all of it is compared."""

    file: str
    mapping: str
    columns: tuple[str, ...] = ()

    def sample(self, folder: Path, every: int) -> Path:
        """Write one in `every` accounts and merchants, with all their payments, as a file of the same kind."""
        path = data_file(self.file)
        if not self.columns or every == 1:
            return path
        chosen = " OR ".join(f"hash({column}) % {every} = 0" for column in self.columns)
        parquet = path.suffix == ".parquet"
        read = f"read_parquet('{path}')" if parquet else f"read_csv('{path}', all_varchar = true)"
        target = folder / f"sample{'.parquet' if parquet else '.csv'}"
        duckdb.sql(f"COPY (SELECT * FROM {read} WHERE {chosen}) TO '{target}'")
        return target


SOURCES = (
    Source(TRANSACTIONS_2019, "amazon-fraud-detector-transactions", ("ENTITY_ID", "merchant")),
    Source(HANDBOOK, "fraud-detection-handbook", ("CUSTOMER_ID", "TERMINAL_ID")),
    Source("aws_registrations_20k.csv", "amazon-fraud-detector-registrations"),
    Source("ulb_creditcard_subset.parquet", "ulb-credit-card"),
)


def main() -> None:
    """Compare each source, print the table."""
    options = _options()
    table, found = [], {}
    with checked_out() as earlier:
        for source in [source for source in SOURCES if source.file in options.only]:
            rows, columns, worst = _compared(source, earlier, options.every)
            largest = max(worst.values(), default=0.0)
            table.append([source.file, rows, columns, ", ".join(worst) or "none", largest,
                          verdict(largest <= MOST_DIFFERENCE)])  # fmt: skip
            found[source.file] = {"rows": rows, "columns": columns, "differing": worst}
    header = ["", "payments", "columns", "not equal to the bit", "largest difference", f"equal to {MOST_DIFFERENCE:g}"]
    print_table(f"Evidence by this build and by {COMMIT}: one in {options.every} accounts and merchants", header, table)
    write_json(options.json, {"benchmark": "equality", "earlier": COMMIT, "every": options.every, "sources": found})


def _options() -> argparse.Namespace:
    parser = arguments(__doc__)
    files = [source.file for source in SOURCES]
    parser.add_argument("--only", nargs="+", choices=files, default=files, metavar="FILE", help="of the measuring data")
    parser.add_argument("--every", type=int, default=16, help="one in so many accounts, and merchants")
    return parser.parse_args()


def _compared(source: Source, earlier: Path, every: int) -> tuple[int, int, dict[str, float]]:
    """How many payments and columns were compared, and the columns that differ, with the largest difference."""
    with tempfile.TemporaryDirectory(prefix="cfc-", dir="/tmp") as name:
        folder, lake = Path(name), Path(name) / "lake"
        path = source.sample(folder, every)
        collect(
            [path], load_mapping(source.mapping),
            key=bytes(32), reader=InputFiles(), tables=FolderTables(lake), ledger=MemoryLedger(),
        )  # fmt: skip
        build_evidence(ROOT, lake, source.mapping, None)
        kept = evidence_in(lake).metadata
        FolderTables(lake).files("evidence")[0].rename(folder / "now.parquet")
        build_evidence(earlier, lake, source.mapping, None)
        with pq.ParquetFile(folder / "now.parquet") as now:
            return int(kept.num_rows), int(kept.num_columns), differing(evidence_in(lake), now)


if __name__ == "__main__":
    main()
