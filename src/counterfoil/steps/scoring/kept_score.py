"""What is kept of a payment that was scored: its answer, with reasons and precedents in full."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from counterfoil.domain.arrays import rows_of, values_of
from counterfoil.domain.intake.requests import plain
from counterfoil.ports.service import KeptScore
from counterfoil.steps.scoring.champion import InUse
from counterfoil.steps.scoring.profiles import Row

_SIDES = {1: "fraud", 0: "good"}
_CITED = ("reference_id", "label", "similarity")


def rows_of_scores(scores: pa.Table) -> list[dict[str, Any]]:
    """Rows of `SCORES`; of each precedent what `kept_score` reads, since the precedents are most of them."""
    rows = rows_of(scores.drop_columns(["precedents"]))
    lists = scores.column("precedents").combine_chunks()
    cited = lists.flatten()
    named = zip(*(values_of(cited.field(name)) for name in _CITED), strict=True)
    every = [dict(zip(_CITED, one, strict=True)) for one in named]
    ends = lists.value_lengths().fill_null(0).to_numpy().cumsum().tolist()
    for row, first, last in zip(rows, [0, *ends], ends, strict=False):
        row["precedents"] = every[first:last]
    return rows


def kept_score(
    row: Row, content_hash: str, fact: Mapping[str, Any], score: Mapping[str, Any], in_use: InUse, why: str | None
) -> KeptScore:
    """Return a payment's score with its answer; `why` says why it was scored without history, if it was."""
    payment = plain(row)
    numbers = ("anomaly_signal", "signal_kind", "novelty", "fraud_similarity", "good_similarity", "margin",
               "usual_margin", "release_id", "overlay_seq", "decision", "policy_version")  # fmt: skip
    used = in_use.detector.release.encoder.schema.columns
    answer = {
        "transaction_id": row["transaction_id"],
        "event_time": payment["event_time"],
        "amount": payment.get("amount"),
        "currency": payment.get("currency"),
        **{name: score[name] for name in numbers},
        "policy_hits": score["policy_hits"] or [],
        "reasons": score["reasons"] or [],
        "precedents": [_precedent(cited, in_use) for cited in score["precedents"] or []],
        "missing_evidence": [name for name in used if fact[name] is None],
        "without_history": why,
    }
    return KeptScore(
        row["transaction_id"], content_hash, score["release_id"], score["decision"], score["anomaly_signal"],
        payment.get("amount"), row.get("account_id"), payment, plain(fact), answer,
    )  # fmt: skip


def _precedent(cited: Mapping[str, Any], in_use: InUse) -> dict[str, Any]:
    return {
        "reference_id": cited["reference_id"],
        "label": _SIDES[cited["label"]],
        "similarity": cited["similarity"],
        **in_use.cited(cited["reference_id"]),
    }
