"""What Amazon Fraud Detector's API says of event types, rules and lists, as a mapping, rules and lists of ours.

Its answers are read as they are (`aws frauddetector get-event-types`, `get-variables`, `get-rules`,
`get-lists-metadata`, `get-list-elements`). What has no counterpart is named with its reason, never dropped silently.
"""

import csv
import io
import json
import re
import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, count
from typing import Any

from counterfoil.domain.features.spec import specs_with
from counterfoil.domain.intake.mapping_model import SourceMapping
from counterfoil.domain.policy.amazon_rules import UntranslatableError, as_cel, list_asked
from counterfoil.domain.policy.desk_words import Entity, ListEffect
from counterfoil.domain.policy.fields import PAYMENT_FIELDS, known_fields
from counterfoil.domain.policy.rules import LONGEST_ID, Effect, RuleSetError, read_rules
from counterfoil.errors import NotFoundError, UsageError

FIELD_OF_TYPE = {
    "PRICE": "amount", "CURRENCY_CODE": "currency", "IP_ADDRESS": "source_ip", "EMAIL_ADDRESS": "email",
    "PHONE_NUMBER": "phone", "FINGERPRINT": "device", "CARD_BIN": "card_bin", "PRODUCT_CATEGORY": "category",
}  # fmt: skip
"""Types of variables that are canonical fields."""
EVIDENCE_OF_TYPE = {
    "NUMERIC": "numeric", "PRICE": "numeric", "CATEGORICAL": "categorical", "PAYMENT_TYPE": "categorical",
    "AUTH_CODE": "categorical", "AVS": "categorical", "FREE_FORM_TEXT": "textual",
}  # fmt: skip
ENTITY_OF_TYPE = {"IP_ADDRESS": Entity.SOURCE_IP, "CARD_BIN": Entity.CARD_BIN, "FINGERPRINT": Entity.DEVICE}
EFFECT_WORDS = {
    Effect.BLOCK: {"block", "deny", "decline", "reject", "stop"},
    Effect.REVIEW: {"review", "verify", "investigate", "challenge", "check"},
    Effect.ALLOW: {"approve", "allow", "accept", "pass"},
}
FRAUD_WORDS, GOOD_WORDS = {"fraud", "fraudulent", "1"}, {"legit", "legitimate", "good", "0"}


@dataclass(frozen=True)
class Variable:
    """A variable of the event type; `field` is its name in the mapping, `kind` field, numeric, categorical, textual."""

    name: str
    type: str
    kind: str
    field: str


@dataclass(frozen=True)
class MovedList:
    """A list as a file of ours: CSV with `value` and `entity`."""

    effect: ListEffect
    text: str


@dataclass(frozen=True)
class Moved:
    """What came of an export: a mapping and a rule set as files have them, lists by name, and what was refused."""

    mapping: str
    rules: str
    lists: Mapping[str, MovedList] = field(default_factory=dict)
    refused: tuple[str, ...] = ()


def move(
    answers: Iterable[Mapping[str, Any]], elements: Mapping[str, Sequence[str]], event_type: str | None = None,
    effects: Mapping[str, Effect] = {},
) -> Moved:  # fmt: skip
    """Move one event type with its rules and lists. `elements` are those of each list, `effects` what outcomes do here.

    An outcome that `effects` does not name is known by its words (block, review, approve ...). Raises NotFoundError
    without such an event type, UsageError where there are several and none is named.
    """
    found: dict[str, list[Any]] = {}
    for answer in answers:
        for key, value in answer.items():
            if isinstance(value, list):
                found.setdefault(key, []).extend(value)
    event = _event_type(found.get("eventTypes", []), event_type)
    refused: list[str] = []
    variables = _variables(event, found.get("variables", []), refused)
    mapping = _mapping(event, variables, refused)
    source = SourceMapping.model_validate(tomllib.loads(mapping))
    own = (*source.own_categorical, *source.own_textual)
    known = known_fields(specs_with(source.entities), source.numeric, own)
    readable = {one.name: one.field for one in variables if one.kind != "field" or one.field in PAYMENT_FIELDS}
    taken: set[str] = set()
    rules, lists = [f'name = "{source.name[:60]}"'], dict[str, MovedList]()
    for rule in _latest(found.get("ruleDetails", [])):
        try:
            effect = effect_of(rule.get("outcomes", []), effects)
            asked = list_asked(rule["expression"])
            if asked is None:
                name = _id_of(rule, taken)
                rules.append(_rule(rule, name, as_cel(rule["expression"], readable), effect, known))
                taken.add(name)
            else:
                lists[asked[1]] = _list(asked, effect, elements, variables)
        except (UntranslatableError, RuleSetError) as error:
            refused.append(f"rule {rule.get('ruleId')}: {error}")
    return Moved(mapping, "\n\n".join(rules) + "\n", lists, tuple(refused))


def _event_type(found: Sequence[Mapping[str, Any]], name: str | None) -> Mapping[str, Any]:
    names = [str(one["name"]) for one in found]
    if name is None and len(found) != 1:
        raise UsageError(f"the export has {len(found)} event types ({', '.join(names)}): name one with --event-type")
    chosen = next((one for one in found if name in (None, one["name"])), None)
    if chosen is None:
        raise NotFoundError(f"the export has no event type {name!r}; there are: {', '.join(names) or 'none'}")
    return chosen


