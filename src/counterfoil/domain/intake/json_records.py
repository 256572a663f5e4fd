"""One JSON object as a record of texts: numbers exactly as they are written, nested values by dotted names."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any

from counterfoil.domain.intake.parsing_ids import NO_ID, TRUTH_VALUE
from counterfoil.domain.intake.raw import BadRecordError

MOST_DEPTH = 64
"""Objects and lists in one another."""

# One pass over the text, whatever is in it. An escape stands in strings only.
_SIGN = re.compile(r'\\.|["\[\]{}]', re.DOTALL)

Json = dict[str, Any]


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


def require_no_truth_value(record: Json, columns: Iterable[str]) -> None:
    """Raise BadRecordError (`id_truth_value`) if one of these columns has true or false in it, and no text."""
    for column in columns:
        if isinstance(_value(record, column), bool):
            raise BadRecordError(TRUTH_VALUE, f"column {column!r} holds {NO_ID}")


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
