"""What an operator decides on feedback: to take a payment out of the overlay, or to let a held word act.

Nothing of this changes what people said of a payment: the label stays, and the next training knows it. Each decision
stands in the decision log before it acts, with operator and reason.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from counterfoil.domain.schemas import FRAUD
from counterfoil.domain.scoring.overlay import Change
from counterfoil.errors import NotFoundError, UsageError
from counterfoil.ports.releases import DecisionLog, LoggedDecision
from counterfoil.ports.service import OverlayStore
from counterfoil.steps.releases.releases import require_person
from counterfoil.steps.scoring.confirm import Confirmations, Effect
from counterfoil.steps.scoring.feedback import FEEDBACK, HELD, Said, Verdict

UNDONE = "feedback_undone"
RELEASED = "feedback_released"


class Standing(StrEnum):
    """How a payment that people judged stands in the overlay of a release."""

    ACTS = "acts"
    HELD = "held"
    UNDONE = "undone"


@dataclass(frozen=True)
class Kept:
    """A payment in the list of an overlay: how it stands, by whose word, and since when.

    `references` counts what it brought to the overlay. Of what does not act, `by`, `at` and `reason` tell who stopped
    it and why.
    """

    transaction_id: str
    standing: Standing
    kind: str
    references: int
    by: str
    at: datetime | None
    reason: str


def listed(
    log: DecisionLog, overlays: OverlayStore, release_id: str, learned_until: datetime | None = None
) -> list[Kept]:
    """What is in the overlay of a release, what is held and what was undone, by the payment's id.

    What was said until `learned_until` the release knows by its training: no order on it counts any more.
    """
    changes = {change.subject: change for change in overlays.since(release_id, 0)}
    said = {entry.subject: Said.of(entry) for entry in log.entries(FEEDBACK)}
    entries = [entry for kind in (HELD, UNDONE, RELEASED) for entry in log.entries(kind)]
    orders = {entry.subject: entry for entry in sorted(entries, key=lambda one: one.sequence or 0)}
    found = []
    for name in sorted({*changes, *orders}):
        word, change, order = said.get(name), changes.get(name), orders.get(name)
        if change is not None and change.references:
            found.append(_acting(change, word))
        elif word is not None and order is not None and (learned_until is None or word.at > learned_until):
            found += _stopped(word, order)
    return found


def _acting(change: Change, word: Said | None) -> Kept:
    """A payment in the overlay; without `word` its account was forgotten."""
    by, at, reason = ("", None, "") if word is None else (word.by, word.at, word.reason)
    kind = Verdict.FRAUD if change.label == FRAUD else Verdict.GOOD
    return Kept(change.subject, Standing.ACTS, kind, len(change.references), by, at, reason)


def _stopped(word: Said, order: LoggedDecision) -> list[Kept]:
    """A word that an order keeps from acting; none if what was said later counts."""
    if order.kind == RELEASED or (order.sequence or 0) < word.sequence:
        return []
    standing = Standing.HELD if order.kind == HELD else Standing.UNDONE
    return [Kept(word.transaction_id, standing, word.verdict, 0, order.actor, order.at, order.reason)]


def undo(confirmations: Confirmations, transaction_id: str, operator: str | None, reason: str) -> Effect:
    """Let a payment act on no scores any more. Safe to do again after a crash.

    Raises UsageError without operator or reason, NotFoundError if the payment is not in the overlay.
    """
    require_person(operator, reason, "taking a reference out")
    in_use = confirmations.champion.follow()
    change = in_use.detector.overlay.changes.get(transaction_id)
    if change is None or not change.references:
        raise NotFoundError(
            f"transaction {transaction_id!r} is not in the overlay of release {in_use.release_id}: "
            "'counterfoil references list' shows what is"
        )
    details = {"release_id": in_use.release_id, "change": change.sequence}
    entry = confirmations.log.append(
        LoggedDecision(UNDONE, transaction_id, str(operator).strip(), reason.strip(), details)
    )
    return confirmations.take_out(transaction_id, entry.sequence or 0)


def release(confirmations: Confirmations, transaction_id: str, operator: str | None, reason: str) -> Effect:
    """Let a word act that is held, or that was undone.

    Raises UsageError without operator or reason, NotFoundError if nothing of the payment is held or undone.
    """
    require_person(operator, reason, "letting a held word act")
    in_use = confirmations.champion.follow()
    waiting = [
        one
        for one in listed(
            confirmations.log, confirmations.overlays, in_use.release_id, in_use.detector.release.learned_until
        )
        if one.transaction_id == transaction_id and one.standing is not Standing.ACTS
    ]
    if not waiting:
        raise NotFoundError(
            f"nothing that was said of transaction {transaction_id!r} is held or undone: "
            "'counterfoil references list' shows what is"
        )
    if not confirmations.acts:
        raise UsageError("COUNTERFOIL_FEEDBACK_ACTS is off, so that no word acts: set it to true")
    details = {"release_id": in_use.release_id, "was": waiting[0].standing.value}
    entry = confirmations.log.append(
        LoggedDecision(RELEASED, transaction_id, str(operator).strip(), reason.strip(), details)
    )
    return confirmations.apply(transaction_id, entry.sequence)


def last_order(log: DecisionLog, transaction_id: str) -> LoggedDecision | None:
    """The last thing that an operator decided on a payment's word."""
    found = [entry for kind in (UNDONE, RELEASED) for entry in log.entries(kind, transaction_id)]
    return max(found, key=lambda entry: entry.sequence or 0, default=None)
