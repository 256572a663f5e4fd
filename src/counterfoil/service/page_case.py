"""What the review page shows of one payment: its reasons as bars, its precedents side by side, what was said."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from counterfoil.domain.policy.verdicts import awaits_another
from counterfoil.ports.service import KeptScore
from counterfoil.service.serving import Serving, answer_of
from counterfoil.steps.scoring.feedback import HELD, Said, Verdict, feedback_on, scored, standing
from counterfoil.steps.scoring.overrule import RELEASED

SHOWN_OF_A_SIDE = 3
COMPARED = ("amount", "currency", "category", "merchant_id", "event_time")
"""The fields in which a payment and a precedent are shown side by side."""


@dataclass(frozen=True)
class Bar:
    """A reason as a bar: `width` is in percent of the longest."""

    topic: str
    words: str
    contribution: float
    width: int


def bars(reasons: Sequence[Mapping[str, Any]]) -> list[Bar]:
    """Reasons as bars, as they come; those that add nothing are left out."""
    longest = max((abs(reason["contribution"]) for reason in reasons), default=0.0) or 1.0
    return [
        Bar(r["topic"], r["words"], r["contribution"], max(1, round(100 * abs(r["contribution"]) / longest)))
        for r in reasons
        if abs(r["contribution"]) >= 0.005 * longest
    ]


def case_of(serving: Serving, transaction_id: str, preview: Verdict | None, person: str) -> dict[str, Any]:
    """What the page shows of a payment; with `preview` also what that word would do if `person` said it now."""
    kept: KeptScore = scored(serving.place.scores, transaction_id)
    said = feedback_on(serving.place.decisions, transaction_id)
    answer = answer_of(kept)
    fields = {name: kept.payment.get(name) for name in COMPARED}
    return {
        "kept": kept,
        "answer": answer,
        "fields": fields,
        "bars": bars(answer["reasons"]),
        "precedents": [
            {**cited, "same": [name for name in COMPARED if cited[name] is not None and cited[name] == fields[name]]}
            for cited in _nearest(answer["precedents"])
        ],
        "said": said,
        "standing": standing(said),
        "awaits": awaits_another([one.word for one in said]),
        "held": _held(serving, said),
        "preview": preview,
        "effect": None if preview is None else serving.confirmations.preview(transaction_id, preview, person),
        "link": quote(transaction_id, safe=""),
    }


def _held(serving: Serving, said: Sequence[Said]) -> str | None:
    """Why the last word on a payment does not act, if it is held."""
    if not said:
        return None
    log, last = serving.place.decisions, said[-1]
    held = log.entries(HELD, last.transaction_id, after=last.sequence)
    released = log.entries(RELEASED, last.transaction_id, after=last.sequence)
    return held[-1].reason if held and not released else None


def _nearest(cited: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The first few of each side, frauds first, as they come."""
    sides = ([one for one in cited if one["label"] == label] for label in ("fraud", "good"))
    return [one for side in sides for one in side[:SHOWN_OF_A_SIDE]]
