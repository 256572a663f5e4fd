"""A lake with three months of labelled evidence, and a candidate that was fitted on the first two."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.domain.intake.mapping import SourceMapping, parse_mapping
from counterfoil.domain.periods import Period
from counterfoil.domain.tables import EVIDENCE
from counterfoil.domain.training.options import TrainingOptions
from counterfoil.steps.releases.registration import Candidate
from counterfoil.steps.train import TrainingRequest, fit_candidate

CUT = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=60)
QUICK = TrainingOptions(shares=(0.2,), neighbours=(5,), trees=16, rounds=10)

Lake = Callable[[Path, pa.Table], FolderTables]


@pytest.fixture(scope="session")
def mapping() -> SourceMapping:
    """Return a mapping that declares what the made-up evidence has."""
    return parse_mapping(
        """
        [fields]
        transaction_id = "id"
        event_time = "time"
        amount = "amount"
        account = "account"
        merchant = "merchant"
        category = "category"
        [evidence]
        numeric = {n0 = "first", n1 = "second", n2 = "third"}
        categorical_fields = ["category"]
        textual_fields = ["merchant_id"]
        """,
        "made-up",
    )


@pytest.fixture(scope="session")
def request_until_cut() -> TrainingRequest:
    """Return a quick request to train on what was known when the third month began."""
    return TrainingRequest(Period(until=CUT), CUT, specs=(), options=QUICK)


@pytest.fixture(scope="session")
def payments(evidence: Callable[..., Any]) -> pa.Table:
    """Return 3,000 payments of 90 days in the order of time, labels known after a week."""
    table, _ = evidence(rows=3000, days=90, rate=0.06)
    return table.sort_by("event_time")


@pytest.fixture(scope="session")
def lake() -> Lake:
    """Return a maker of lakes that hold some evidence."""

    def make(root: Path, table: pa.Table) -> FolderTables:
        tables = FolderTables(root)
        pq.write_table(table, tables.stage(EVIDENCE, "run") / "part-0.parquet", row_group_size=700)
        tables.publish(EVIDENCE, "run")
        return tables

    return make


@pytest.fixture(scope="session")
def candidate(
    lake: Lake, payments: pa.Table, mapping: SourceMapping, request_until_cut: TrainingRequest, embedder: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> Candidate:  # fmt: skip
    """Return a candidate that was fitted on the first two months."""
    tables = lake(tmp_path_factory.mktemp("lake"), payments)
    return fit_candidate(tables, embedder, mapping, request_until_cut)
