"""Time zones by the names behind times: IANA names, offsets from UTC, abbreviations that mean one zone."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

_HOURS = {
    "UTC": 0, "UT": 0, "GMT": 0, "Z": 0, "ZULU": 0, "WET": 0, "WEST": 1, "CET": 1, "CEST": 2, "MET": 1, "MEST": 2,
    "MEZ": 1, "MESZ": 2, "EET": 2, "EEST": 3, "MSK": 3,
    "WAT": 1, "CAT": 2, "SAST": 2, "EAT": 3, "PKT": 5, "NPT": 5.75, "WIB": 7, "WITA": 8,
    "WIT": 9, "HKT": 8, "SGT": 8, "PHT": 8, "JST": 9, "KST": 9, "AWST": 8, "ACST": 9.5, "ACDT": 10.5, "AEST": 10,
    "AEDT": 11, "NZST": 12, "NZDT": 13, "NST": -3.5, "NDT": -2.5, "EST": -5, "EDT": -4, "MST": -7, "MDT": -6, "PDT": -7,
    "AKST": -9, "AKDT": -8, "HST": -10, "HDT": -9, "BRT": -3, "ART": -3, "CLT": -4, "CLST": -3, "COT": -5, "PET": -5,
}  # fmt: skip
"""Abbreviation -> hours east of UTC. Those that stand for several zones (CST, IST, BST, PST) are not here."""

_MOVED = {"MSK": "Europe/Moscow"}
"""Abbreviation -> the zone that has moved it: an hour further east from 2011 to 2014."""

_OFFSET = re.compile(r"(?:UTC|GMT)?([+-])(\d{1,2})(?::?([0-5]\d))?", re.IGNORECASE)
_MOST_HOURS = 18
_SHOWABLE = re.compile(r"[A-Z]{2,5}|[A-Z][A-Za-z]{2,12}(/[A-Z][A-Za-z_]{1,20}){1,2}")


def zone_named(name: str, zone: str, years: Sequence[int]) -> str | timedelta | None:
    """Return what a name behind times of these years stands for: an IANA zone, an offset east of UTC, or nothing.

    An abbreviation that the mapping's own `zone` uses is that zone's; else it must mean one zone in the world.
    """
    for place in (zone, _MOVED.get(name.upper())):
        own = _own_offsets(name.upper(), place, years) if place is not None else frozenset()
        if own:
            return min(own) if len(own) == 1 else place
    offset = _fixed_offset(name)
    return offset if offset is not None else _iana_names().get(name.lower())


def _fixed_offset(name: str) -> timedelta | None:
    hours = _HOURS.get(name.upper())
    if hours is not None:
        return timedelta(hours=hours)
    found = _OFFSET.fullmatch(name)
    if found is None or int(found[2]) > _MOST_HOURS:
        return None
    offset = timedelta(hours=int(found[2]), minutes=int(found[3] or 0))
    return -offset if found[1] == "-" else offset


def _own_offsets(name: str, zone: str, years: Sequence[int]) -> frozenset[timedelta]:
    """The offsets from UTC of an abbreviation in a zone that uses it itself in these years; else none."""
    return frozenset(offset for year in years for one, offset in _own_abbreviations(zone, year) if one == name)


@cache
def _own_abbreviations(zone: str, year: int) -> frozenset[tuple[str, timedelta]]:
    """The abbreviations that a zone itself uses in a year, with their offsets from UTC; one may have had two."""
    moments = [datetime(year, month, 1, 12, tzinfo=ZoneInfo(zone)) for month in range(1, 13)]
    named = [(moment.tzname(), moment.utcoffset()) for moment in moments]
    return frozenset((name.upper(), offset) for name, offset in named if name and name.isalpha() and offset is not None)


def shown(name: str) -> str:
    """Return a name for a message if it looks like a zone's; anything else may be a piece of somebody's text."""
    return repr(name) if _SHOWABLE.fullmatch(name) else "that is not shown"


@cache
def _iana_names() -> dict[str, str]:
    return {name.lower(): name for name in available_timezones() - {"Factory", "localtime", "posixrules"}}
