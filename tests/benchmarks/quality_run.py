"""One case of `quality.py`: our backtest, and the rows that it learned from and was judged on, as matrices."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from quality_cases import Case

from counterfoil.adapters.files.mapping_files import load_mapping
from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.adapters.memory.ledger import MemoryLedger
from counterfoil.domain.arrays import Doubles, Floats, Labels
from counterfoil.domain.periods import known_at
from counterfoil.domain.release.release import Release
from counterfoil.domain.schemas import FRAUD
from counterfoil.domain.tables import TRANSACTIONS
from counterfoil.ports.lake import TableStore
from counterfoil.ports.stores import Stores
from counterfoil.steps.backtest import Backtest, Windows, backtest
from counterfoil.steps.features import build_features
from counterfoil.steps.intake.collect import collect
from counterfoil.steps.lake.engine import engine, parquet_source
from counterfoil.steps.lake.evidence import evidence_files
from counterfoil.steps.train import TrainingRequest, sample_payments
from counterfoil.workspace.wiring import Workspace


@dataclass(frozen=True)
class Rows:
    """Payments with known labels and what a peer sees of them.

    `values` (rows, columns) is the release's evidence: scaled numbers, points on circles, one-hot categories;
    a missing number is 0, the training rows' mean. `weights` are inverse sampling rates.
    """

    payments: pa.Table
    values: Floats
    weights: Doubles

    @property
    def labels(self) -> Labels:
        return self.payments.column("label").to_numpy().astype(np.int8)

    @property
    def accounts(self) -> np.ndarray:
        return np.asarray(self.payments.column("account_id").to_pylist(), dtype=object)

    @property
    def times(self) -> np.ndarray:
        return self.payments.column("event_time").cast(pa.timestamp("us")).to_numpy()


@dataclass(frozen=True)
class SourceIps:
    """What is known of each test payment's source IP.

    `tally` is the number of its frauds whose label was known at the payment's moment; `seen` says whether a
    payment that was trained on came from it.
    """

    tally: Doubles
    seen: np.ndarray


@dataclass(frozen=True)
class CaseRun:
    """Our signals of the test rows, and all that a peer needs to give its own.

    `cpu_s` are the seconds of training, scoring and judging in this process: the database's are not in.
    """

    case: Case
    release: Release
    windows: Windows
    training: Rows
    test: Rows
    signals: Doubles
    ips: SourceIps | None
    cpu_s: float


def run_case(case: Case, path: Path, workspace: Workspace) -> CaseRun:
    """Backtest the file `path` in a scratch lake; the release stays in the workspace."""
    mapping = load_mapping(case.mapping)
    with _scratch(workspace) as tables:
        build_evidence(case, path, workspace, tables)
        windows = case.windows(tables)
        start = time.process_time()
        result = backtest(
            Stores(tables, workspace.references, workspace.registry, workspace.embedder), mapping, windows,
            label_delay=case.delay, exclude_compromised=case.exclude_compromised, compute=workspace.compute,
        )  # fmt: skip
        cpu_s = time.process_time() - start
        training = _training_rows(tables, case, result)
        test, signals = _test_rows(tables, result)
        ips = _source_ips(tables, case.delay, training.payments, test.payments) if case.by_ip else None
    return CaseRun(case, result.release, windows, training, test, signals, ips, cpu_s)


def build_evidence(case: Case, path: Path, workspace: Workspace, tables: TableStore) -> None:
    """Collect the file `path` and build the evidence of its payments."""
    mapping = load_mapping(case.mapping)
    collect([path], mapping, key=workspace.pseudonym_key, reader=workspace.reader, tables=tables, ledger=MemoryLedger())
    build_features(tables, mapping, label_delay=case.delay)


@contextmanager
def _scratch(workspace: Workspace) -> Iterator[FolderTables]:
    workspace.root.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="quality-", dir=workspace.root))
    try:
        yield FolderTables(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _training_rows(tables: TableStore, case: Case, result: Backtest) -> Rows:
    """The rows that the release was fitted on. Raises RuntimeError should they be others."""
    request = TrainingRequest(
        period=result.windows.training,
        known_until=result.windows.test.since,
        label_delay_days=case.delay / timedelta(days=1),
    )
    payments, weights = sample_payments(tables, request)
    frauds = int((payments.column("label").to_numpy() == FRAUD).sum())
    release = result.release
    if (payments.num_rows, frauds) != (release.training_rows, release.training_frauds):
        raise RuntimeError(
            f"{case.name}: peers would learn from {payments.num_rows} payments with {frauds} frauds, the release did "
            f"from {release.training_rows} with {release.training_frauds}: let _training_rows ask as backtest does"
        )
    return _rows(payments, weights, release)


def _test_rows(tables: TableStore, result: Backtest) -> tuple[Rows, Doubles]:
    """The rows that the backtest was judged on, in its order, and its signals."""
    scores = result.evaluated.scores.append_column("label", result.evaluated.labels)
    scores = scores.filter(pc.is_valid(scores.column("label")))
    since = ("event_time", ">=", result.windows.test.since)
    evidence = pa.concat_tables(
        pq.read_table(file, filters=[since], partitioning=None) for file in evidence_files(tables)
    )
    payments = evidence.take(pc.index_in(scores.column("transaction_id"), evidence.column("transaction_id")))
    # As the backtest judged: by the labels in `transactions`.
    payments = payments.set_column(payments.column_names.index("label"), "label", scores.column("label"))
    rows = _rows(payments, np.ones(payments.num_rows), result.release)
    return rows, scores.column("anomaly_signal").to_numpy()


def _rows(payments: pa.Table, weights: Doubles, release: Release) -> Rows:
    release.encoder.schema.require(payments)
    values = release.encoder.forest_input(payments)
    return Rows(payments.select(["transaction_id", "event_time", "known_at", "account_id", "label"]), values, weights)


def _source_ips(tables: TableStore, delay: timedelta, training: pa.Table, test: pa.Table) -> SourceIps:
    """Look up the test payments' IPs in `transactions`; a payment without one has tally 0 and is not seen."""
    source = parquet_source(tables.files(TRANSACTIONS))
    with engine() as database:
        columns = f"transaction_id, source_ip_id, event_time, label, {known_at(delay)} AS known_at"
        database.execute(f"CREATE VIEW payments AS SELECT {columns} FROM {source}")
        for name, table in (("trained", training), ("asked", test)):
            database.register(name, table.select(["transaction_id"]))
        database.execute(
            "CREATE VIEW seen AS SELECT DISTINCT source_ip_id FROM payments SEMI JOIN trained USING (transaction_id)"
        )
        found = database.sql(
            "SELECT asked.transaction_id, count(fraud.transaction_id)::DOUBLE AS tally, "
            "coalesce(any_value(payments.source_ip_id IN (FROM seen WHERE source_ip_id IS NOT NULL)), false) AS seen "
            "FROM asked JOIN payments USING (transaction_id) "
            f"LEFT JOIN payments AS fraud ON fraud.source_ip_id = payments.source_ip_id AND fraud.label = {FRAUD} "
            "AND fraud.event_time < payments.event_time AND fraud.known_at <= payments.event_time "
            "GROUP BY asked.transaction_id"
        ).to_arrow_table()
    found = found.take(pc.index_in(test.column("transaction_id"), found.column("transaction_id")))
    return SourceIps(found.column("tally").to_numpy(), found.column("seen").to_numpy().astype(bool))
