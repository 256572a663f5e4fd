"""How a day's alerts are given out."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from counterfoil.ports.service import Alert, KeptScore
from counterfoil.steps.scoring.alerts import AlertDesk, alert_of, allowed_until

MIDNIGHT = datetime(2026, 3, 1, tzinfo=UTC)
ANSWER = ("transaction_id", "event_time", "amount", "currency", "decision", "anomaly_signal", "signal_kind",
          "novelty", "release_id", "without_history")  # fmt: skip
LISTS: dict[str, Any] = {"reasons": [], "precedents": []}


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


class Told:
    """A log of scores with one that alarms, an AlertLog, and a sink; what each was asked."""

    def __init__(self) -> None:
        self.known: list[set[str]] = []
        self.held: list[str] = []

    def alarming(self, moment: datetime, _limit: int, known: Collection[str] = ()) -> list[KeptScore]:
        self.known.append(set(known))
        at = MIDNIGHT + timedelta(minutes=59)
        found = KeptScore("t", "h", "r", "block", 0.9, None, "a", {}, {}, dict.fromkeys(ANSWER) | LISTS, at)
        return [found] if at >= moment and "t" not in known else []

    def hold(self, alert: Alert, _window: timedelta) -> None:
        self.held.append(alert.transaction_id)

    def promote(self, *_: object) -> int:
        return 0

    def reached(self, *_: object) -> list[float]:
        return []

    def pending(self, _limit: int) -> list[Alert]:
        return []


def test_what_alarmed_a_moment_ago_is_not_read_again_and_not_remembered_for_ever() -> None:
    told: Any = Told()
    times = iter([59, 59.02, 59.1, 59.3, 59.5])
    desk = AlertDesk(told, told, told, 5, timedelta(hours=1), lambda: MIDNIGHT + timedelta(minutes=next(times)))
    for _ in range(4):
        desk.work()
    assert told.held == ["t"]
    assert told.known == [set(), {"t"}, {"t"}, set()]
