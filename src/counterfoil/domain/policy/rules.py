"""Rule sets: conditions with an effect, an owner and a reason, in a file that people sign."""

import hashlib
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any

from counterfoil.domain.policy.cel_tree import ConditionError, Kind, checker, parse
from counterfoil.domain.policy.conditions import SURE, Condition, condition_of, neutral
from counterfoil.errors import UsageError

MOST_RULES = 1_000
LONGEST_ID = 64
_NAME = re.compile(rf"[a-z][a-z0-9_-]{{0,{LONGEST_ID - 1}}}")
_KEYS = {"id": True, "when": True, "effect": True, "owner": True, "reason": True}


class Effect(StrEnum):
    """What a rule or a list does to a payment, the weakest first.

    A review looks at what would be allowed; a block stops; an allow lets pass whatever asks for review or block; only a
    fatal block is stronger.
    """

    REVIEW = "review"
    BLOCK = "block"
    ALLOW = "allow"
    FATAL_BLOCK = "fatal block"


class RuleSetError(UsageError):
    """A rule set cannot be used. `problems` are all of them, each with rule, place and reason."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True)
class Rule:
    """A condition and what follows from it. `owner` answers for it, `reason` is told with each decision."""

    id: str
    condition: Condition
    effect: Effect
    owner: str
    reason: str


@dataclass(frozen=True)
class RuleSet:
    """Rules in the order of their file; `text` is the file, `kinds` are the fields that they read."""

    name: str
    rules: tuple[Rule, ...]
    kinds: Mapping[str, Kind]
    text: str

    @property
    def version(self) -> str:
        """A name made of the content: the same file is the same version everywhere."""
        return f"p{hashlib.sha256(self.text.encode()).hexdigest()[:16]}"

    @cached_property
    def online(self) -> "Evaluator":
        """Evaluates the rules of one payment."""
        return Evaluator(self)

    def sql_hits(self) -> str:
        """Positions of the rules that speak, as a list in DuckDB's SQL, over columns named as the fields."""
        each = [f"CASE WHEN {rule.condition.sql} THEN {place} END" for place, rule in enumerate(self.rules)]
        listed = f"[{', '.join(each)}]" if each else "[]::INTEGER[]"
        return f"list_filter({listed}, lambda place: place IS NOT NULL)"


class Evaluator:
    """Evaluates a rule set on one payment: one CEL expression that gives a truth for each rule."""

    def __init__(self, rules: RuleSet) -> None:
        self._neutral = neutral(rules.kinds)
        self._environment = _environment(rules.kinds)
        listed = ", ".join(rule.condition.cel for rule in rules.rules)
        self._program = self._environment.compile(f"[{listed}]") if rules.rules else None

    def hits(self, payment: Mapping[str, Any]) -> list[int]:
        """Positions of the rules that speak; `payment` has numbers (float) and texts by field, None is unknown."""
        if self._program is None:
            return []
        values: dict[str, Any] = {}
        for name, unknown in self._neutral.items():
            value = payment.get(name)
            values[name] = unknown if value is None else value
            values[f"{SURE}{name}"] = value is not None
        truths = self._program.eval(self._environment.Activation(values)).plain_value()
        return [place for place, truth in enumerate(truths) if truth]


def read_rules(text: str, fields: Mapping[str, Kind]) -> RuleSet:
    """Read a rule set (TOML) whose conditions may read these fields. Raises RuleSetError with all problems at once."""
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RuleSetError([f"the rule set is no TOML: {error}"]) from None
    problems: list[str] = []
    unknown = sorted(content.keys() - {"name", "rule"})
    problems += [f"the rule set has an unknown key {key!r}: it has name and [[rule]]" for key in unknown]
    name, entries = content.get("name"), content.get("rule", [])
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        problems.append('the rule set needs a name of small letters, digits, - and _: name = "cards"')
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise RuleSetError([*problems, "rules are written as [[rule]] tables"])
    if len(entries) > MOST_RULES:
        raise RuleSetError([*problems, f"the rule set has {len(entries):,} rules, {MOST_RULES:,} at most"])
    check = checker(fields)
    rules = [_rule(entry, place, check, problems) for place, entry in enumerate(entries, start=1)]
    names = [rule.id for rule in rules if rule is not None]
    problems += [f"rule {name}: there are two of this id" for name in sorted({n for n in names if names.count(n) > 1})]
    if problems:
        raise RuleSetError(problems)
    whole = tuple(rule for rule in rules if rule is not None)
    read = sorted(frozenset[str]().union(*(rule.condition.fields for rule in whole)))
    found = RuleSet(str(name), whole, {field: fields[field] for field in read}, text)
    _require_evaluable(found)
    return found


def _rule(entry: Mapping[str, Any], place: int, check: Any, problems: list[str]) -> Rule | None:
    """One rule, or None where there is a problem, which is added."""
    name = entry.get("id") if isinstance(entry.get("id"), str) else None
    whose = f"rule {name or place}"
    wrong = [f"{whose}: it needs {key}, a text" for key in _KEYS if not str(entry.get(key) or "").strip()]
    wrong += [f"{whose}: {key} is a text" for key in _KEYS if not isinstance(entry.get(key, ""), str)]
    wrong += [f"{whose}: unknown key {key!r} (known: {', '.join(_KEYS)})" for key in sorted(entry.keys() - _KEYS)]
    if name is not None and not _NAME.fullmatch(name):
        wrong.append(f"{whose}: an id has small letters, digits, - and _, 64 at most")
    effect = next((effect for effect in Effect if effect.value == entry.get("effect")), None)
    if effect is None and entry.get("effect"):
        wrong.append(f"{whose}: effect is {', '.join(Effect)}")
    condition = None
    if isinstance(entry.get("when"), str) and entry["when"].strip():
        try:
            condition = condition_of(entry["when"], parse(entry["when"], check))
        except ConditionError as error:
            wrong.append(f"{whose}: {error}")
    problems += wrong
    if wrong or name is None or effect is None or condition is None:
        return None
    return Rule(name, condition, effect, entry["owner"].strip(), entry["reason"].strip())


def _require_evaluable(rules: RuleSet) -> None:
    """Compile each rule as it will be evaluated: what CEL will not take then is refused now."""
    environment = _environment(rules.kinds)
    for rule in rules.rules:
        try:
            environment.compile(rule.condition.cel)
        except (RuntimeError, ValueError):
            raise RuleSetError([f"rule {rule.id}: the condition is nested too deeply: make two rules of it"]) from None
    try:
        rules.online  # noqa: B018 made now, so that no payment waits for it
    except (RuntimeError, ValueError):
        raise RuleSetError(["the rules take too long together: make two rule sets of them"]) from None


def _environment(kinds: Mapping[str, Kind]) -> Any:
    """What evaluates conditions: each field, and whether it is known."""
    return checker({**kinds, **{f"{SURE}{name}": Kind.TRUTH for name in kinds}})


NO_RULES = read_rules('name = "lists-alone"', {})
"""The rule set where there are lists and nothing else."""
