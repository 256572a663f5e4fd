"""What people say of scored payments: kept for ever, and known to profiles at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from counterfoil.domain.policy.verdicts import Verdict as Verdict
from counterfoil.domain.policy.verdicts import Word, label_that_holds
from counterfoil.errors import NotFoundError, UsageError
from counterfoil.ports.releases import DecisionLog, LoggedDecision
from counterfoil.ports.service import KeptScore, ProfileStore, ScoreLog
from counterfoil.steps.scoring.profiles import ANY_LOGS, Logs

FEEDBACK = "feedback"
HELD = "feedback_held"
"""The decision that a verdict does not act, since it would change too many others."""


@dataclass(frozen=True)
class Said:
    """An entry of feedback. `sequence` orders all entries; `word` is what it says as `verdicts` has it."""

    transaction_id: str
    verdict: str
    by: str
    reason: str
    sequence: int
    at: datetime
    word: Word

    @classmethod
    def of(cls, entry: LoggedDecision) -> "Said":
        """Read an entry of the decision log."""
        if entry.sequence is None or entry.at is None:
            raise UsageError("a decision that is in no log yet is no feedback: append it first")
        verdict = str(entry.details["verdict"])
        principal = str(entry.details.get("principal") or entry.details.get("token") or entry.actor)
        word = Word(verdict, principal, entry.details.get("decision"))
        return cls(entry.subject, verdict, entry.actor, entry.reason, entry.sequence, entry.at.astimezone(UTC), word)


def said_by_payment(log: DecisionLog) -> dict[str, list[Said]]:
    """All that people said, by transaction, in its order."""
    said: dict[str, list[Said]] = {}
    for entry in log.entries(FEEDBACK):
        said.setdefault(entry.subject, []).append(Said.of(entry))
    return said


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
    principal: str | None = None,
) -> Said:
    """Record what somebody says of a scored payment, also in its entities' profiles.

    `principal` is who that is as the service knows them; without one it is `by`. The decision log is written first:
    what is not in the profiles after a crash is written by whoever settles feedback. A word that only repeats what the
    same person said, since a request is sent again, is not kept once more: its first entry is returned. Raises
    NotFoundError if the payment was not scored, UsageError without a person or a reason, or for a retraction of
    nothing.
    """
    if not by.strip() or not reason.strip():
        raise UsageError("feedback is somebody's word: say who (by) and why (reason)")
    score = scored(scores, transaction_id)
    before = feedback_on(log, transaction_id)
    if verdict is Verdict.RETRACTED and not before:
        raise UsageError(f"nothing was said of transaction {transaction_id!r}: there is nothing to retract")
    details = {
        "verdict": verdict.value, "release_id": score.release_id, "token": token, "principal": principal or by.strip(),
        "decision": score.decision,
    }  # fmt: skip
    word = LoggedDecision(FEEDBACK, transaction_id, by.strip(), reason.strip(), details)
    said = _repeated(log, before, word) or Said.of(log.append(word))
    tell_profiles(profiles, score, feedback_on(log, transaction_id))
    return said


def _repeated(log: DecisionLog, before: Sequence[Said], word: LoggedDecision) -> Said | None:
    """The entry that a word says again: of the same person, verdict and reason, with nothing else decided since.

    That others said the same meanwhile, or that the service holds the word, makes it no other word.
    """
    since = len(before)
    while since and before[since - 1].verdict == word.details["verdict"]:
        since -= 1
    person = (word.actor, word.details["principal"], word.reason)
    found = next((one for one in before[since:] if (one.by, one.word.principal, one.reason) == person), None)
    if found is None:
        return None
    later = log.entries(subject=word.subject, after=found.sequence)
    return found if all(entry.kind in (FEEDBACK, HELD) for entry in later) else None


def tell_profiles(profiles: ProfileStore, score: KeptScore, said: Sequence[Said], logs: Logs = ANY_LOGS) -> None:
    """Let the profiles of a payment know what holds of it, if the last word changed anything. Safe to do again."""
    label, before = label_of(said), label_of(said[:-1])
    if label != before:
        profiles.append(logs.label_entries(score.payment, label, said[-1].at, said[-1].sequence))


def feedback_on(log: DecisionLog, transaction_id: str) -> list[Said]:
    """What was said of a payment, oldest first."""
    return [Said.of(entry) for entry in log.entries(FEEDBACK, transaction_id)]


def label_of(said: Sequence[Said]) -> int | None:
    """The label that holds after these words, oldest first."""
    return label_that_holds([one.word for one in said])


def standing(said: Sequence[Said]) -> str | None:
    """The verdict that holds now: the last one, unless that is a retraction."""
    return said[-1].verdict if said and said[-1].verdict != Verdict.RETRACTED else None


def scored(scores: ScoreLog, transaction_id: str) -> KeptScore:
    """The kept score of a payment. Raises NotFoundError."""
    found = scores.find([transaction_id]).get(transaction_id)
    if found is None:
        raise NotFoundError(f"transaction {transaction_id!r} was not scored by this service: POST /v1/score scores it")
    return found
