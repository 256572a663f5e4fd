"""What Amazon Fraud Detector predicted: single answers of its API, and rows of a batch prediction's output.

An answer is what `aws frauddetector get-event-prediction-metadata` prints. A batch's CSV has the event's own columns,
MODEL_SCORES, OUTCOMES, STATUS and RULE_RESULTS, which AWS's user guide names without the form of their cells: those
with several values are taken as JSON, or as texts with commas between them.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from counterfoil.domain.policy.amazon import effect_of
from counterfoil.domain.policy.amazon_rules import UntranslatableError
from counterfoil.domain.policy.decide import Decision
from counterfoil.domain.policy.rules import Effect

_DECISIONS = {
    Effect.ALLOW: Decision.ALLOW, Effect.REVIEW: Decision.REVIEW, Effect.BLOCK: Decision.BLOCK,
    Effect.FATAL_BLOCK: Decision.BLOCK,
}  # fmt: skip
DONE = {"", "success", "succeeded"}


@dataclass(frozen=True)
class Prediction:
    """What was decided on an event, and the highest score that a model gave it (0 to 1000), if one did."""

    event_id: str
    decision: Decision
    score: float | None


def predictions_of(
    answers: Iterable[Mapping[str, Any]], effects: Mapping[str, Effect], refused: Counter[str]
) -> list[Prediction]:
    """The predictions of answers or rows; an event's last one counts. What cannot be used is counted by its reason.

    `effects` are what outcomes do here, as in `amazon.move`; an event without an outcome was allowed.
    """
    found: dict[str, Prediction] = {}
    for answer in answers:
        try:
            one = _of_row(answer, effects) if "OUTCOMES" in answer else _of_answer(answer, effects)
            found[one.event_id] = one
        except UntranslatableError as error:
            refused[str(error)] += 1
    return list(found.values())


def _of_answer(answer: Mapping[str, Any], effects: Mapping[str, Effect]) -> Prediction:
    event = str(answer.get("eventId") or "")
    evaluations = [
        one for model in answer.get("evaluatedModelVersions") or [] for one in model.get("evaluations") or []
    ]
    scores = [one.get("evaluationScore") for one in evaluations]
    return _prediction(event, answer.get("outcomes") or [], scores, effects)


def _of_row(row: Mapping[str, Any], effects: Mapping[str, Effect]) -> Prediction:
    scores, outcomes = (_values(str(row.get(name) or "")) for name in ("MODEL_SCORES", "OUTCOMES"))
    # The word for success is not documented: what came to something was evaluated.
    if str(row.get("STATUS") or "").strip().lower() not in DONE and not (scores or outcomes):
        raise UntranslatableError("the batch could not evaluate the event")
    return _prediction(str(row.get("EVENT_ID") or ""), outcomes, scores, effects)


def _values(cell: str) -> list[Any]:
    """The values of a cell: of a JSON list, object or value, else the texts between commas."""
    try:
        found = json.loads(cell)
    except ValueError:
        return [text.strip() for text in cell.strip("[] ").split(",") if text.strip()]
    if isinstance(found, Mapping):
        return list(found.values())
    return found if isinstance(found, list) else [found]


def _prediction(
    event: str, outcomes: Iterable[Any], scores: Iterable[Any], effects: Mapping[str, Effect]
) -> Prediction:
    if not event:
        raise UntranslatableError("a prediction names no event")
    named = [str(outcome) for outcome in outcomes]
    decision = _DECISIONS[effect_of(named, effects)] if named else Decision.ALLOW
    try:
        given = [float(score) for score in scores if score is not None]
    except (TypeError, ValueError):
        raise UntranslatableError("a model's score is no number") from None
    return Prediction(event, decision, max(given, default=None))
