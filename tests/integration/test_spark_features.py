"""Evidence by Spark is DuckDB's, through the entry point that spark-submit is given on SageMaker."""

import json
import os
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from local_spark import assert_same, collected, configuration

from counterfoil.adapters.files.mapping_files import load_mapping
from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.adapters.sagemaker.tables import ProcessingTables
from counterfoil.adapters.spark.features import Transactions, build_features_with_spark
from counterfoil.domain.features.spec import DEFAULT_SPECS
from counterfoil.domain.periods import Period
from counterfoil.errors import NotFoundError
from counterfoil.ports.lake import TableStore
from counterfoil.simulation import simulate
from counterfoil.simulation.dirt import as_csv
from counterfoil.steps.features import build_features
from counterfoil.steps.lake.labels import append_labels

pytestmark = [
    pytest.mark.xdist_group("spark"),  # one JVM at a time
    # Looked for and not imported: every worker reads this file, and one of them needs Spark.
    pytest.mark.skipif(find_spec("pyspark") is None, reason="pyspark is not installed"),
]

MAIN = Path(__file__).parents[2] / "containers" / "features_spark" / "main.py"
SUBMIT = Path(sys.executable).parent / "spark-submit"
DELAY = timedelta(days=7)


def submit(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the container's main.py by spark-submit, as smspark-submit does, on two cores of this machine."""
    options = [part for name, value in configuration(root).items() for part in ("--conf", f"{name}={value}")]
    environment = {
        **os.environ, "COUNTERFOIL_ML_ROOT": str(root), "COUNTERFOIL_WORKSPACE": str(root / "workspace"),
        "PYSPARK_PYTHON": sys.executable, "PYSPARK_DRIVER_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1",
    }  # fmt: skip
    command = [str(SUBMIT), "--master", "local[2]", *options, str(MAIN), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=600)


def frauds_said_and_taken_back(tables: TableStore, ids: list[str]) -> None:
    """Say of some payments that they were frauds, and of some of these, while the new ones are made, that not."""
    for run, said, label, day in (("said", ids[::20], 1, 30), ("back", ids[::60], 0, 37)):
        labels = pa.table({"transaction_id": said, "label": [label] * len(said)})
        moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day)
        assert append_labels(tables, labels, said_by="x", said_at=moment, run=run).rows == len(said)


def evidence_in(root: Path) -> list[Path]:
    return sorted((root / "processing" / "output" / "evidence").glob("*/*.parquet"))


def test_new_payments_of_all_entities_on_top_of_the_lake_s(tmp_path: Path) -> None:
    root, paths = tmp_path / "ml", []
    rows = simulate(accounts=40, merchants=30, days=40, start=date(2026, 1, 1), seed=3)
    ids = pc.utf8_reverse(rows["payment_id"])  # else their order would be that of time
    rows = rows.set_column(rows.column_names.index("payment_id"), "payment_id", ids)
    for number, part in enumerate((rows.slice(0, rows.num_rows - 900), rows.slice(rows.num_rows - 900))):
        paths.append(tmp_path / f"payments-{number}.csv")
        paths[-1].write_bytes(as_csv(part))
    inputs = root / "processing" / "input"
    collected(FolderTables(inputs / "lake"), "counterfoil-simulated", paths[0])
    frauds_said_and_taken_back(FolderTables(inputs / "lake"), ids.to_pylist()[: rows.num_rows - 900])
    tables = ProcessingTables(inputs, tmp_path / "duckdb" / "output")
    collected(ProcessingTables(inputs, tmp_path / "new"), "counterfoil-simulated", paths[1])
    (tmp_path / "new" / "transactions").rename(inputs / "transactions")

    done = submit(
        root, "features", "--mapping", "counterfoil-simulated", "--label-delay-days", "7",
        "--since", "-", "--until", "-", "--scope", "new",
    )  # fmt: skip

    assert done.returncode == 0, done.stderr[-3000:]
    (run,) = tables.carried_runs("transactions")
    mapping = load_mapping("counterfoil-simulated")
    only = tables.files("transactions", run)
    assert build_features(tables, mapping, label_delay=DELAY, only=only) == 900
    evidence = assert_same(evidence_in(root), tables.files("evidence"))
    assert all(evidence[spec.name].null_count < 900 for spec in DEFAULT_SPECS)
    outputs = root / "processing" / "output"
    assert json.loads((outputs / "summary" / "summary.json").read_text()) == {"rows": 900}
    assert (outputs / "evidence" / "_done.json").is_file()


def test_a_week_of_the_handbook_s_terminals_and_customers(shared_data: Path, tmp_path: Path) -> None:
    """One terminal in 30 with all its payments, and one customer in 30, with the 37 days that their windows see."""
    payments = pq.read_table(shared_data / "handbook_transactions.parquet")
    chosen = [
        pc.equal(pc.bit_wise_and(pc.cast(payments[n], pa.int64()), 31), 0) for n in ("TERMINAL_ID", "CUSTOMER_ID")
    ]
    path = tmp_path / "handbook.parquet"
    pq.write_table(payments.filter(pc.or_(*chosen)), path)
    root, name = tmp_path / "ml", "fraud-detection-handbook"
    tables = FolderTables(root / "processing" / "input" / "lake")
    collected(tables, name, path)

    done = submit(
        root, "features", "--mapping", name, "--since", "2018-07-02", "--until", "2018-07-08", "--scope", "new"
    )

    assert done.returncode == 0, done.stderr[-3000:]
    assert [folder.name for folder in (root / "processing/output/evidence").glob("2*")] == ["20180702-20180708"]
    period = Period(datetime(2018, 7, 2, tzinfo=UTC), datetime(2018, 7, 9, tzinfo=UTC))
    rows = build_features(tables, load_mapping(name), label_delay=DELAY, period=period)
    assert rows > 4_000
    assert assert_same(evidence_in(root), tables.files("evidence")).num_rows == rows


def test_without_payments_the_error_says_what_to_do() -> None:
    unused: Any = None
    with pytest.raises(NotFoundError, match="run 'counterfoil collect' first"):
        build_features_with_spark(
            unused, Transactions((), (), ()), "", load_mapping("counterfoil-simulated"), label_delay=DELAY
        )
