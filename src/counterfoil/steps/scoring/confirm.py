"""Feedback that acts at once: what people confirm becomes references of the release in use.

Before that it is tried on the payments that were scored last. One word never moves more than a share of them.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal as Money
from enum import StrEnum

import numpy as np

from counterfoil.domain.policy.verdicts import Verdict, Word, awaits_another, label_that_holds
from counterfoil.domain.schemas import FRAUD
from counterfoil.domain.scoring.effect import decisions, differing, fitted_intercept, most_allowed, reach_of
from counterfoil.domain.scoring.overlay import Change, OverlayReference
from counterfoil.domain.scoring.signal import SignalKind
from counterfoil.domain.scoring.window import Window
from counterfoil.errors import ChangedError
from counterfoil.ports.releases import DecisionLog, LoggedDecision
from counterfoil.ports.service import KeptScore, OverlayStore, ScoreLog
from counterfoil.steps.scoring.champion import Champion, InUse
from counterfoil.steps.scoring.feedback import FEEDBACK, HELD, Said, feedback_on, label_of, scored
from counterfoil.steps.scoring.recent import Recent, evidence_table, has_evidence
from counterfoil.steps.scoring.scorer import Detector

FEW = 5
"""So many decisions may change in any case: a share of a hundred payments says nothing."""
TRIES = 8


class State(StrEnum):
    """Whether a word acts on the scores of other payments."""

    ACTS = "acts"
    HELD = "held"
    AWAITS = "awaits_second_person"
    NONE = "none"


@dataclass(frozen=True)
class Moved:
    """A scored payment whose decision would be another."""

    transaction_id: str
    before: str
    after: str


@dataclass(frozen=True)
class Effect:
    """What a word does: `moved` of the `checked` payments scored last, of which `allowed` may move."""

    state: State
    why: str
    overlay_seq: int
    checked: int = 0
    allowed: int = 0
    moved: tuple[Moved, ...] = ()


@dataclass
class Confirmations:
    """Turns what people say into changes of the overlay.

    `most_moved` is the share of decisions that one word may move. Unless it `acts`, nothing is changed.
    """

    log: DecisionLog
    scores: ScoreLog
    overlays: OverlayStore
    champion: Champion
    most_moved: float = 0.001
    acts: bool = True
    recent: Recent = field(init=False)

    def __post_init__(self) -> None:
        self.recent = Recent(self.scores)
        self._said: dict[str, list[Said]] = {}
        self._heard = 0
        self._guard = threading.Lock()

    def preview(self, transaction_id: str, verdict: Verdict, principal: str) -> Effect:
        """What a word would do if it were said now; nothing is kept. Raises NotFoundError."""
        score = scored(self.scores, transaction_id)
        words = [one.word for one in feedback_on(self.log, transaction_id)]
        return self._effect(score, [*words, Word(verdict, principal, score.decision)], 0, datetime.now(UTC))[0]

    def apply(self, transaction_id: str, order: int | None = None) -> Effect:
        """Let what holds of a payment act on the scores of others from now on.

        What would move too many is held, and the decision log says so, unless an operator's entry in the decision log
        (number `order`) lets it act all the same.
        """
        score = scored(self.scores, transaction_id)
        for _ in range(TRIES):
            said = feedback_on(self.log, transaction_id)
            number = said[-1].sequence if order is None else order
            words, ordered = [one.word for one in said], order is not None
            effect, change, after = self._effect(score, words, number, said[-1].at, ordered=ordered)
            if change is None:
                return effect
            if effect.state is State.HELD and order is None:
                self._hold(said[-1], effect)
                return effect
            if (done := self._appended(change, after, effect)) is not None:
                return done
        raise _busy(transaction_id)

    def take_out(self, transaction_id: str, order: int) -> Effect:
        """Let a payment act on no scores any more; what people said of it stays. `order` is as at `apply`."""
        for _ in range(TRIES):
            in_use = self.champion.follow()
            change = Change(in_use.release_id, transaction_id, None, order, 0.0)
            effect, intercept = self._tried(change, in_use, self.recent.update(in_use.detector), self._labels())
            overlay = in_use.detector.overlay
            done = self._appended(replace(change, intercept=intercept), overlay.sequence, effect)
            if done is not None:
                return done
        raise _busy(transaction_id)

    def _appended(self, change: Change, after: int, effect: Effect) -> Effect | None:
        """What a change does that is appended now; None if others changed the overlay first: compute again."""
        try:
            appended = self.overlays.append(change, after)
        except ChangedError:
            return None
        overlay = self.champion.follow().detector.overlay
        if appended is None and change.subject not in overlay.changes:
            return None  # a later word is on its way
        return replace(effect, state=State.ACTS, why=_what(change), overlay_seq=overlay.sequence)

    def _hold(self, last: Said, effect: Effect) -> None:
        details = {"said": last.sequence, "checked": effect.checked, "would_change": len(effect.moved)}
        kept = self.log.entries(HELD, last.transaction_id)
        if not any(entry.details["said"] == last.sequence for entry in kept):
            self.log.append(LoggedDecision(HELD, last.transaction_id, "counterfoil", effect.why, details))

    def _effect(
        self, score: KeptScore, words: Sequence[Word], said: int, at: datetime, *, ordered: bool = False
    ) -> tuple[Effect, Change | None, int]:
        """What these words do, the change that does it, and the number of the overlay that it was made of.

        A word that would change too many decisions if it reached as far as any may is held. Of others what is alike
        limits the reach, unless an operator has `ordered` it to act.
        """
        in_use = self.champion.follow()
        overlay, release = in_use.detector.overlay, in_use.detector.release
        label = label_that_holds(words)

        def nothing(why: str, state: State = State.NONE) -> tuple[Effect, None, int]:
            return Effect(state, why, overlay.sequence), None, overlay.sequence

        if awaits_another(words):
            return nothing("a blocked payment is good when a second person says so", State.AWAITS)
        if all(label_that_holds(words[: count + 1]) is None for count in range(len(words))):
            return nothing("nothing was said that other payments could learn from")
        if not self.acts:
            return nothing("COUNTERFOIL_FEEDBACK_ACTS is off: the next training will know of it")
        if release.calibration.kind is not SignalKind.CALIBRATED:
            return nothing("the release knows no frauds: the next training will know this one")
        if not has_evidence(score, release):
            return nothing("the payment was scored with other evidence than the release in use reads")
        window = self.recent.update(in_use.detector)
        labels = {name: one for name, one in self._labels().items() if name != score.transaction_id}
        labels |= {} if label is None else {score.transaction_id: label}
        change = Change(release.release_id, score.transaction_id, label, said, 0.0)
        if label is not None:
            change = replace(change, references=(_reference(score, label, at, in_use.detector),))
        effect, intercept = self._tried(change, in_use, window, labels)
        if label is not None and effect.state is not State.HELD and not ordered:
            change = _within_reach(change, window, labels)
            effect, intercept = self._tried(change, in_use, window, labels)
        return effect, replace(change, intercept=intercept), overlay.sequence

    def _tried(self, change: Change, in_use: InUse, window: Window, labels: Mapping[str, int]) -> tuple[Effect, float]:
        """What a change does to the decisions on the payments scored last, and the intercept that fits it."""
        detector = in_use.detector
        calibration, thresholds = detector.release.calibration, detector.release.thresholds
        after = detector.overlay.with_change(change)
        becoming = window.beside(after.references)
        intercept = calibration.intercept
        if after.references:
            known = {
                name: label for name, label in labels.items() if change.label is not None or name != change.subject
            }
            intercept = fitted_intercept(calibration, window.alone, known, window.ids)
        was = decisions(window.margins, calibration, detector.calibration.intercept, thresholds)
        becomes = decisions(becoming.margins, calibration, intercept, thresholds)
        rows = np.flatnonzero(differing(was, becomes, window.ids, change.subject))
        moved = tuple(Moved(window.ids[row], str(was[row]), str(becomes[row])) for row in rows.tolist())
        allowed = most_allowed(self.most_moved, len(window), FEW)
        held = len(moved) > allowed and change.label is not None  # what is taken back is never held
        why = _what(change)
        if held:
            why = f"it would change {len(moved)} of the last {len(window)} decisions, and {allowed} at most may change"
        state = State.HELD if held else State.ACTS
        return Effect(state, why, detector.overlay.sequence, len(window), allowed, moved), intercept

    def _labels(self) -> dict[str, int]:
        """What holds of every payment that was judged."""
        with self._guard:
            for entry in self.log.entries(FEEDBACK, after=self._heard):
                said = Said.of(entry)
                self._said.setdefault(entry.subject, []).append(said)
                self._heard = said.sequence
            found = {name: label_of(words) for name, words in self._said.items()}
        return {name: label for name, label in found.items() if label is not None}


def _reference(score: KeptScore, label: int, known: datetime, detector: Detector) -> OverlayReference:
    """The payment as a reference that reaches as far as any may."""
    payment, [vector] = score.payment, detector.vectors(evidence_table([score], detector.release))
    at = datetime.fromisoformat(str(payment["event_time"]))
    amount = payment.get("amount")
    return OverlayReference(
        score.transaction_id, label, at, known, None if amount is None else Money(amount), payment.get("currency"),
        payment.get("merchant_id"), payment.get("category"), score.account_id, vector,
    )  # fmt: skip


def _within_reach(change: Change, window: Window, labels: Mapping[str, int]) -> Change:
    """The change whose references reach only what is closer to them than ordinary payments are."""
    references = (
        replace(one, reach=reach_of(window.payments, one.reference_id, one.vector, one.label, labels))
        for one in change.references
    )
    return replace(change, references=tuple(references))


def _busy(transaction_id: str) -> ChangedError:
    return ChangedError(f"others change the references too: say what holds of {transaction_id!r} again")


def _what(change: Change) -> str:
    if change.label is None:
        return "what was said of this payment does not act any more"
    kind = "fraud" if change.label == FRAUD else "good payment"
    return f"it is a known {kind} now, for payments that are nearly copies of it"
