"""The riskiest payments of a run, each beside its precedents, as an analyst would want to see them."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from counterfoil.domain.periods import LABEL_DELAY
from counterfoil.domain.policy.decide import Decision
from counterfoil.domain.tables import SCORE_TABLE
from counterfoil.ports.lake import TableStore
from counterfoil.ports.releases import ReferenceStore
from counterfoil.steps.lake.engine import engine
from counterfoil.steps.lake.labels import labelled

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
    """A scored payment, its precedents, and its reasons in words, the weightiest first.

    `more_alerts` is the number of other payments of its account that are not allowed.
    """

    signal: float
    decision: str
    payment: Payment
    precedents: tuple[Payment, ...]
    reasons: tuple[str, ...] = ()
    account: str | None = None
    more_alerts: int = 0


def riskiest(tables: TableStore, references: ReferenceStore, run: str, *, most: int = 5) -> list[Case]:
    """Return the accounts of a run with the highest signals, each by its riskiest payment; of equal ones, the earlier.

    A payment without an account stands for itself.
    """
    scores = [str(path) for path in tables.files(SCORE_TABLE, run)]
    if not scores:
        return []
    payments = labelled(tables, LABEL_DELAY)
    order = "anomaly_signal DESC, s.event_time, s.transaction_id"
    with engine() as database:
        rows = database.execute(
            f"WITH a AS (SELECT *, count(*) FILTER (decision <> '{Decision.ALLOW}') OVER same AS alerts "
            f"FROM read_parquet({scores!r}) s WINDOW same AS (PARTITION BY coalesce(account_id, transaction_id)) "
            f"QUALIFY row_number() OVER (PARTITION BY coalesce(account_id, transaction_id) ORDER BY {order}) = 1), "
            f"s AS (FROM a s ORDER BY {order} LIMIT {most}) "
            "SELECT s.anomaly_signal, s.decision, s.precedents, s.release_id, s.reasons, s.account_id, s.alerts, "
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
            account,
            alerts - (decision != Decision.ALLOW),
        )
        for signal, decision, precedents, _, reasons, account, alerts, *payment in rows
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
