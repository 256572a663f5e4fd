"""Evidence of new payments alone, and evidence in parts, is the evidence that they have among all."""

from dataclasses import dataclass
from datetime import date, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from counterfoil.adapters.files.input_files import InputFiles
from counterfoil.adapters.files.mapping_files import load_mapping
from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.adapters.memory.ledger import MemoryLedger
from counterfoil.simulation import as_csv, simulate
from counterfoil.steps.features import build_features
from counterfoil.steps.intake.collect import collect

MAPPING = load_mapping("counterfoil-simulated")
DELAY = timedelta(days=7)


@dataclass(frozen=True)
class Lake:
    tables: FolderTables
    runs: list[str]
    whole: pa.Table


def _evidence(tables: FolderTables) -> pa.Table:
    table = pa.concat_tables([pq.read_table(path) for path in tables.files("evidence")])
    # Whether a column is marked as never null is a matter of the query's form.
    return pa.table(dict(zip(table.column_names, table.columns, strict=True)))


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Return 60 days of payments, collected in three files: an older, a newer, and one without rows that are good."""
    folder = tmp_path_factory.mktemp("features")
    payments = simulate(accounts=40, merchants=40, days=60, start=date(2024, 1, 1), seed=3)
    cut = payments.num_rows * 2 // 3
    spoilt = payments.slice(0, 3).set_column(1, "paid_at", pa.array(["never"] * 3))
    for number, part in enumerate((payments.slice(0, cut), payments.slice(cut), spoilt)):
        (folder / f"{number}.csv").write_bytes(as_csv(part))
    tables = FolderTables(folder / "lake")
    paths = sorted(folder.glob("*.csv"))
    collect(paths, MAPPING, key=b"0" * 32, reader=InputFiles(), tables=tables, ledger=MemoryLedger())
    build_features(tables, MAPPING, label_delay=DELAY)
    return Lake(tables, tables.runs("transactions"), _evidence(tables))


def test_evidence_of_new_payments_is_what_they_have_among_all(lake: Lake) -> None:
    newer = lake.tables.files("transactions", lake.runs[1])
    rows = build_features(lake.tables, MAPPING, label_delay=DELAY, run="new", only=newer)
    ids = pa.concat_tables([pq.read_table(path, columns=["transaction_id"]) for path in newer])["transaction_id"]
    expected = lake.whole.filter(pa.compute.is_in(lake.whole["transaction_id"], ids.combine_chunks()))
    assert rows == expected.num_rows == len(ids) > 500
    assert _evidence(lake.tables).equals(expected)


@pytest.mark.parametrize("files", ["none", "without good rows"])
def test_nothing_new_gives_evidence_without_rows(lake: Lake, files: str) -> None:
    only = [] if files == "none" else lake.tables.files("transactions", lake.runs[2])
    assert build_features(lake.tables, MAPPING, label_delay=DELAY, run="new", only=only) == 0
    [path] = lake.tables.files("evidence")
    assert pq.read_schema(path).names == lake.whole.schema.names


def test_parts_hold_the_same_rows_in_the_same_order(lake: Lake) -> None:
    build_features(lake.tables, MAPPING, label_delay=DELAY, rows_per_file=1)
    files = lake.tables.files("evidence")
    assert [path.name for path in files] == [f"part-{number:05d}.parquet" for number in range(len(files))]
    assert _evidence(lake.tables).equals(lake.whole)
