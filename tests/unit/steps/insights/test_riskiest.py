"""The riskiest cases: one an account, beside the number of its other alerts."""

import datetime as dt
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.domain.schemas import SCORES, transactions_schema
from counterfoil.domain.tables import SCORE_TABLE, TRANSACTIONS
from counterfoil.steps.insights.riskiest import Case, riskiest

DAY = dt.datetime(2024, 5, 1, tzinfo=dt.UTC)
PAYMENTS = (  # id, account, signal, decision
    ("t1", "a", 0.9, "block"),
    ("t2", "a", 0.95, "block"),
    ("t3", "a", 0.1, "allow"),
    ("t4", "b", 0.6, "review"),
    ("t5", None, 0.7, "review"),
    ("t6", None, 0.65, "review"),
    ("t7", "c", 0.2, "allow"),
)


class _References:
    """A store of references that nobody cites."""

    def read_base(self, _release_id: str) -> pa.Table:
        return pa.table({"reference_id": pa.array([], pa.string()), "vector": pa.array([], pa.float32())})


@pytest.fixture
def cases(tmp_path: Path) -> list[Case]:
    tables = FolderTables(tmp_path)
    scores = [
        {
            "transaction_id": name, "event_time": DAY + dt.timedelta(minutes=number), "account_id": account,
            "anomaly_signal": signal, "signal_kind": "calibrated", "decision": decision, "margin": 0.0,
            "novelty": 0.0, "precedents": [], "release_id": "r", "overlay_seq": 0,
        }
        for number, (name, account, signal, decision) in enumerate(PAYMENTS)
    ]  # fmt: skip
    payments = [
        {"transaction_id": name, "event_time": DAY, "amount": Decimal(1), "account_id": account, "source": "f",
         "source_line": 2}
        for name, account, *_ in PAYMENTS
    ]  # fmt: skip
    for table, rows, schema in ((SCORE_TABLE, scores, SCORES), (TRANSACTIONS, payments, transactions_schema())):
        pq.write_table(pa.Table.from_pylist(rows, schema), tables.stage(table, "run") / "part-0.parquet")
        tables.publish(table, "run")
    return riskiest(tables, _References(), "run")  # type: ignore[arg-type]


def test_each_account_is_shown_once_by_its_riskiest_payment(cases: list[Case]) -> None:
    assert [(case.payment.id, case.account) for case in cases] == [
        ("t2", "a"), ("t5", None), ("t6", None), ("t4", "b"), ("t7", "c"),
    ]  # fmt: skip


def test_its_other_alerts_are_counted(cases: list[Case]) -> None:
    assert {case.account: case.more_alerts for case in cases if case.account} == {"a": 1, "b": 0, "c": 0}
