"""What people say of scored payments: kept for ever, and known to profiles at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from counterfoil.domain.schemas import FRAUD, GOOD
from counterfoil.errors import NotFoundError, UsageError
from counterfoil.ports.releases import DecisionLog, LoggedDecision
from counterfoil.ports.service import KeptScore, ProfileStore, ScoreLog
from counterfoil.steps.scoring.profiles import label_entries

FEEDBACK = "feedback"


class Verdict(StrEnum):
    """What somebody says of a payment."""

    FRAUD = "fraud"
    GOOD = "good"
    UNSURE = "unsure"  # looked at and not decided: leaves the queue, changes nothing
    RETRACTED = "retracted"  # what was said before does not count


_LABELS = {Verdict.FRAUD: FRAUD, Verdict.GOOD: GOOD, Verdict.RETRACTED: None}


@dataclass(frozen=True)
class Said:
    """An entry of feedback. `sequence` orders all entries."""

    transaction_id: str
    verdict: str
    by: str
    reason: str
    sequence: int
    at: datetime

    @classmethod
    def of(cls, entry: LoggedDecision) -> "Said":
        """Read an entry of the decision log."""
        if entry.sequence is None or entry.at is None:
            raise UsageError("a decision that is in no log yet is no feedback: append it first")
        verdict = str(entry.details["verdict"])
        return cls(entry.subject, verdict, entry.actor, entry.reason, entry.sequence, entry.at)


def give_feedback(
    log: DecisionLog,
    scores: ScoreLog,
    profiles: ProfileStore,
    transaction_id: str,
    verdict: Verdict,
    by: str,
    reason: str,
    *,
    token: str | None = None,
) -> Said:
    """Keep what somebody says of a scored payment, and tell its entities' profiles.

    The decision log is written first: what is not in the profiles after a crash is written by saying it again, which
    adds a second entry and changes nothing else. Raises NotFoundError if the payment was not scored, UsageError
    without a person or a reason, or for a retraction of nothing.
    """
    if not by.strip() or not reason.strip():
        raise UsageError("feedback is somebody's word: say who (by) and why (reason)")
    score = scored(scores, transaction_id)
    if verdict is Verdict.RETRACTED and not feedback_on(log, transaction_id):
        raise UsageError(f"nothing was said of transaction {transaction_id!r}: there is nothing to retract")
    details = {"verdict": verdict.value, "release_id": score.release_id, "token": token}
    said = Said.of(log.append(LoggedDecision(FEEDBACK, transaction_id, by.strip(), reason.strip(), details)))
    if verdict in _LABELS:
        profiles.append(label_entries(score.payment, _LABELS[verdict], said.at.astimezone(UTC), said.sequence))
    return said


def feedback_on(log: DecisionLog, transaction_id: str) -> list[Said]:
    """What was said of a payment, oldest first."""
    return [Said.of(entry) for entry in log.entries(FEEDBACK, transaction_id)]


def standing(said: Sequence[Said]) -> str | None:
    """The verdict that holds now: the last one, unless that is a retraction."""
    return said[-1].verdict if said and said[-1].verdict != Verdict.RETRACTED else None


def scored(scores: ScoreLog, transaction_id: str) -> KeptScore:
    """The kept score of a payment. Raises NotFoundError."""
    found = scores.find([transaction_id]).get(transaction_id)
    if found is None:
        raise NotFoundError(f"transaction {transaction_id!r} was not scored by this service: POST /v1/score scores it")
    return found
