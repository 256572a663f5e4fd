"""The riskiest payments of a run, each beside its precedents, as an analyst would want to see them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from counterfoil.domain.periods import LABEL_DELAY
from counterfoil.domain.policy.decide import Decision
from counterfoil.domain.tables import SCORE_TABLE
from counterfoil.ports.lake import TableStore
from counterfoil.ports.releases import ReferenceStore
from counterfoil.steps.lake.engine import engine, parquet_source
from counterfoil.steps.lake.labels import labelled

_PAYMENT = ("transaction_id", "event_time", "amount", "currency", "merchant_id", "category", "label")
_ORDER = "anomaly_signal DESC, s.event_time, s.transaction_id"


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
    files = tables.files(SCORE_TABLE, run)
    if not files:
        return []
    same = "PARTITION BY coalesce(account_id, transaction_id)"
    chosen = (
        f"FROM (SELECT *, count(*) FILTER (decision <> '{Decision.ALLOW}') OVER ({same}) AS alerts "
        f"FROM {parquet_source(files)} s QUALIFY row_number() OVER ({same} ORDER BY {_ORDER}) = 1) s "
        f"ORDER BY {_ORDER} LIMIT {most}"
    )
    return _cases(tables, references, chosen, {})


def cases_of(
    tables: TableStore, references: ReferenceStore, release_id: str, transaction_ids: Sequence[str]
) -> list[Case]:
    """Return these payments as a release scored them, in the order of the ids; unknown ones are left out."""
    files = tables.files(SCORE_TABLE)
    if not files or not transaction_ids:
        return []
    chosen = (
        f"SELECT *, (decision <> '{Decision.ALLOW}')::INTEGER AS alerts FROM {parquet_source(files)} s "
        "WHERE release_id = $release AND list_contains($ids, transaction_id) "
        "QUALIFY row_number() OVER (PARTITION BY transaction_id ORDER BY overlay_seq DESC) = 1"
    )
    cases = _cases(tables, references, chosen, {"release": release_id, "ids": list(transaction_ids)})
    return sorted(cases, key=lambda case: transaction_ids.index(case.payment.id))


def _cases(tables: TableStore, references: ReferenceStore, chosen: str, parameters: Mapping[str, Any]) -> list[Case]:
    """The scores that the query `chosen` gives as cases, the highest signal first."""
    payments = labelled(tables, LABEL_DELAY)
    with engine() as database:
        rows = database.execute(
            f"WITH s AS ({chosen}) "
            "SELECT s.anomaly_signal, s.decision, s.precedents, s.release_id, s.reasons, s.account_id, s.alerts, "
            f"{', '.join(f't.{name}' for name in _PAYMENT)} "
            f"FROM s JOIN {payments} t USING (transaction_id) ORDER BY {_ORDER}",
            dict(parameters),
        ).fetchall()
    kept = {row["reference_id"]: row for row in _cited(references, rows)}
    return [
        Case(
            signal,
            decision,
            Payment(*payment),
            tuple(_precedent(p, kept.get(p["reference_id"], {})) for p in precedents or ()),
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
    wanted = {p["reference_id"] for row in rows for p in row[2] or ()}
    return [row for row in base.to_pylist() if row["reference_id"] in wanted]


def _precedent(cited: Mapping[str, Any], kept: Mapping[str, Any]) -> Payment:
    """A precedent as it was kept; of one that was forgotten since, no more than the score itself says."""
    return Payment(
        cited["reference_id"], cited["event_time"], kept.get("amount"), kept.get("currency"), kept.get("merchant_id"),
        kept.get("category"), cited["label"], cited["similarity"],
    )  # fmt: skip
