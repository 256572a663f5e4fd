"""One JSON object as a record of texts: numbers exactly as they are written, nested values by dotted names."""

import json
import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import msgspec

from counterfoil.domain.intake.raw import BadRecordError

MOST_DEPTH = 64
"""Objects and lists in one another."""

# One pass over the text, whatever is in it. An escape stands in strings only.
_SIGN = re.compile(r'\\.|["\[\]{}]', re.DOTALL)

Json = dict[str, Any]

_QUICK = msgspec.json.Decoder(float_hook=str)
"""Takes a part of what `_DECODER` takes. It gives integers as numbers, and of a key told twice the last value."""
_MINUS_ZERO = re.compile(r"-0(?![\d.eE])")
_END_OF_KEY = re.compile(r'"\s*:')
_BLANK_AFTER_QUOTE = ('" ', '"\n', '"\r', '"\t')


class _DoubledKeyError(Exception):
    pass


def parse_record(text: str) -> Json:
    """Return the object in a text; every number in it is the text it was written as.

    Raises BadRecordError: `json_too_deep`, `json_broken`, `json_not_object`, `json_key_doubled`.
    """
    if text.count("[") + text.count("{") > MOST_DEPTH and _depth(text) > MOST_DEPTH:
        raise BadRecordError("json_too_deep", f"values are more than {MOST_DEPTH} deep in one another")
    try:
        record = _DECODER.decode(text)
    except _DoubledKeyError:
        raise BadRecordError("json_key_doubled", "an object has the same key twice") from None
    except json.JSONDecodeError as error:
        raise BadRecordError("json_broken", f"this is no JSON from character {error.pos + 1} on") from None
    if not isinstance(record, dict):
        raise BadRecordError("json_not_object", "this is JSON, but no object")
    return record


def parse_lines(data: bytes) -> list[Json] | None:
    """Return the objects in lines of UTF-8, one in each, as `parse_record` does, but much quicker.

    None if a line is anything else, blank say, or odd enough for `parse_record` to have a closer look at.
    """
    lines = data.split(b"\n")
    if not lines[-1]:
        lines.pop()
    try:
        text = data.decode()
        records = [_QUICK.decode(line) for line in lines]
        keys = sum(_keys_with_texts(record, 1) for record in records if type(record) is dict)
    except (ValueError, RecursionError):
        return None
    if "-0" in text and _MINUS_ZERO.search(text) is not None:
        return None
    is_plain = all(type(record) is dict for record in records) and keys == _ends_of_keys(text)
    return records if is_plain else None


def _ends_of_keys(text: str) -> int:
    """How many keys a JSON text has, each time that one stands there; too many if strings hold quotes and colons."""
    if any(signs in text for signs in _BLANK_AFTER_QUOTE):
        return len(_END_OF_KEY.findall(text))
    return text.count('":')


def _keys_with_texts(value: Any, depth: int) -> int:
    """Make each integer in an object or list the text it was written as; return how many keys there are in all.

    Raises RecursionError if values are too deep in one another.
    """
    if depth > MOST_DEPTH:
        raise RecursionError
    is_object = type(value) is dict
    keys = len(value) if is_object else 0
    for place, inner in value.items() if is_object else enumerate(value):
        kind = type(inner)
        if kind is int:
            value[place] = str(inner)
        elif kind is dict or kind is list:
            keys += _keys_with_texts(inner, depth + 1)
    return keys


def cells(record: Json, columns: Sequence[str]) -> list[str | None]:
    """Return the texts in these columns; None where there is nothing or null.

    `a.b` is the key `b` of the object `a`, unless a key is called `a.b` itself. Raises BadRecordError:
    `json_nested_value`, `text_unreadable`.
    """
    texts = []
    for column in columns:
        value = record.get(column)
        if value is None and "." in column:
            value = _value(record, column)
        # Nearly all values are plain texts, or nothing.
        is_plain = value is None or (type(value) is str and value.isascii())
        texts.append(value if is_plain else _text(value, column))
    return texts


def names(record: Json, before: str = "") -> Iterator[str]:
    """Yield the columns of a record that hold a text, number, truth value or null."""
    for key, value in record.items():
        if isinstance(value, dict):
            yield from names(value, f"{before}{key}.")
        elif not isinstance(value, list):
            yield f"{before}{key}"


def _without_doubles(pairs: list[tuple[str, Any]]) -> Json:
    record = dict(pairs)
    if len(record) != len(pairs):
        raise _DoubledKeyError
    return record


_DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str, object_pairs_hook=_without_doubles)


def _depth(text: str) -> int:
    deepest = depth = 0
    in_string = False
    for sign in _SIGN.findall(text):
        if sign == '"':
            in_string = not in_string
        elif not in_string and len(sign) == 1:
            depth += (sign in "[{") - (sign in "]}")
            deepest = max(deepest, depth)
    return deepest


def _value(record: Json, column: str) -> Any:
    if column in record:
        return record[column]
    for first, rest in _splits(column):
        inner = record.get(first)
        if isinstance(inner, dict):
            found = _value(inner, rest)
            if found is not None:
                return found
    return None


@cache
def _splits(column: str) -> list[tuple[str, str]]:
    """What may be a key, and the column in its object, for each of the dots."""
    places = (place for place, sign in enumerate(column) if sign == ".")
    return [(column[:place], column[place + 1 :]) for place in places]


def _text(value: Any, column: str) -> str | None:
    if value is None or value is True or value is False:
        return None if value is None else str(value).lower()
    if not isinstance(value, str):
        raise BadRecordError("json_nested_value", f"column {column!r} holds an object or a list")
    require_whole_text(value, column)
    return value


def require_whole_text(value: str, column: str) -> None:
    """Raise BadRecordError if a text holds half of a character, which no table can keep."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise BadRecordError("text_unreadable", f"column {column!r} holds half of a character") from None
