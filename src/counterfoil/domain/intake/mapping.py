"""Read a source mapping from TOML, naming every problem at once."""

import difflib
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from counterfoil.domain.intake import mapping_rules as rules
from counterfoil.domain.intake.fixed_columns import FIXED_COLUMNS
from counterfoil.domain.intake.mapping_amounts import AmountFormat, Currency
from counterfoil.domain.intake.mapping_model import (
    Evidence,
    Fields,
    FileFormat,
    Labels,
    Privacy,
    SourceMapping,
)
from counterfoil.domain.intake.mapping_times import TimeFormat
from counterfoil.errors import MappingError

__all__ = ["SourceMapping", "parse_mapping"]

Part = TypeVar("Part", bound=BaseModel)

_SECTIONS: dict[str, type[BaseModel]] = {
    "file": FileFormat,
    "time": TimeFormat,
    "amount": AmountFormat,
    "currency": Currency,
    "fields": Fields,
    "labels": Labels,
    "evidence": Evidence,
    "privacy": Privacy,
}


def parse_mapping(text: str, name: str) -> SourceMapping:
    """Parse the TOML text of a mapping; `name` is used in messages, and as its name if the text gives none.

    Raises MappingError with every problem, one a line.
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise MappingError(f"mapping {name!r} is not TOML: {error}") from None
    problems: list[str] = []
    parts = {key: _part(model, raw.get(key), key, problems) for key, model in _SECTIONS.items()}
    problems += _top_level_problems(raw, name)
    entities = raw.get("entities", {})
    problems += rules.entity_problems(entities, parts["fields"], parts["evidence"])
    problems += _joint_problems(parts, labels_given="labels" in raw)
    if problems:
        listed = "\n".join(f"- {problem}" for problem in problems)
        raise MappingError(f"mapping {name!r} has {_count(len(problems))}:\n{listed}")
    given: dict[str, Any] = {key: part for key, part in parts.items() if part is not None}
    top = {"name": raw.get("name", name), "description": raw.get("description", "")}
    given["entities"] = {key: (names,) if isinstance(names, str) else names for key, names in entities.items()}
    return SourceMapping.model_validate({**top, **given})


def _part(model: type[Part], raw: object, key: str, problems: list[str]) -> Part | None:
    """Validate one section; wrong keys are reported and left out, so that the rest is checked too."""
    if raw is None and key == "labels":
        return None
    section = {} if raw is None else raw
    if not isinstance(section, Mapping):
        problems.append(f"{key}: is not a section (write [{key}])")
        return None
    try:
        return model.model_validate(section)
    except ValidationError as error:
        found = error.errors()
        problems += [_in_words(detail, key, model) for detail in found]
        wrong = {detail["loc"][0] for detail in found}
    rest = {name: value for name, value in section.items() if name not in wrong}
    # A required key may still be missing here; it is reported, and the joint rules need not have it.
    return model.model_construct(**rest) if wrong - set(section) else model.model_validate(rest)


def _in_words(detail: ErrorDetails, key: str, model: type[BaseModel]) -> str:
    where = ".".join((key, *(str(step) for step in detail["loc"])))
    if detail["type"] == "missing":
        return f"{where} is missing"
    if detail["type"] == "extra_forbidden":
        return f"{where} is unknown{_known(str(detail['loc'][0]), list(model.model_fields))}"
    return f"{where}: {detail['msg'].removeprefix('Value error, ')}"


def _known(word: str, words: list[str]) -> str:
    near = difflib.get_close_matches(word, words, n=1)
    return f" (did you mean {near[0]!r}?)" if near else f" (known: {', '.join(words)})"


def _top_level_problems(raw: Mapping[str, Any], name: str) -> Iterator[str]:
    known = list(SourceMapping.model_fields)
    for key in raw:
        if key not in known:
            yield f"{key} is unknown{_known(key, known)}"
    top = {"name": raw.get("name", name), "description": raw.get("description", "")}
    try:
        SourceMapping.model_validate({**top, "fields": {"event_time": "any"}})
    except ValidationError as error:
        for detail in error.errors():
            yield f"{detail['loc'][0]}: {detail['msg'].removeprefix('Value error, ')}"


def _joint_problems(parts: Mapping[str, Any], *, labels_given: bool) -> Iterator[str]:
    fields, evidence = parts["fields"], parts["evidence"]
    if parts["time"] is not None:
        yield from rules.time_problems(parts["time"], parts["file"])
    if parts["file"] is not None:
        yield from rules.file_problems(parts["file"])
    if parts["amount"] is not None:
        yield from rules.amount_problems(parts["amount"], fields, parts["currency"], evidence)
    yield from rules.label_problems(fields, parts["labels"], given=labels_given)
    if fields is not None:
        yield from rules.time_field_problems(fields)
        yield from rules.identity_problems(fields, evidence)
        if parts["file"] is not None and parts["file"].format in FIXED_COLUMNS:
            known = FIXED_COLUMNS[parts["file"].format]
            yield from rules.fixed_column_problems(known, fields, evidence, parts["privacy"])
    if evidence is not None:
        yield from rules.evidence_name_problems(evidence)
        yield from rules.pair_problems(evidence, fields)
        yield from rules.canonical_evidence_problems(evidence, fields, parts["currency"], parts["amount"])
    if parts["privacy"] is not None:
        yield from rules.privacy_problems(parts["privacy"], fields, evidence)


def _count(number: int) -> str:
    return "1 problem" if number == 1 else f"{number} problems"
