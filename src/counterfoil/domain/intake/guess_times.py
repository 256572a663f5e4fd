"""Guess which columns of a file hold the time of a payment, and how it is written."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from counterfoil.domain.intake.mapping_times import EXCEL, TimeFormat
from counterfoil.domain.intake.parsing_times import parse_event_times

_PATTERNS = tuple(
    f"{date}{time}"
    for date in ("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%Y/%m/%d", "%d/%m/%y", "%d.%m.%y")
    for time in ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
)
_COUNTS = ("epoch_seconds", "epoch_milliseconds", "epoch_microseconds", "epoch_nanoseconds")
_PARTS = ("year", "month", "day")
_NAMED = re.compile(r"time|date|stamp|\bat$|\bts$|\bon$|datum|created|booked|fecha|jour|tag$")
_CLOCKS = re.compile(r"time|clock|uhrzeit|heure|hora")
_TIME_OF_DAY = r"(?i)^\d{1,2}:\d{2}(:\d{2})?( ?[ap]m)?$"
_CLOCK_PATTERNS = ("%H:%M", "%H:%M:%S", "%I:%M %p", "%I:%M:%S %p", "%I:%M%p")
_SPREADSHEET_DAYS = (36_526, 73_050)
"""The first day of 2000, and the last but one of 2099."""
_STEPS = {"step": "relative_hours", "time": "relative_seconds"}


@dataclass(frozen=True)
class TimeGuess:
    """The columns of a time, the lines of [time] that say how it is written, why, and what is not sure about it."""

    columns: tuple[str, ...]
    lines: tuple[str, ...]
    reason: str
    unsure: str = ""

    @property
    def written(self) -> str:
        """The format of [time]."""
        return self.lines[0].removeprefix('format = "').removesuffix('"')


def guess_time(columns: Mapping[str, pa.Array]) -> TimeGuess | None:
    """Return the best guess, or None where no column looks like a time."""
    return _in_parts(columns) or _with_clock(_in_one(columns), columns) or _in_steps(columns)


def _in_parts(columns: Mapping[str, pa.Array]) -> TimeGuess | None:
    """A year, a month, a day, and perhaps a time of day, each in a column of its own."""
    names = {name.strip().lower(): name for name in columns}
    if not all(part in names for part in _PARTS):
        return None
    parts = [names[part] for part in _PARTS] + [names[name] for name in ("time",) if name in names]
    joined = pc.binary_join_element_wise(*(columns[name] for name in parts), " ")
    for clock in (" %H:%M", " %H:%M:%S") if len(parts) > len(_PARTS) else ("",):
        pattern = f"%Y %m %d{clock}"
        if _reads(joined, pattern):
            why = f"together they read as {pattern!r}"
            return TimeGuess(tuple(parts), (f'format = "{pattern}"',), why, "which zone the clocks were in (time.zone)")
    return None


def _in_one(columns: Mapping[str, pa.Array]) -> TimeGuess | None:
    named = [name for name in columns if _NAMED.search(_words(name)) and "label" not in name.lower()]
    for name in [*named, *(other for other in columns if other not in named)]:
        formats = [written for written in ("iso8601", *_PATTERNS) if _reads(columns[name], written)]
        if not formats and name in named:
            formats = [written for written in _COUNTS if _reads(columns[name], written)]
            formats += [EXCEL] * (not formats and _are_days_of_a_spreadsheet(columns[name]))
        if formats:
            return TimeGuess(
                (name,),
                (f'format = "{formats[0]}"',),
                f"all values read as {formats[0]!r}",
                _doubt(formats, columns[name]),
            )
    return None


def _with_clock(found: TimeGuess | None, columns: Mapping[str, pa.Array]) -> TimeGuess | None:
    """The same with the time of day, if the column has a date only and another one has the clock."""
    if found is None or found.written not in ("iso8601", *_PATTERNS):
        return found
    if pc.any(pc.match_substring(columns[found.columns[0]], ":")).as_py():
        return found
    day = found.columns[0]
    written = "%Y-%m-%d" if found.written == "iso8601" else found.written
    named = [name for name in columns if name != day and _CLOCKS.search(_words(name))]
    for name in (one for one in named if pc.all(pc.match_substring_regex(columns[one], _TIME_OF_DAY)).as_py()):
        joined = pc.binary_join_element_wise(columns[day], columns[name], " ")
        for pattern in (f"{written} {clock}" for clock in _CLOCK_PATTERNS):
            if _reads(joined, pattern):
                why = f"together they read as {pattern!r}"
                return TimeGuess((day, name), (f'format = "{pattern}"',), why, found.unsure)
    return found


def _are_days_of_a_spreadsheet(values: pa.Array) -> bool:
    if not pc.all(pc.match_substring_regex(values.drop_null(), r"^\d{5}(\.\d+)?$")).as_py():
        return False
    days = pc.min_max(pc.cast(values.drop_null(), pa.float64())).as_py()
    return bool(_SPREADSHEET_DAYS[0] <= (days["min"] or 0) and (days["max"] or 0) < _SPREADSHEET_DAYS[1])


def _in_steps(columns: Mapping[str, pa.Array]) -> TimeGuess | None:
    """A count from a beginning that the file does not tell."""
    for name, values in columns.items():
        written = _STEPS.get(_words(name))
        whole = pc.match_substring_regex(values, r"^\d{1,9}(\.\d+)?$")
        if written is not None and pc.all(pc.fill_null(whole, False)).as_py():
            lines = (f'format = "{written}"', 'epoch = "2020-01-01T00:00:00Z"')
            return TimeGuess(
                (name,), lines, "small numbers that begin near zero: a count of time",
                "what one step is (relative_seconds, relative_minutes, relative_hours) and when the count begins",
            )  # fmt: skip
    return None


def _doubt(formats: Sequence[str], values: pa.Array) -> str:
    days_first = [written for written in formats if written.startswith(("%d/%m", "%m/%d"))]
    if len({written[:2] for written in days_first}) > 1:
        return "the first rows read as day/month and as month/day"
    told = pc.match_substring_regex(values, r"(Z|z|UTC|GMT|[+-]\d{2}:?\d{2})$")
    if formats[0] == "iso8601" and pc.all(pc.fill_null(told, False)).as_py():
        return ""
    return "" if formats[0] in _COUNTS else "which zone the clocks were in (time.zone)"


def _reads(values: pa.Array, written: str) -> bool:
    kept = values.drop_null()
    if not len(kept) or (written == "iso8601" and pc.all(pc.match_substring_regex(kept, r"^\d{1,8}$")).as_py()):
        return False
    found = parse_event_times(kept, "", TimeFormat(format=written))
    return bool(found.values.null_count == 0)


def _words(name: str) -> str:
    spaced = re.sub(r"([a-z])([A-Z])", r"\1 \2", name)
    return re.sub(r"[^a-z0-9]+", " ", spaced.lower()).strip()
