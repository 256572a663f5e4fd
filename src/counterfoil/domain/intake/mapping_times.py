"""How a mapping says that times are written."""

import re
from datetime import UTC, datetime
from itertools import product
from zoneinfo import ZoneInfo

from pydantic import field_validator

from counterfoil.domain.intake.mapping_part import Part

UNIT_NANOSECONDS = {
    "nanoseconds": 1,
    "microseconds": 10**3,
    "milliseconds": 10**6,
    "seconds": 10**9,
    "minutes": 60 * 10**9,
    "hours": 3_600 * 10**9,
    "days": 86_400 * 10**9,
}

COUNTED = {f"{zero}_{unit}": size for zero, (unit, size) in product(("epoch", "relative"), UNIT_NANOSECONDS.items())}
"""Formats of times that count from 1970, or from time.epoch -> the nanoseconds of what they count."""

EXCEL = "excel_serial"
"""Days since 30 December 1899 by the clocks of time.zone, as spreadsheets keep times."""

NAMED_TIME_FORMATS = ("iso8601", *COUNTED, EXCEL, "native")

EARLIEST = datetime(1971, 1, 1, tzinfo=UTC)
"""1970 is where a zero or an empty epoch lands, so it is taken for a mistake unless a mapping says otherwise."""

LATEST = datetime(2200, 1, 1, tzinfo=UTC)

_FIRST_YEAR = 1900


class TimeFormat(Part):
    """How event and label times are written.

    `format` is one of NAMED_TIME_FORMATS or a strptime pattern, or several of them: a time is read by the first that
    fits. `zone` (IANA name) holds for times without an offset of their own; `epoch` is the zero of `relative_...`.
    Times before `earliest`, or from `latest` on, are taken for mistakes.
    """

    format: str | tuple[str, ...] = "iso8601"
    zone: str = "UTC"
    epoch: datetime | None = None
    earliest: datetime = EARLIEST
    latest: datetime = LATEST

    @property
    def formats(self) -> tuple[str, ...]:
        """The formats in the order in which they are tried."""
        return (self.format,) if isinstance(self.format, str) else self.format

    @property
    def is_relative(self) -> bool:
        """Whether times count from `epoch`."""
        return any(name.startswith("relative_") for name in self.formats)

    @field_validator("format")
    @classmethod
    def _readable_format(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        several = (value,) if isinstance(value, str) else value
        if not several or len(set(several)) < len(several):
            raise ValueError("names no format, or one twice")
        for each in several:
            _require_format(each)
        return several[0] if len(several) == 1 else several

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (LookupError, ValueError, OSError):
            raise ValueError(f"{value!r} is no IANA time zone (such as 'Europe/Berlin' or 'UTC')") from None
        return value

    @field_validator("earliest", "latest")
    @classmethod
    def _on_the_calendar(cls, value: datetime) -> datetime:
        if value.tzinfo is None:
            raise ValueError("has no offset from UTC (write '2013-09-01T00:00:00Z')")
        if not _FIRST_YEAR <= value.year <= LATEST.year:
            raise ValueError(f"is not between {_FIRST_YEAR} and {LATEST.year}")
        return value.astimezone(UTC)

    @field_validator("epoch")
    @classmethod
    def _in_utc(cls, value: datetime | None) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError("has no offset from UTC (write '2013-09-01T00:00:00Z')")
        return None if value is None else value.astimezone(UTC)


def _require_format(name: str) -> None:
    if name in NAMED_TIME_FORMATS:
        return
    if "%" not in name:
        raise ValueError(f"{name!r} is neither a strptime pattern nor one of {', '.join(NAMED_TIME_FORMATS)}")
    problem = _pattern_problem(name)
    if problem:
        raise ValueError(f"{name!r} is no strptime pattern: {problem}")


def _pattern_problem(pattern: str) -> str | None:
    try:
        datetime.strptime("", pattern)
    except ValueError as error:
        if "does not match" not in str(error):
            return str(error)
    if not re.search(r"%[Yy]", pattern):
        return "it has no year (%Y)"
    return None
