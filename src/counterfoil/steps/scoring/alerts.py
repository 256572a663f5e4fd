"""Alerts: within a second of a decision, one an account and window, and never more a day than people have time for.

Every alert is held first. The budget of the day is given out little by little, to the riskiest that are held: a surge
that lifts everybody does not use it up by noon, and a quiet night does not use up what the day's frauds need.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from counterfoil.domain.policy.alert_times import HELD_FOR, LOOKED_BACK, allowed_until, least_risk
from counterfoil.ports.service import Alert, AlertLog, AlertSink, KeptScore, ScoreLog

AT_A_TIME = 200
BACK = timedelta(hours=1)
"""A desk that opens looks so far back for scores that nobody alerted on."""
LATE = timedelta(seconds=10)
"""A score may become visible so long after its time."""
REASONS = 3
PRECEDENTS = 3


def alert_of(score: KeptScore) -> Alert:
    """What the security team learns: what, why and the precedents; identifiers are keyed hashes."""
    answer = score.answer
    told = ("transaction_id", "event_time", "amount", "currency", "decision", "anomaly_signal", "signal_kind",
            "novelty", "release_id", "without_history")  # fmt: skip
    reasons: list[dict[str, Any]] = answer["reasons"]
    cited: list[dict[str, Any]] = answer["precedents"]
    content = {
        **{name: answer[name] for name in told},
        "account_id": score.account_id,
        "reasons": [reason["words"] for reason in reasons[:REASONS] if reason["contribution"] > 0],
        "precedents": [
            {name: one[name] for name in ("reference_id", "label", "similarity")}
            for one in [one for one in cited if one["label"] == "fraud"][:PRECEDENTS]
        ],
    }
    return Alert(score.transaction_id, score.account_id, score.decision, score.signal, content)


@dataclass
class AlertDesk:
    """Holds alerts back, gives the budget out, and delivers. `per_day` 0 sends none.

    It reads the log of scores by itself, so that scoring never waits for it and a restart loses nothing. Any number of
    processes may have a desk.
    """

    scores: ScoreLog
    log: AlertLog
    sink: AlertSink
    per_day: int
    window: timedelta
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def __post_init__(self) -> None:
        self._read_until = self.clock() - BACK
        self._known: dict[str, datetime] = {}
        self._asked: tuple[date, list[float]] | None = None

    def work(self) -> int:
        """Hold what is new, give out what the budget allows by now, and send; return how many alerts were sent.

        One that cannot be sent stays for the next call. Raises StoreUnavailableError.
        """
        begun = self.clock()
        while True:
            # A score may be late, so what was read a moment ago is looked through again, and not read again.
            found = self.scores.alarming(self._read_until, AT_A_TIME, self._known)
            for score in found:
                self.log.hold(alert_of(score), self.window)
                self._known[score.transaction_id] = score.scored_at or begun
            if len(found) < AT_A_TIME:
                break
            self._read_from(found[-1].scored_at or begun)
        # Scores of transactions that are still under way are read the next time.
        self._read_from(begun - LATE)
        self.log.promote(allowed_until(begun, self.per_day), HELD_FOR, least_risk(begun, self._reached(begun)))
        return self._send()

    def _read_from(self, moment: datetime) -> None:
        self._read_until = moment
        self._known = {name: at for name, at in self._known.items() if at >= moment}

    def _reached(self, now: datetime) -> list[float]:
        """What the budget could have reached on the days before; asked for once a day."""
        today = now.astimezone(UTC).date()
        if self._asked is None or self._asked[0] != today:
            self._asked = (today, self.log.reached(self.per_day, LOOKED_BACK) if self.per_day else [])
        return self._asked[1]

    def _send(self) -> int:
        sent = 0
        for alert in self.log.pending(AT_A_TIME):
            try:
                self.sink.send(alert)
            except BaseException:
                self.log.unclaim(alert.transaction_id)
                raise
            self.log.mark_sent(alert.transaction_id)
            sent += 1
        return sent
