"""Evidence of payments that come one by one is that of the same payments within the whole lake."""

import datetime as dt
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from counterfoil.adapters.files.mapping_files import load_mapping
from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.adapters.memory.ledger import MemoryLedger
from counterfoil.domain.intake.requests import clean_requests
from counterfoil.domain.release.release import scored_schema
from counterfoil.steps.features import build_features
from counterfoil.steps.intake.collect import collect
from counterfoil.steps.scoring.score import as_scored
from counterfoil.steps.scoring.scorer import Detector

pytestmark = pytest.mark.xdist_group("service")

PAYMENTS = 300
SIZES = (1, 1, 1, 2, 25, 70, 200)
"""How many payments come in a request, in turn. Labels of new payments are known to the batch after a week only."""


@pytest.fixture(scope="module")
def batch(scoring_place: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Return the evidence of all payments, older and newer, as the batch builds it, by transaction."""
    here, mapping = scoring_place.open(), load_mapping("counterfoil-simulated")
    tables = FolderTables(tmp_path_factory.mktemp("lake"))
    files = [scoring_place.root / f"{name}.csv" for name in ("older", "newer")]
    collect(files, mapping, key=here.pseudonym_key, reader=here.reader, tables=tables, ledger=MemoryLedger())
    build_features(tables, mapping, label_delay=dt.timedelta(days=7))
    rows = pa.concat_tables([pq.read_table(path) for path in tables.files("evidence")])
    release = here.champion.current().detector.release
    return {row["transaction_id"]: row for row in as_scored(rows, release).to_pylist()}


def test_online_evidence_is_the_batchs(scoring_place: Any, batch: dict[str, dict[str, Any]]) -> None:
    here = scoring_place.open(service_profile_deadline_ms=20_000)
    in_use, scorer = here.champion.current(), here.online_scorer
    read = in_use.source.source_columns
    assert "is_fraud" not in read
    waiting = [{name: row[name] for name in read} for row in scoring_place.newer[:PAYMENTS]]
    scored = []
    for size in SIZES:
        arrivals = clean_requests(waiting[:size], in_use.source, key=here.pseudonym_key)
        assert not arrivals.faults
        scored += scorer.score(arrivals, in_use)
        waiting = waiting[size:]
    assert len(scored) == PAYMENTS
    assert [score.answer["without_history"] for score in scored] == [None] * PAYMENTS
    schema = scored_schema(in_use.detector.release)
    ours = _table([_typed(dict(score.evidence)) for score in scored], schema)
    theirs = _table([batch[score.transaction_id] for score in scored], schema)
    for field in schema:
        if field.type == pa.float64():
            a, b = (table[field.name].to_numpy(zero_copy_only=False) for table in (ours, theirs))
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12, err_msg=field.name)
        else:
            assert ours[field.name].equals(theirs[field.name]), field.name
    again = Detector.score(in_use.detector, theirs)["anomaly_signal"].to_numpy()
    np.testing.assert_allclose([score.signal for score in scored], again, atol=1e-6)


def _typed(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "event_time": dt.datetime.fromisoformat(row["event_time"])}


def _table(rows: list[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=schema)
