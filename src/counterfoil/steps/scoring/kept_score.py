"""What is kept of a payment that was scored: its answer, with reasons and precedents in full."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
from pydantic_core import to_json

from counterfoil.domain.arrays import rows_of, values_of
from counterfoil.domain.intake.requests import plain
from counterfoil.ports.json_object import JsonObject
from counterfoil.ports.service import KeptScore
from counterfoil.steps.scoring.champion import Cited, InUse
from counterfoil.steps.scoring.profiles import Row

_SIDES = {1: "fraud", 0: "good"}


def rows_of_scores(scores: pa.Table) -> list[dict[str, Any]]:
    """Rows of `SCORES`, whose precedents are as `InUse.cited` takes them: they are most of a row."""
    rows = rows_of(scores.drop_columns(["precedents"]))
    lists = scores.column("precedents").combine_chunks()
    cited = lists.flatten()
    names, labels, near = (values_of(cited.field(name)) for name in ("reference_id", "label", "similarity"))
    texts = to_json(near)[1:-1].split(b",") if near else []
    every: list[Cited] = list(zip(zip(names, map(_SIDES.__getitem__, labels), strict=True), texts, strict=True))
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
        "missing_evidence": [name for name in used if fact[name] is None],
        "without_history": why,
    }
    # The precedents are most of an answer: their text is put together of what references bring, and is read by nobody
    # on the way to the store and to the caller.
    text = JsonObject(to_json(answer)).with_text("precedents", in_use.cited(score["precedents"]))
    return KeptScore(
        row["transaction_id"], content_hash, score["release_id"], score["decision"], score["anomaly_signal"],
        payment.get("amount"), row.get("account_id"), payment, plain(fact), JsonObject(text),
    )  # fmt: skip
