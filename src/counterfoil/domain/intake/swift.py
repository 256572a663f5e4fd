"""The fields of SWIFT's MT messages (block 4), and what several messages write alike: dates, amounts, accounts."""

import calendar
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from counterfoil.domain.intake.raw import BadRecordError

_AMOUNT = re.compile(r"\d{1,15}([,.]\d*)?")
_FIRST_YEAR = 80
"""SWIFT's rule: years from 80 on are of the 20th century."""
_LAST_DAY = 31


@dataclass
class SwiftField:
    """A field: its tag (`61`, `60F`), the number of its first line in the file, its lines, and its problem if any."""

    tag: str
    line: int
    lines: list[str] = field(default_factory=list)
    problem: BadRecordError | None = None


@dataclass(frozen=True)
class Message:
    """The beginning of a message: the blocks before its fields, as they stand, if it has any."""

    blocks: str = ""


def plain_amount(text: str) -> str | None:
    """Return an amount such as `12,5` or `1000,` with a point; None if it is none."""
    return text.replace(",", ".").rstrip(".") if _AMOUNT.fullmatch(text) else None


def date_of(text: str) -> date | None:
    """Return the date of six digits, YYMMDD.

    Banks that count 30 days a month write the value date 30 February: it is the month's last day. None if there is no
    such month or day at all.
    """
    year, month, day = int(text[:2]), int(text[2:4]), int(text[4:])
    return _of_month(year + (1900 if year >= _FIRST_YEAR else 2000), month, day)


def date_near(month_and_day: str, near: date) -> date | None:
    """Return the date of four digits, MMDD, in the year that brings it closest to `near`; None if there is none."""
    month, day = int(month_and_day[:2]), int(month_and_day[2:])
    found = (_of_month(near.year + years, month, day) for years in (0, -1, 1))
    return min((one for one in found if one is not None), key=lambda one: abs(one - near), default=None)


def _of_month(year: int, month: int, day: int) -> date | None:
    if not 1 <= month <= 12 or not 1 <= day <= _LAST_DAY:
        return None
    return date(year, month, min(day, calendar.monthrange(year, month)[1]))


def lines_of(fields: Sequence[SwiftField]) -> list[str]:
    """Return the lines of several fields, one after another."""
    return [line for one in fields for line in one.lines]
