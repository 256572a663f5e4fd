"""What is kept of a score: an answer that is text is the object that it says."""

import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pyarrow as pa

from counterfoil.domain.schemas import SCORES
from counterfoil.ports.json_object import JsonObject
from counterfoil.steps.scoring.champion import InUse
from counterfoil.steps.scoring.kept_score import kept_score, rows_of_scores

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
SHOWN = {
    "p1": {"reference_id": "p1", "event_time": AT, "amount": None, "currency": "EUR", "merchant_id": 'A "b" é',
           "category": "x"},
    "p2": {"reference_id": "p2", "event_time": None, "amount": None, "currency": None, "merchant_id": None,
           "category": None},
}  # fmt: skip


def in_use() -> InUse:
    schema = SimpleNamespace(columns=("amount", "hour"))
    detector: Any = SimpleNamespace(
        overlay=SimpleNamespace(references=()),
        release=SimpleNamespace(encoder=SimpleNamespace(schema=schema)),
    )
    return InUse(detector, None, frozenset(), SHOWN)  # type: ignore[arg-type]


def scores(precedents: list[dict[str, Any]]) -> pa.Table:
    row = dict.fromkeys(SCORES.names) | {
        "transaction_id": "t1", "event_time": AT, "anomaly_signal": 0.5, "signal_kind": "calibrated",
        "decision": "allow", "margin": 0.1, "novelty": 0.2, "fraud_tied": False, "good_tied": False, "release_id": "r1",
        "overlay_seq": 0, "precedents": precedents,
    }  # fmt: skip
    return pa.Table.from_pylist([row], pa.schema([field.with_nullable(True) for field in SCORES]))


def test_an_answer_says_of_each_precedent_what_is_known_of_it() -> None:
    cited = [
        {"reference_id": "p1", "label": 1, "similarity": 0.75, "event_time": AT},
        {"reference_id": "p2", "label": 0, "similarity": 0.1, "event_time": AT},
    ]
    payment = {"transaction_id": "t1", "event_time": AT, "account_id": "a"}
    [row] = rows_of_scores(scores(cited))
    kept = kept_score(payment, "hash", {"amount": None, "hour": 3.0}, row, in_use(), "too slow")
    assert isinstance(kept.answer, JsonObject)
    assert dict(kept.answer) == json.loads(kept.answer.text)
    assert kept.answer["precedents"] == [
        {"reference_id": "p1", "label": "fraud", "similarity": 0.75, "event_time": "2026-03-01T12:00:00+00:00",
         "amount": None, "currency": "EUR", "merchant_id": 'A "b" é', "category": "x"},
        {"reference_id": "p2", "label": "good", "similarity": float(pa.scalar(0.1, pa.float32()).as_py()),
         "event_time": None, "amount": None, "currency": None, "merchant_id": None, "category": None},
    ]  # fmt: skip
    assert (kept.answer["missing_evidence"], kept.answer["without_history"]) == (["amount"], "too slow")
    assert kept.evidence == {"hour": 3.0}


def test_a_score_without_precedents_has_an_empty_list() -> None:
    [row] = rows_of_scores(scores([]))
    payment = {"transaction_id": "t1", "event_time": AT}
    assert kept_score(payment, "hash", {"amount": 1.0, "hour": 3.0}, row, in_use(), None).answer["precedents"] == []
