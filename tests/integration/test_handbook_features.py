"""Our windows give the Fraud Detection Handbook's own features, on its own payments."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from counterfoil.adapters.files.input_files import InputFiles
from counterfoil.adapters.files.mapping_files import load_mapping
from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.adapters.postgres.ledger import PostgresLedger
from counterfoil.domain.features.spec import DEFAULT_SPECS
from counterfoil.ports.lake import FileLedger
from counterfoil.steps.features import build_features
from counterfoil.steps.intake.collect import collect

PAIRS = {
    "account_count": "CUSTOMER_ID_NB_TX",
    "account_amount_mean": "CUSTOMER_ID_AVG_AMOUNT",
    "merchant_delayed_count": "TERMINAL_ID_NB_TX",
    "merchant_fraud_rate": "TERMINAL_ID_RISK",
}
NAMES = {f"{ours}_{days}d": f"{theirs}_{days}DAY_WINDOW" for ours, theirs in PAIRS.items() for days in (1, 7, 30)}


@pytest.fixture(scope="module")
def ledger(postgres_server: str) -> Iterator[FileLedger]:
    found = PostgresLedger(postgres_server)
    yield found
    found.close()


@pytest.fixture(scope="module")
def sample(shared_data: Path) -> pa.Table:
    return pq.read_table(shared_data / "handbook_features_sample.parquet")


@pytest.fixture(scope="module")
def ours(shared_data: Path, sample: pa.Table, ledger: FileLedger, tmp_path_factory: pytest.TempPathFactory) -> pa.Table:
    """The evidence of the sample's payments, in the sample's order."""
    tables = FolderTables(tmp_path_factory.mktemp("handbook"))
    mapping = load_mapping("fraud-detection-handbook")
    path = shared_data / "handbook_transactions.parquet"
    (done,) = collect([path], mapping, key=bytes(32), reader=InputFiles(), tables=tables, ledger=ledger)
    assert (done.rows_out, done.rejected) == (1_466_282, {})
    specs = tuple(spec for spec in DEFAULT_SPECS if spec.name in NAMES)
    assert build_features(tables, mapping, label_delay=timedelta(days=7), specs=specs) == done.rows_out
    ids = sample.column("TRANSACTION_ID").cast(pa.string())
    (file,) = tables.files("evidence")
    evidence = pq.read_table(file, columns=["transaction_id", *NAMES])
    rows = pc.index_in(ids, evidence.column("transaction_id").combine_chunks())
    assert rows.null_count == 0
    return evidence.take(rows)


@pytest.mark.parametrize("name", list(NAMES))
def test_a_feature_is_the_handbook_s(ours: pa.Table, sample: pa.Table, name: str) -> None:
    found, expected = ours.column(name).to_numpy(), sample.column(NAMES[name]).to_numpy()
    assert len(found) == 20_000
    assert np.ptp(expected) > 0
    np.testing.assert_allclose(found, expected, rtol=0, atol=0 if "_count_" in name else 1e-9)