def _variables(event: Mapping[str, Any], known: Sequence[Mapping[str, Any]], refused: list[str]) -> list[Variable]:
    types = {str(one["name"]): str(one.get("variableType") or "") for one in known}
    found: list[Variable] = []
    for name in event.get("eventVariables", []):
        type_ = types.get(name, "")
        canonical = FIELD_OF_TYPE.get(type_)
        if canonical is not None and canonical not in [one.field for one in found]:
            found.append(Variable(name, type_, "field", canonical))
        elif type_ in EVIDENCE_OF_TYPE:
            found.append(Variable(name, type_, EVIDENCE_OF_TYPE[type_], name.lower().replace("-", "_")))
        else:
            refused.append(f"variable {name}: {type_ or 'no type'} is no evidence here; add it to the mapping by hand")
    return found


def _mapping(event: Mapping[str, Any], variables: Sequence[Variable], refused: list[str]) -> str:
    labels: dict[str, list[str]] = {"fraud": [], "good": []}
    for label in event.get("labels", []):
        side = "fraud" if label.lower() in FRAUD_WORDS else "good" if label.lower() in GOOD_WORDS else None
        if side is None:
            refused.append(f"label {label}: say in the mapping's [labels] whether it means fraud or good")
        else:
            labels[side].append(label)
    fixed = {
        "transaction_id": "EVENT_ID", "event_time": "EVENT_TIMESTAMP", "account": "ENTITY_ID", "label": "EVENT_LABEL",
        "label_time": "LABEL_TIMESTAMP",
    }  # fmt: skip
    fields = fixed | {one.field: one.name for one in variables if one.kind == "field"}
    name = str(event["name"]).lower().replace("_", "-")
    lines = [f"name = {_text(name)}", f"description = {_text('Events of type ' + str(event['name']))}"]
    lines += ["", "[file]", 'format = "csv"', "", "[time]", 'format = "iso8601"', 'zone = "UTC"', "", "[fields]"]
    lines += [f"{key} = {_text(column)}" for key, column in fields.items()]
    lines += ["", "[labels]", *(f"{side} = [{', '.join(map(_text, names))}]" for side, names in labels.items())]
    lines += ['unknown = [""]']
    for kind in ("numeric", "categorical", "textual"):
        own = [one for one in variables if one.kind == kind]
        if own:
            lines += ["", f"[evidence.{kind}]", *(f"{one.field} = {_text(one.name)}" for one in own)]
    return "\n".join(lines) + "\n"


def _latest(rules: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The last version of each rule; of rules of one name the later detectors' are named after them."""
    last: dict[tuple[str, str], Mapping[str, Any]] = {}
    for rule in sorted(rules, key=lambda one: int(one.get("ruleVersion") or 0)):
        last[(str(rule.get("detectorId")), str(rule["ruleId"]))] = rule
    names = [name for _, name in last]
    first = {name: place for place, name in reversed(list(enumerate(names)))}
    return [
        rule if first[name] == place else {**rule, "ruleId": f"{name}-{detector}"}
        for place, ((detector, name), rule) in enumerate(last.items())
    ]


def effect_of(outcomes: Sequence[str], effects: Mapping[str, Effect]) -> Effect:
    """The strongest of what outcomes do. Raises UntranslatableError if there is none, or nothing says what one does."""
    asked: set[Effect] = set()
    for outcome in outcomes:
        words = set(outcome.lower().replace("-", "_").split("_"))
        known = [effect for effect, names in EFFECT_WORDS.items() if words & names]
        if outcome not in effects and len(known) != 1:
            raise UntranslatableError(f"nothing says what outcome {outcome!r} does: give --outcome {outcome}=review")
        asked.add(effects.get(outcome) or known[0])
    if not asked:
        raise UntranslatableError("it has no outcome")
    return max(asked, key=list(Effect).index)


def _id_of(rule: Mapping[str, Any], taken: Collection[str]) -> str:
    """A rule's id as ours are, another one for each rule: of ids that differ in capitals alone, or in what stands after
    64 signs, the later get a number."""
    name = re.sub(r"[^a-z0-9_-]", "_", str(rule["ruleId"]).lower())
    name = name if name[:1].isalpha() else f"r{name}"
    tries = (f"{name[: LONGEST_ID - len(end)]}{end}" for end in chain([""], (f"-{number}" for number in count(2))))
    return next(one for one in tries if one not in taken)


def _rule(rule: Mapping[str, Any], name: str, cel: str, effect: Effect, known: Mapping[str, Any]) -> str:
    """A rule as our files have it, once it was read as such. Raises RuleSetError."""
    own = str(rule["ruleId"])
    there = f"rule {own} of Amazon Fraud Detector"
    reason = str(rule.get("description") or there)
    if own != name and reason != there:
        reason = f"{reason} ({there})"
    facts = {
        "id": name, "when": cel, "effect": str(effect), "owner": str(rule.get("detectorId") or "unknown"),
        "reason": reason,
    }  # fmt: skip
    text = "\n".join(["[[rule]]", *(f"{key} = {_text(value)}" for key, value in facts.items())])
    read_rules(f'name = "one"\n{text}', known)
    return text


def _list(
    asked: tuple[str, str], effect: Effect, elements: Mapping[str, Sequence[str]], variables: Sequence[Variable]
) -> MovedList:
    variable, name = asked
    type_ = next((one.type for one in variables if one.name == variable), "")
    entity = ENTITY_OF_TYPE.get(type_)
    if entity is None:
        raise UntranslatableError(
            f"list {name!r} is of {variable} ({type_ or 'unknown'}): lists here name {', '.join(Entity)}"
        )
    if name not in elements:
        raise UntranslatableError(f"the elements of list {name!r} are not in the export: add get-list-elements' answer")
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(
        [["value", "entity"], *([value, entity] for value in elements[name])]
    )
    return MovedList(ListEffect.WATCH if effect is Effect.REVIEW else ListEffect(effect.value), text.getvalue())


def _text(value: str) -> str:
    """A text as TOML has it."""
    return json.dumps(value, ensure_ascii=False)
