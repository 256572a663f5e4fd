"""The reference of mapping keys is that of the model, and each of its examples is accepted.

`python tests/unit/workspace/test_mapping_keys.py` writes it anew.
"""

import re
import tomllib
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin

import pytest

from counterfoil.domain.intake.mapping import _SECTIONS
from counterfoil.domain.intake.mapping_times import NAMED_TIME_FORMATS

PAGE = Path(__file__).parents[3] / "src/counterfoil/mappings/KEYS.md"
EXAMPLES = {
    "file": {
        "format": '"jsonl"', "delimiter": '";"', "quote": '""', "escape": '"\\\\"', "encoding": '"cp1252"',
        "null_values": '["", "NULL"]', "skip_lines": "3", "header": '"none"', "columns": '["date", "amount"]',
    },
    "time": {
        "format": '["iso8601", "%d/%m/%Y %H:%M"]', "zone": '"Europe/Berlin"', "epoch": '"2020-01-01T00:00:00Z"',
        "earliest": '"1995-01-01T00:00:00Z"', "latest": '"2030-01-01T00:00:00Z"',
    },
    "amount": {
        "decimal_mark": '","', "thousands_mark": '"."', "symbols": '{"$" = "USD", "€" = "EUR"}', "unit": '"minor"',
        "minor_digits": "{ISK = 2}", "debits": '"negative"', "direction": '"CdtDbtInd"', "debit_values": '["Soll"]',
        "credit_values": '["Haben"]', "keep": '"both"',
    },
    "currency": {"meaningful": "false", "why": '"drawn at random"', "code": '"USD"'},
    "fields": {"event_time": '["Date", "Time"]', "account": '["bank", "number"]', "label_time": '"labelled_at"'},
    "labels": {"fraud": '["1", "yes"]', "good": '["0", "no"]', "unknown": '[""]'},
    "evidence": {
        "numeric": '{balance = "Balance before"}', "categorical": '{channel = "Channel"}',
        "textual": '{product = "Product"}', "categorical_fields": '["category"]', "textual_fields": '["merchant_id"]',
    },
    "privacy": {"hashed": '["merchant"]'},
}  # fmt: skip


def rendered() -> str:
    """Return the page."""
    lines = ["# All keys of a mapping", "", "Written by `tests/unit/workspace/test_mapping_keys.py` from the model."]
    for section, model in _SECTIONS.items():
        words = re.sub(r"\n\s*", "\n", (model.__doc__ or "").strip())
        words = words.replace("NAMED_TIME_FORMATS", ", ".join(f"`{one}`" for one in NAMED_TIME_FORMATS))
        lines += ["", f"## [{section}]", "", words, "", "| key | takes | default | example |", "|---|---|---|---|"]
        for name, field in model.model_fields.items():
            default = "" if field.is_required() or field.default in (None, "", (), {}) else f"`{field.default}`"
            lines.append(f"| `{name}` | {_kind(field.annotation)} | {default} | `{name} = {example(section, name)}` |")
    return "\n".join(lines) + "\n"


def example(section: str, name: str) -> str:
    """Return the TOML of an example; a field is a column's name unless it says otherwise."""
    return EXAMPLES[section].get(name, f'"{name} column"') if section == "fields" else EXAMPLES[section][name]


def _kind(annotation: Any) -> str:
    origin, inner = get_origin(annotation), [one for one in get_args(annotation) if one is not NoneType]
    if origin is Literal:
        return ", ".join(f"`{one!r}`".replace("'", '"') for one in inner)
    if origin is tuple:
        return f"list of {_kind(inner[0])}"
    if origin is dict:
        return f"table of {_kind(inner[1])}"
    if inner:
        return " or ".join(_kind(one) for one in inner)
    names = {"str": "text", "int": "whole number", "bool": "true or false", "datetime": "time with its offset"}
    return names.get(getattr(annotation, "__name__", ""), "true or false")


def test_the_page_is_that_of_the_model() -> None:
    assert PAGE.read_text("utf-8") == rendered(), "run: python tests/unit/workspace/test_mapping_keys.py"


@pytest.mark.parametrize("section", _SECTIONS)
def test_each_example_is_accepted(section: str) -> None:
    for name in _SECTIONS[section].model_fields:
        given = tomllib.loads(f"{name} = {example(section, name)}")
        read = getattr(
            _SECTIONS[section].model_validate({"event_time": "t", **given} if section == "fields" else given), name
        )
        assert read not in (None, (), {}), name


if __name__ == "__main__":
    PAGE.write_text(rendered(), "utf-8")
