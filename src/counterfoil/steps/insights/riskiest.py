"""The riskiest payments of a run, each beside its precedents, as an analyst would want to see them."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from counterfoil.domain.tables import SCORE_TABLE, TRANSACTIONS
from counterfoil.ports.lake import TableStore
from counterfoil.ports.releases import ReferenceStore
from counterfoil.steps.lake.engine import engine, parquet_source

_PAYMENT = ("transaction_id", "event_time", "amount", "currency", "merchant_id", "category", "label")


@dataclass(frozen=True)
class Payment:
    """A payment as it is shown. `similarity` is the cosine to the scored payment, 1 for itself."""

    id: str
    event_time: datetime
    amount: Decimal | None
    currency: str | None
    merchant: str | None
    category: str | None
    label: int | None
    similarity: float = 1.0


@dataclass(frozen=True)
class Case:
    """A scored payment, what it is held against, and its reasons in words, the weightiest first."""

    signal: float
    decision: str
    payment: Payment
    precedents: tuple[Payment, ...]
    reasons: tuple[str, ...] = ()


def riskiest(tables: TableStore, references: ReferenceStore, run: str, *, most: int = 5) -> list[Case]:
    """Return the payments of a run with the highest signals; of equal ones, the earlier first."""
    scores = [str(path) for path in tables.files(SCORE_TABLE, run)]
    if not scores:
        return []
    payments = parquet_source(tables.files(TRANSACTIONS))
    order = "anomaly_signal DESC, s.event_time, s.transaction_id"
    with engine() as database:
        rows = database.execute(
            f"WITH s AS (FROM read_parquet({scores!r}) s ORDER BY {order} LIMIT {most}) "
            "SELECT s.anomaly_signal, s.decision, s.precedents, s.release_id, s.reasons, "
            f"{', '.join(f't.{name}' for name in _PAYMENT)} "
            f"FROM s JOIN {payments} t USING (transaction_id) ORDER BY {order}"
        ).fetchall()
    kept = {row["reference_id"]: row for row in _cited(references, rows)}
    return [
        Case(
            signal,
            decision,
            Payment(*payment),
            tuple(_precedent(kept[p["reference_id"]], p["similarity"]) for p in precedents),
            tuple(reason["words"] for reason in reasons or () if reason["contribution"] > 0),
        )
        for signal, decision, precedents, _, reasons, *payment in rows
    ]


def _cited(references: ReferenceStore, rows: list[tuple[Any, ...]]) -> list[dict[str, Any]]:
    if not rows:
        return []
    base = references.read_base(str(rows[0][3])).drop_columns(["vector"])
    wanted = {p["reference_id"] for row in rows for p in row[2]}
    return [row for row in base.to_pylist() if row["reference_id"] in wanted]


def _precedent(row: dict[str, Any], similarity: float) -> Payment:
    names = ("reference_id", "event_time", "amount", "currency", "merchant_id", "category", "label")
    values: list[Any] = [*(row[name] for name in names), similarity]
    return Payment(*values)
