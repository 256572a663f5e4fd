"""Rare spellings of times, put into the common one: basic ISO 8601, 24:00, and fractions that are there or not."""

import re

import pyarrow as pa
import pyarrow.compute as pc

_BASIC = (
    r"^(\d{4})(\d{2})(\d{2})(?:[T ](\d{2}):?(\d{2})(?::?(\d{2})([.,]\d+)?)?)?"
    r"( ?(?:Z|z|[+-]\d{2}(?::?\d{2})?)| ?\[?[A-Za-z][A-Za-z0-9_+/:-]+\]?)?$"
)
_DAY_AND_MIDNIGHT = r"^(?P<day>\d{4}-\d{2}-\d{2})[T ]24:00(?::00(?:[.,]0+)?)?(?P<zone>[^\d:.,].*)?$"
_MIDNIGHT = r"(^|[^\d:.])24:00(:00(?:[.,]0+)?)?($|[^\d:.])"
_BELOW_MICROSECONDS = r"(\d[.,]\d{6})\d{1,6}($|[^\d])"
_NO_TEXT = pa.nulls(1, pa.string())[0]  # pa.scalar would import pandas


def extended_iso(text: pa.Array) -> pa.Array:
    """Write basic ISO 8601 (20260301T100000Z) with its signs, and a fraction with a point; all other texts stay.

    The time alone may be basic (2026-03-01T100000), and the T small.
    """
    text = pc.replace_substring_regex(text, r"(\d),(\d)", r"\1.\2")
    text = pc.replace_substring_regex(text, r"^(\d{4}-?\d{2}-?\d{2})t(\d)", r"\1T\2")
    text = pc.replace_substring_regex(text, r"^(\d{4}-?\d{2}-?\d{2}T[\d:.]+)z$", r"\1Z")
    text = pc.replace_substring_regex(text, r"^(\d{4})-(\d{2})-(\d{2})([T ]\d{4}(?:\d{2})?(?:[^\d:]|$))", r"\1\2\3\4")
    date_only = pc.match_substring_regex(text, r"^\d{8}$")
    without_time = pc.replace_substring_regex(text, r"^(\d{4})(\d{2})(\d{2})$", r"\1-\2-\3")
    found = pc.match_substring_regex(text, _BASIC)
    with_seconds = pc.replace_substring_regex(text, _BASIC, r"\1-\2-\3T\4:\5:\6\7\8")
    # Without seconds a colon is left over.
    whole = pc.replace_substring_regex(with_seconds, r"T(\d{2}):(\d{2}):($|[^\d])", r"T\1:\2\3")
    return pc.if_else(date_only, without_time, pc.if_else(found, whole, text))


def with_next_day(text: pa.Array) -> pa.Array:
    """Write the midnight that ends a day (2026-03-01T24:00:00) as the one that begins the next; all others stay."""
    found = pc.extract_regex(text, _DAY_AND_MIDNIGHT)
    if found.null_count == len(found):
        return text
    import pandas as pd

    days = pd.to_datetime(found.field("day").to_pandas(), format="%Y-%m-%d", errors="coerce") + pd.Timedelta(days=1)
    written = pa.Array.from_pandas(days.dt.strftime("%Y-%m-%dT00:00:00"), type=pa.string())
    moved = pc.binary_join_element_wise(written, pc.fill_null(found.field("zone"), ""), "")
    return pc.if_else(pc.is_valid(found), moved, text)


def midnight_of_next_day(text: pa.Array) -> pa.Array:
    """Write 24:00 as 00:00, whose day is one too early then; null where there is no 24:00."""
    late = pc.if_else(pc.match_substring_regex(text, _MIDNIGHT), text, _NO_TEXT)
    return pc.replace_substring_regex(late, _MIDNIGHT, r"\100:00\2\3")


def in_microseconds(text: pa.Array) -> pa.Array:
    """Cut fractions of seconds after their sixth digit."""
    if not pc.any(pc.match_substring_regex(text, _BELOW_MICROSECONDS)).as_py():
        return text
    return pc.replace_substring_regex(text, _BELOW_MICROSECONDS, r"\1\2")


def other_fractions(pattern: str) -> tuple[str, ...]:
    """Return the strptime pattern with a fraction of seconds if it has none, or without if it has one."""
    if "%f" not in pattern:
        return (pattern.replace("%S", "%S.%f"),) if "%S" in pattern else ()
    bare = re.sub(r"[.,]%f", "", pattern)
    return (bare,) if bare != pattern else ()
