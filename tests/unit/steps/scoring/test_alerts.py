"""How a day's alerts are given out."""

import math
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
        self.promoted: list[tuple[int, timedelta, float]] = []
        self.looked_back: list[tuple[int, int]] = []

    def alarming(self, moment: datetime, _limit: int, known: Collection[str] = ()) -> list[KeptScore]:
        self.known.append(set(known))
        at = MIDNIGHT + timedelta(minutes=59)
        found = KeptScore("t", "h", "r", "block", 0.9, None, "a", {}, {}, dict.fromkeys(ANSWER) | LISTS, at)
        return [found] if at >= moment and "t" not in known else []

    def hold(self, alert: Alert, _window: timedelta) -> None:
        self.held.append(alert.transaction_id)

    def promote(self, allowed: int, held_for: timedelta, least: float) -> int:
        self.promoted.append((allowed, held_for, least))
        return 0

    def reached(self, per_day: int, days: int) -> list[float]:
        self.looked_back.append((per_day, days))
        return [0.9, 0.7, 0.8]

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


def test_the_budget_is_kept_for_what_the_days_before_reached_which_are_looked_up_once_a_day() -> None:
    told: Any = Told()
    hours = iter([0, 1, 17, 18, 24, 25])
    desk = AlertDesk(told, told, told, 4, timedelta(hours=1), lambda: MIDNIGHT + timedelta(hours=next(hours)))
    for _ in range(5):
        desk.work()
    held_for = timedelta(hours=6)
    assert told.promoted == [
        (2, held_for, 0.8), (4, held_for, 0.8), (4, held_for, -math.inf), (1, held_for, 0.8), (2, held_for, 0.8)
    ]  # fmt: skip
    assert told.looked_back == [(4, 7), (4, 7)]
