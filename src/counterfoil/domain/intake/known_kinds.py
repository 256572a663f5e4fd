"""Tell by a file's first characters or column names which of the shipped mappings reads it."""

import re
from collections.abc import Iterable, Mapping

from counterfoil.domain.intake.iso20022_messages import OTHERS

_ELEMENT = re.compile(r"<(?:\w+:)?(\w+)[\s>/]")
_MAPPINGS = {"pain.001": "iso20022-pain001", "pacs.008": "iso20022-pacs008", "pacs.009": "iso20022-pacs009"} | {
    name: f"iso20022-{name.replace('.', '')}" for name in ("pacs.004", "pain.008", "camt.052", "camt.053", "camt.054")
}
_SWIFT = {"mt942": r"^:34F:", "mt940": r"^:(60[FM]|61):", "mt103": r"^:32A:"}
"""Mapping -> a field that its messages have and those after it do not."""
_SWIFT_BEGINS = re.compile(r"[\x01$]?(\{1:F01|:20:)")
_NACHA_BEGINS = re.compile(r"101[ \d].{30}094101")
_ELEMENT_NUMBER = re.compile(r"(?:.*\.)?(?:de|df|f|field_?)?0{0,2}(\d{1,3})", re.IGNORECASE)
_OF_CARDS = {"2", "3", "4", "7", "11", "49"}
"""Data elements of ISO 8583 that nearly all card messages have."""


def mapping_of_text(start: str) -> str | None:
    """Return the shipped mapping for a file of one of the field's standards that begins so; None for any other."""
    if _SWIFT_BEGINS.match(start):
        return next((name for name, sign in _SWIFT.items() if re.search(sign, start, re.MULTILINE)), None)
    if _NACHA_BEGINS.match(start):
        return "nacha"
    messages = (OTHERS.get(element) for element in _ELEMENT.findall(start)) if start.startswith("<") else iter(())
    return next((_MAPPINGS[name] for name in messages if name in _MAPPINGS), None)


def mapping_of_columns(columns: Iterable[str], shipped: Mapping[str, Iterable[str]]) -> str | None:
    """Return the shipped mapping that reads most of these columns and lacks none of its own, by its columns; or None.

    A record whose columns are numbers of data elements is a card message.
    """
    named = set(columns)
    numbers = {found[1] for name in named if (found := _ELEMENT_NUMBER.fullmatch(name))}
    if numbers >= _OF_CARDS:
        return "iso8583-json"
    fitting = [(len(set(wanted)), name) for name, wanted in shipped.items() if set(wanted) <= named]
    return max(fitting)[1] if fitting else None
