"""Take a zone's name out of times that are written by a strptime pattern or by ISO 8601."""

import re
from functools import cache
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

_NUMBER, _WORD = r"\d{1,2}", r"[^\d\s]+"
_DIRECTIVES = {
    "Y": r"\d{4}", "G": r"\d{4}", "j": r"\d{1,3}", "f": r"\d{1,9}", "p": r"[A-Za-z.]+", "%": "%",
    "z": r"(?:[Zz]|[+-]\d{2}:?\d{2}(?::?\d{2})?)", "a": _WORD, "A": _WORD, "b": _WORD, "B": _WORD,
}  # fmt: skip
_PIECE = re.compile(r"%(.)|\s+|[^%\s]+")
_ZONE = r"(?P<zone>[A-Za-z][A-Za-z0-9_+/:-]*|[+-]\d{2}:?\d{2})"
_ISO_WITH_ZONE = (
    r"^(?P<time>\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?: ?(?:Z|z|[+-]\d{2}(?::?\d{2})?))?)"
    r"(?: ?\[|\s*)(?P<zone>[A-Za-z][A-Za-z0-9_+/:-]+)\]?$"
)
_HALVES_OF_DAYS = "(?i)^[ap]m$"


class NamedTimes(NamedTuple):
    """The texts of times without their zones, and the zones' names; both null where the text is no such time.

    The name alone is null where a time names none.
    """

    times: pa.Array
    zones: pa.Array


def has_zone_name(pattern: str) -> bool:
    """Whether a strptime pattern has a zone's name in it (%Z)."""
    return any(piece[1] == "Z" for piece in _PIECE.finditer(pattern))


@cache
def without_zone_name(pattern: str) -> str:
    """Return a strptime pattern without its %Z."""
    before, after = _around_zone(pattern)
    return (before + after).strip()


def split_by_pattern(text: pa.Array, pattern: str) -> NamedTimes:
    """Take the zones' names out of texts that are written by a pattern with %Z; a text may lack its zone."""
    before, after = map(_regex, _around_zone(pattern))
    found = pc.extract_regex(text, rf"^(?P<before>{before})\s*(?:{_ZONE})?(?P<after>{after})$")
    times = pc.binary_join_element_wise(found.field("before"), found.field("after"), "")
    times = pc.utf8_trim_whitespace(times)
    return NamedTimes(pc.if_else(pc.is_valid(found), times, None), _or_null(found))


def split_iso(text: pa.Array) -> NamedTimes:
    """Take the zones' names off the ends of ISO times: `10:00:00 UTC`, `10:00:00+02:00[Europe/Berlin]`."""
    found = pc.extract_regex(text, _ISO_WITH_ZONE)
    is_half = pc.fill_null(pc.match_substring_regex(found.field("zone"), _HALVES_OF_DAYS), False)
    keep = pc.and_not(pc.is_valid(found), is_half)
    return NamedTimes(pc.if_else(keep, found.field("time"), None), pc.if_else(keep, _or_null(found), None))


def _or_null(found: pa.Array) -> pa.Array:
    zones = found.field("zone")
    return pc.if_else(pc.and_(pc.is_valid(found), pc.not_equal(zones, "")), zones, pa.scalar(None, pa.string()))


def _around_zone(pattern: str) -> tuple[str, str]:
    place = next(piece.start() for piece in _PIECE.finditer(pattern) if piece[1] == "Z")
    return pattern[:place].rstrip(), pattern[place + 2 :]


def _regex(pattern: str) -> str:
    parts = []
    for piece in _PIECE.finditer(pattern):
        if piece[1] is not None:
            parts.append(_DIRECTIVES.get(piece[1], _NUMBER))
        else:
            parts.append(r"\s+" if piece[0].isspace() else re.escape(piece[0]))
    return "".join(parts)
