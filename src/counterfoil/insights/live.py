"""Payments as they happen, and what people say of scored payments: by the steps that serve, in this process."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

from counterfoil.adapters.report.page import Table, snippet
from counterfoil.domain.intake.requests import clean_requests, flattened
from counterfoil.domain.policy.verdicts import Verdict
from counterfoil.errors import UsageError
from counterfoil.insights import queries
from counterfoil.insights.results import ScoredCase
from counterfoil.ports.releases import LoggedDecision
from counterfoil.ports.service import KeptScore
from counterfoil.steps.insights.riskiest import Case, Payment
from counterfoil.steps.scoring.confirm import Effect, State
from counterfoil.steps.scoring.feedback import FEEDBACK, give_feedback
from counterfoil.workspace.wiring import Workspace

_LABELS = {"fraud": 1, "good": 0}
_IN_THE_LAKE = "it is a label now; the next training learns from it"


@dataclass(frozen=True)
class EffectView:
    """What a verdict does: its `state` (acts, held, awaits_second_person, none), and the payments that it moves."""

    effect: Effect

    @property
    def state(self) -> str:
        """Whether other payments are scored otherwise from now on."""
        return self.effect.state.value

    def _repr_html_(self) -> str:
        found = self.effect
        facts = [("state", found.state.value.replace("_", " ")), ("why", found.why)]
        if found.checked:
            told = f"{len(found.moved)} of the last {found.checked:,} scores; at most {found.allowed} may be moved"
            facts.append(("moves", told))
        rows = [{"payment": one.transaction_id, "before": one.before, "after": one.after} for one in found.moved]
        tables = [Table("Decisions that would be others", pa.Table.from_pylist(rows))] if rows else []
        return snippet("What the verdict does", facts=facts, tables=tables)


def score_payment(place: Workspace, payment: Mapping[str, Any]) -> ScoredCase:
    """Score one payment with the release in use, and keep its score. Raises UsageError if it cannot be read."""
    in_use = place.champion.follow()
    arrivals = clean_requests(
        [flattened(payment)], in_use.canonical, key=place.pseudonym_key, forgotten=in_use.forgotten
    )
    if arrivals.faults:
        fault = arrivals.faults[0]
        raise UsageError(f"the payment cannot be read ({fault.reason}): {fault.message}")
    if arrivals.ignored:
        raise UsageError(f"a payment has no field {arrivals.ignored[0]!r}: it would be ignored")
    return ScoredCase(_case(place.online_scorer.score(arrivals, in_use)[0]))


def effect_of(place: Workspace, transaction_id: str, verdict: str, by: str) -> EffectView:
    """What a verdict on a payment that was scored one by one would do; nothing is kept. Raises NotFoundError."""
    return EffectView(place.confirmations.preview(transaction_id, verdict_of(verdict), by))


def say(place: Workspace, transaction_id: str, verdict: str, by: str, reason: str) -> EffectView:
    """Keep a verdict on a scored payment, and let it act.

    Of a payment that the service scored it acts on the scores of others at once. Of one that was scored from a file,
    which must be in the lake, it becomes a label.
    """
    word = verdict_of(verdict)
    if not by.strip() or not reason.strip():
        raise UsageError("feedback is somebody's word: say who (by) and why (reason)")
    if transaction_id in place.scores.find([transaction_id]):
        give_feedback(place.decisions, place.scores, place.profiles, transaction_id, word, by, reason)
        effect = place.confirmations.apply(transaction_id)
    else:
        details = {"verdict": word.value, "release_id": queries.newest_release(place.tables)}
        place.decisions.append(LoggedDecision(FEEDBACK, transaction_id, by.strip(), reason.strip(), details))
        effect = Effect(State.NONE, _IN_THE_LAKE if word in _LABELS else "it is kept", 0)
    place.settling.settle()
    return EffectView(effect)


def verdict_of(word: str) -> Verdict:
    """The verdict of that name. Raises UsageError, which lists those there are."""
    try:
        return Verdict(word)
    except ValueError:
        raise UsageError(f"{word!r} is no verdict: say {', '.join(Verdict)}") from None


def _case(score: KeptScore) -> Case:
    answer = score.answer
    asked = Payment(
        score.transaction_id, datetime.fromisoformat(str(answer["event_time"])), _money(score.amount),
        answer.get("currency"), score.payment.get("merchant_id"), score.payment.get("category"), None,
    )  # fmt: skip
    reasons = tuple(reason["words"] for reason in answer["reasons"] if reason["contribution"] > 0)
    precedents = tuple(map(_precedent, answer["precedents"]))
    return Case(score.signal, score.decision, asked, precedents, reasons, score.account_id)


def _precedent(cited: Mapping[str, Any]) -> Payment:
    at = datetime.fromisoformat(str(cited["event_time"]))
    return Payment(
        cited["reference_id"], at, _money(cited["amount"]), cited["currency"], cited["merchant_id"], cited["category"],
        _LABELS[cited["label"]], cited["similarity"],
    )  # fmt: skip


def _money(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
