"""How a day's alerts are given out."""

from datetime import UTC, datetime, timedelta

import pytest

from counterfoil.ports.service import KeptScore
from counterfoil.steps.scoring.alerts import alert_of, allowed_until

MIDNIGHT = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("hours", "per_day", "allowed"),
    [(0, 100, 25), (12, 100, 63), (23.99, 100, 100), (0, 0, 0), (20, 0, 0), (0, 1, 1), (6, 10, 5)],
)
def test_the_budget_comes_over_the_day(hours: float, per_day: int, allowed: int) -> None:
    assert allowed_until(MIDNIGHT + timedelta(hours=hours), per_day) == allowed


def test_an_alert_says_what_and_why_and_names_frauds_only() -> None:
    reasons = [{"topic": "t", "words": f"w{c}", "contribution": c} for c in (3, 2, 1, 0.5, -1)]
    precedents = [{"reference_id": f"r{n}", "label": "fraud" if n < 5 else "good", "similarity": 0.5} for n in range(8)]
    answer = {
        "transaction_id": "t", "event_time": "2026", "amount": "1.00", "currency": "EUR", "decision": "block",
        "anomaly_signal": 0.9, "signal_kind": "calibrated", "novelty": 0.5, "release_id": "r", "without_history": None,
        "reasons": reasons, "precedents": precedents,
    }  # fmt: skip
    alert = alert_of(KeptScore("t", "h", "r", "block", 0.9, "1.00", "pseudonym", {}, {}, answer))
    assert (alert.transaction_id, alert.account_id, alert.decision) == ("t", "pseudonym", "block")
    assert alert.content["reasons"] == ["w3", "w2", "w1"]
    assert [one["reference_id"] for one in alert.content["precedents"]] == ["r0", "r1", "r2"]
