"""The reference of mapping keys is that of the model, and each of its examples is read in a whole mapping.

`python tests/unit/workspace/test_mapping_keys.py` writes it anew.
"""

import json
import re
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin

import pytest

from counterfoil.domain.intake.mapping import _SECTIONS, parse_mapping
from counterfoil.domain.intake.mapping_model import SourceMapping
from counterfoil.domain.intake.mapping_times import NAMED_TIME_FORMATS

PAGE = Path(__file__).parents[3] / "src/counterfoil/mappings/KEYS.md"
EXAMPLES = {
    "file": {
        "format": '"jsonl"', "delimiter": '";"', "quote": '""', "escape": '"\\\\"', "encoding": '"cp1252"',
        "null_values": '["", "NULL"]', "skip_lines": "3", "header": '"none"', "columns": '["date", "amount"]',
        "records": '"data.payments"',
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
        "numeric": '{balance = "Balance before"}', "differences": '{left = ["balance", "amount"]}',
        "ratios": '{share = ["amount", "balance"]}', "categorical": '{channel = "Channel"}',
        "textual": '{product = "Product"}', "categorical_fields": '["category"]', "textual_fields": '["merchant_id"]',
    },
    "privacy": {"hashed": '["merchant"]'},
}  # fmt: skip
TOP = {
    "name": ('name = "north-bank"', "text", "the file's name", "of lower-case letters, digits and hyphens"),
    "description": ('description = "Cards of North Bank"', "text", "", "what `counterfoil mapping list` says of it"),
    "entities": (
        'entities = {via = "channel", payer_via = ["account_id", "channel"]}', "table of a column or two", "",
        "what features are made of besides accounts, merchants and addresses; as a section: `[entities]`",
    ),
}  # fmt: skip
FIELDS = ("transaction_id", "event_time", "amount")
"""Each example's mapping names them, so that the example is all that is else in it."""
BESIDES: dict[tuple[str, str], dict[str, str]] = {
    ("file", "header"): {"file": 'columns = ["id", "at", "amount"]'},
    ("file", "columns"): {"file": 'header = "none"'},
    ("file", "records"): {"file": 'format = "jsonl"'},
    ("time", "epoch"): {"time": 'format = "relative_hours"'},
    ("amount", "thousands_mark"): {"amount": 'decimal_mark = ","'},
    ("amount", "minor_digits"): {"amount": 'unit = "minor"', "currency": 'code = "ISK"'},
    ("amount", "unit"): {"currency": 'code = "JPY"'},
    ("amount", "debit_values"): {"amount": 'direction = "side"'},
    ("amount", "credit_values"): {"amount": 'direction = "side"'},
    ("amount", "keep"): {"amount": 'debits = "negative"'},
    ("currency", "why"): {"currency": "meaningful = false"},
    ("fields", "label"): {"labels": 'fraud = ["1"]'},
    ("fields", "label_time"): {"fields": 'label = "fraud"', "labels": 'fraud = ["1"]'},
    ("labels", "fraud"): {"fields": 'label = "fraud"'},
    **{("labels", name): {"fields": 'label = "fraud"', "labels": 'fraud = ["1"]'} for name in ("good", "unknown")},
    **{
        ("evidence", name): {"evidence": 'numeric = {balance = "Balance before"}'} for name in ("differences", "ratios")
    },
    ("evidence", "categorical_fields"): {"fields": 'category = "kind"'},
    ("evidence", "textual_fields"): {"fields": 'merchant = "shop"'},
    ("privacy", "hashed"): {"fields": 'merchant = "payee"'},
    ("", "entities"): {"fields": 'account = "who"', "evidence": 'categorical = {channel = "Channel"}'},
}
"""What an example's key needs beside it."""


def rendered() -> str:
    """Return the page."""
    lines = ["# All keys of a mapping", "", "Written by `tests/unit/workspace/test_mapping_keys.py` from the model."]
    lines += [
        "",
        "## Above the sections",
        "",
        "| key | takes | default | what it is | example |",
        "|---|---|---|---|---|",
    ]
    assert TOP.keys() == SourceMapping.model_fields.keys() - _SECTIONS.keys()
    for name, (given, kind, default, words) in TOP.items():
        lines.append(f"| `{name}` | {kind} | {default} | {words} | `{given}` |")
    for section, model in _SECTIONS.items():
        words = re.sub(r"\n\s*", "\n", (model.__doc__ or "").strip())
        words = words.replace("NAMED_TIME_FORMATS", ", ".join(f"`{one}`" for one in NAMED_TIME_FORMATS))
        lines += ["", f"## [{section}]", "", words, "", "| key | takes | default | example |", "|---|---|---|---|"]
        for name, field in model.model_fields.items():
            default = "" if field.is_required() or field.default in (None, "", (), {}) else f"`{field.default}`"
            lines.append(f"| `{name}` | {_kind(field.annotation)} | {default} | `{name} = {example(section, name)}` |")
    return "\n".join(lines) + "\n"


def example(section: str, name: str) -> str:
    """Return the TOML value of an example; a field is a column's name unless it says otherwise."""
    return EXAMPLES[section].get(name, f'"{name} column"') if section == "fields" else EXAMPLES[section][name]


def _kind(annotation: Any) -> str:
    origin, inner = get_origin(annotation), [one for one in get_args(annotation) if one is not NoneType]
    if origin is Literal:
        return ", ".join(f"`{json.dumps(one)}`" for one in inner)
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


def mapping_with(section: str, name: str) -> str:
    """Return a mapping that has an example in it, and nothing else but what it needs."""
    given = TOP[name][0] if section == "" else f"{name} = {example(section, name)}"
    besides = BESIDES.get((section, name), {})
    named = [f'{one} = "{one}"' for one in FIELDS if (section, name) != ("fields", one)]
    text = [given] if section == "" else []
    for one in _SECTIONS:
        inside = [*([given] if one == section else []), besides.get(one, ""), *(named if one == "fields" else [])]
        text += [f"[{one}]", *inside] if any(inside) else []
    return "\n".join(text)


@pytest.mark.parametrize(
    ("section", "name"),
    [*(("", name) for name in TOP), *((one, name) for one, model in _SECTIONS.items() for name in model.model_fields)],
)
def test_each_example_is_read_in_a_whole_mapping(section: str, name: str) -> None:
    mapping = parse_mapping(mapping_with(section, name), "example")
    read = getattr(mapping if section == "" else getattr(mapping, section), name)
    default = {"name": "example"}.get(name) if section == "" else _SECTIONS[section].model_fields[name].default
    assert read not in (None, (), {}, default), "the example says what holds anyhow"


if __name__ == "__main__":
    PAGE.write_text(rendered(), "utf-8")
