"""Parse columns of times into UTC with microseconds.

Pandas is imported where it is used: most commands name a mapping and parse nothing.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from counterfoil.domain.arrays import Flags, mask_of
from counterfoil.domain.intake.mapping_times import COUNTED, EXCEL, TimeFormat
from counterfoil.domain.intake.parsing import Fault, Parsed, text_of, without
from counterfoil.domain.intake.time_counts import instants, serial_times
from counterfoil.domain.intake.time_patterns import has_zone_name, split_by_pattern, split_iso, without_zone_name
from counterfoil.domain.intake.time_spellings import (
    extended_iso,
    in_microseconds,
    midnight_of_next_day,
    other_fractions,
    with_next_day,
)
from counterfoil.domain.intake.zones import shown, zone_named
from counterfoil.domain.schemas import TIMESTAMP
from counterfoil.errors import MappingError

_NAIVE = pa.timestamp("us")
_NO_TEXT = pa.nulls(1, pa.string())[0]  # pa.scalar would import pandas
_LAST_DAYS = datetime(9999, 12, 30, tzinfo=UTC)
# Sanity check before pandas: it reads 'now' and 'today' as the present.
_ISO = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}([.,]\d+)?)?( ?(Z|z|[+-]\d{2}(:?\d{2})?))?)?$"
_OFFSET = r"[T ]\d{2}:?\d{2}.*(Z|z|[+-]\d{2}(:?\d{2})?)$"


@dataclass(frozen=True)
class _Times:
    """Parsed times, and which cells held anything at all."""

    values: pa.Array
    present: Flags
    unknown_zones: pa.Array | None = None
    """The names of zones that are not known; null where there is none."""
    skipped: pa.Array | None = None
    """Which times of day the clocks of their zone skip."""

    def skip_fault(self, reason: str, column: str, time: TimeFormat) -> Fault:
        """The rows whose time never was: clocks went forward over it."""
        rows = np.zeros(len(self.values), dtype=np.bool_) if self.skipped is None else mask_of(self.skipped)
        message = (
            f"column {column!r} holds a time in the hour that clocks skip in spring, so it never was: another zone's "
            f"clocks may have written it (time.zone is {time.zone!r})"
        )
        return Fault(reason, message, rows)

    def zone_fault(self, reason: str, column: str) -> Fault:
        """The rows whose time is right but for the name of its zone."""
        if self.unknown_zones is None:
            return Fault(reason, "", np.zeros(len(self.values), dtype=np.bool_))
        names = self.unknown_zones.dictionary_encode()
        messages = pa.array([_zone_message(name, column) for name in names.dictionary.to_pylist()], pa.string())
        return Fault(reason, messages.take(names.indices), mask_of(pc.is_valid(self.unknown_zones)))


def parse_event_times(values: pa.Array, column: str, time: TimeFormat) -> Parsed:
    """Times in UTC that must be there and lie in the range that the mapping finds plausible.

    Raises MappingError if the column's type cannot hold times of this format.
    """
    times = _parse(values, column, time)
    missing = ~times.present
    unknown_zone = times.zone_fault("time_zone_unknown", column)
    unreadable = times.present & mask_of(pc.is_null(times.values))
    return without(
        times.values,
        Fault("time_missing", f"column {column!r} is empty", missing),
        unknown_zone,
        times.skip_fault("time_skipped", column, time),
        Fault("time_unreadable", f"column {column!r} is no time in format {_shown(time)}", unreadable),
        Fault("time_out_of_range", f"column {column!r} is not {_range(time)}", _outside(times.values, time)),
    )


def parse_label_times(values: pa.Array, column: str, time: TimeFormat, null_values: Collection[str] = ("",)) -> Parsed:
    """Times in UTC; null where a cell is empty or one of `null_values`, or holds the end of all calendars (9999-12-31).

    Raises MappingError if the column's type cannot hold times of this format.
    """
    times = _parse(values, column, time)
    is_open = _after_all_calendars(times.values) | _declared_null(values, times.values, column, time, null_values)
    unreadable = times.present & mask_of(pc.is_null(times.values))
    message = f"column {column!r} is no time in format {_shown(time)} {_range(time)}"
    skip = times.skip_fault("label_time_skipped", column, time)
    zone = times.zone_fault("label_time_zone_unknown", column)
    wrong = (unreadable | _outside(times.values, time)) & ~is_open
    return without(
        pc.if_else(pa.array(is_open), pa.scalar(None, TIMESTAMP), times.values),
        *(Fault(known.reason, known.message, known.rows & ~is_open) for known in (zone, skip) if known.rows.any()),
        Fault("label_time_unreadable", message, wrong),
    )


def _after_all_calendars(times: pa.Array) -> Flags:
    """9999-12-31 in any zone, and what databases write for infinity."""
    return mask_of(pc.greater_equal(times, pa.scalar(_LAST_DAYS, TIMESTAMP)))


def _declared_null(values: pa.Array, times: pa.Array, column: str, time: TimeFormat, nulls: Collection[str]) -> Flags:
    """The cells that the mapping declares as nothing, as text or as the time that such a text means."""
    if not (pa.types.is_timestamp(values.type) or pa.types.is_date(values.type)):
        return mask_of(pc.is_in(text_of(values, column), pa.array(list(nulls), pa.string())))
    zone = "UTC" if pa.types.is_timestamp(values.type) and values.type.tz is not None else time.zone
    texts = pa.array(list(nulls), pa.string())
    declared = _from_plain_iso(
        texts.filter(pc.match_substring_regex(texts, _ISO)), time.model_copy(update={"zone": zone})
    )
    return mask_of(pc.is_in(times, value_set=declared.times.drop_null()))


def _parse(values: pa.Array, column: str, time: TimeFormat) -> _Times:
    if pa.types.is_timestamp(values.type) or pa.types.is_date(values.type):
        return _from_native(values, time)
    formats = [name for name in time.formats if name != "native"]
    if not formats:
        raise MappingError(f"column {column!r} holds {values.type}, so time.format 'native' does not fit it")
    if len(formats) > 1:
        values = text_of(values, column)
    times = _by_format(values, column, formats[0], time)
    for name in formats[1:]:
        fits = pc.and_(pc.is_valid(times.values), pa.array(~_outside(times.values, time)))
        if pc.all(fits).as_py():
            break
        times = _first_of(times, fits, _by_format(pc.if_else(fits, _NO_TEXT, values), column, name, time))
    return times


def _by_format(values: pa.Array, column: str, name: str, time: TimeFormat) -> _Times:
    if name in COUNTED:
        return _Times(*instants(values, column, name, time.epoch))
    if name == EXCEL:
        naive, present = serial_times(values, column)
        zoned = _wall_clock(naive, time, time.zone)
    else:
        text = text_of(values, column)
        zoned = _from_iso(text, time) if name == "iso8601" else _from_pattern(text, name, time)
        present = mask_of(pc.is_valid(text))
    return _Times(zoned.times, present, zoned.unknown, zoned.skipped)


def _first_of(first: _Times, fits: pa.Array, second: _Times) -> _Times:
    """The times of the first format where it `fits`, else of the second; what is wrong, only if no format reads it."""
    values = pc.if_else(fits, first.values, pc.coalesce(second.values, first.values))
    wrong = pc.is_null(values)
    unknown = _either(first.unknown_zones, second.unknown_zones)
    skipped = _either(first.skipped, second.skipped)
    return _Times(
        values,
        first.present | second.present,
        None if unknown is None else pc.if_else(wrong, unknown, _NO_TEXT),
        None if skipped is None else pc.and_(wrong, skipped),
    )


def _either(first: pa.Array | None, second: pa.Array | None) -> pa.Array | None:
    if first is None or second is None:
        return second if first is None else first
    return pc.or_kleene(first, second) if pa.types.is_boolean(first.type) else pc.coalesce(first, second)


def _from_native(values: pa.Array, time: TimeFormat) -> _Times:
    present = mask_of(pc.is_valid(values))
    stamps = values
    if pa.types.is_date(values.type):
        stamps = pc.cast(values, pa.timestamp("ms"))
    if stamps.type.tz is not None:
        return _Times(_to_micros(stamps, stamps.type.tz), present)
    zoned = _wall_clock(_to_micros(stamps, None), time, time.zone)
    return _Times(zoned.times, present, skipped=zoned.skipped)


def _to_micros(stamps: pa.Array, zone: str | None) -> pa.Array:
    """Nanoseconds are cut off; a time that microseconds cannot hold becomes null."""
    if stamps.type.unit in ("s", "ms"):
        ticks = pc.cast(stamps, pa.int64())
        most = 2**62 // (10**6 if stamps.type.unit == "s" else 1_000)
        fits = pc.and_(pc.greater(ticks, -most), pc.less(ticks, most))
        stamps = pc.if_else(fits, stamps, pa.scalar(None, stamps.type))
    micros = pc.cast(stamps, pa.timestamp("us", zone), safe=False)
    return pc.cast(micros, TIMESTAMP) if zone is not None else micros


class _Zoned(NamedTuple):
    """Times in UTC, the names of zones that are not known, and which times clocks skip; None where there are none."""

    times: pa.Array
    unknown: pa.Array | None = None
    skipped: pa.Array | None = None

    def or_else(self, text: pa.Array, read: Callable[[pa.Array], "_Zoned"]) -> "_Zoned":
        """Read the texts that could not be read, but for what is known to be wrong with them, in another way."""
        left = pc.and_not(pc.is_valid(text), pc.is_valid(self.times))
        for known in (None if self.unknown is None else pc.is_valid(self.unknown), self.skipped):
            left = left if known is None else pc.and_not(left, pc.fill_null(known, False))
        if not pc.any(left).as_py():
            return self
        more = read(pc.if_else(left, text, _NO_TEXT))
        return _Zoned(
            pc.coalesce(self.times, more.times),
            _either(self.unknown, more.unknown),
            _either(self.skipped, more.skipped),
        )


def _from_iso(text: pa.Array, time: TimeFormat) -> _Zoned:
    try:
        return _Zoned(pc.cast(text, TIMESTAMP))  # the common case, ten times as fast: every row has an offset
    except pa.ArrowInvalid:
        pass
    zoned = _from_extended_iso(text, time)
    return zoned.or_else(text, lambda left: _from_extended_iso(with_next_day(extended_iso(left)), time))


def _from_extended_iso(text: pa.Array, time: TimeFormat) -> _Zoned:
    plain = pc.if_else(pc.match_substring_regex(text, _ISO), text, _NO_TEXT)
    zoned = _from_plain_iso(plain, time)
    if plain.null_count == text.null_count:
        return zoned
    return zoned.or_else(pc.if_else(pc.is_valid(plain), _NO_TEXT, text), lambda left: _from_named_iso(left, time))


def _from_plain_iso(text: pa.Array, time: TimeFormat) -> _Zoned:
    has_offset = pc.fill_null(pc.match_substring_regex(text, _OFFSET), False)
    exact = _with_pandas(pc.if_else(has_offset, text, _NO_TEXT), "ISO8601", utc=True)
    naive = _with_pandas(pc.if_else(has_offset, _NO_TEXT, text), "ISO8601", utc=False)
    local = _wall_clock(naive, time, time.zone)
    return _Zoned(pc.coalesce(exact, local.times), skipped=local.skipped)


def _from_named_iso(text: pa.Array, time: TimeFormat) -> _Zoned:
    named = split_iso(text)
    has_offset = pc.fill_null(pc.match_substring_regex(named.times, _OFFSET), False)
    exact = _from_plain_iso(pc.if_else(has_offset, named.times, _NO_TEXT), time)
    naive = _with_pandas(pc.if_else(has_offset, _NO_TEXT, named.times), "ISO8601", utc=False)
    zoned = _in_named_zones(naive, named.zones, time)
    return _Zoned(pc.coalesce(exact.times, zoned.times), zoned.unknown, zoned.skipped)


def _from_pattern(text: pa.Array, pattern: str, time: TimeFormat) -> _Zoned:
    digits = pc.match_substring_regex(text, r"\d")
    zoned = _by_pattern(pc.if_else(digits, text, _NO_TEXT), pattern, time)
    for other in other_fractions(pattern):
        zoned = zoned.or_else(text, partial(_by_pattern, pattern=other, time=time))
    for each in (pattern, *other_fractions(pattern)):
        zoned = zoned.or_else(text, partial(_of_next_day, pattern=each, time=time))
    return zoned


def _of_next_day(text: pa.Array, pattern: str, time: TimeFormat) -> _Zoned:
    """Times at 24:00, which is midnight of the day after."""
    return _by_pattern(midnight_of_next_day(text), pattern, time, timedelta(days=1))


def _by_pattern(text: pa.Array, pattern: str, time: TimeFormat, later: timedelta = timedelta(0)) -> _Zoned:
    zones = None
    if has_zone_name(pattern):
        text, zones = split_by_pattern(text, pattern)
        pattern = without_zone_name(pattern)
    exact = "%z" in pattern
    times = _with_pandas(text, pattern, utc=exact)
    if later:
        times = pc.add(times, pa.scalar(later, pa.duration("us")))
    if exact:
        return _Zoned(times)
    return _wall_clock(times, time, time.zone) if zones is None else _in_named_zones(times, zones, time)


def _in_named_zones(naive: pa.Array, names: pa.Array, time: TimeFormat) -> _Zoned:
    """Take wall-clock times to UTC, each from the zone that it names, or from the mapping's."""
    encoded = pc.fill_null(names, "").dictionary_encode()
    years = [year for year in pc.unique(pc.year(naive)).to_pylist() if year is not None]
    zones = [zone_named(name, time.zone, years) if name else time.zone for name in encoded.dictionary.to_pylist()]
    kinds = list(dict.fromkeys(zones))
    each = pa.array([kinds.index(zone) for zone in zones], pa.int32()).take(encoded.indices)
    times = pa.nulls(len(naive), TIMESTAMP)
    unknown = pa.array(np.zeros(len(naive), dtype=np.bool_))
    for kind, zone in enumerate(kinds):
        there = pc.if_else(pc.equal(each, kind), naive, pa.scalar(None, _NAIVE))
        if zone is None:
            unknown = pc.is_valid(there)
        else:
            times = pc.coalesce(times, _localised(there, time, zone))
    skipped = pc.and_not(pc.and_not(pc.is_valid(naive), pc.is_valid(times)), unknown)
    return _Zoned(times, pc.if_else(unknown, names, _NO_TEXT), skipped)


def _wall_clock(naive: pa.Array, time: TimeFormat, zone: str) -> _Zoned:
    times = _localised(naive, time, zone)
    return _Zoned(times, skipped=pc.and_not(pc.is_valid(naive), pc.is_valid(times)) if zone != "UTC" else None)


def _with_pandas(text: pa.Array, pattern: str, *, utc: bool) -> pa.Array:
    import pandas as pd

    # One cell with nanoseconds would make all of them nanoseconds, which end in 2262.
    stamps = pd.to_datetime(in_microseconds(text).to_pandas(), format=pattern, errors="coerce", utc=utc)
    return pa.Array.from_pandas(stamps, type=TIMESTAMP if utc else _NAIVE, safe=False)


def _localised(naive: pa.Array, time: TimeFormat, zone: str | timedelta) -> pa.Array:
    """Take wall-clock times of a zone, by its IANA name or its offset east of UTC, to UTC.

    The hour that happens twice in autumn is read as its first pass; the one that is skipped in spring does
    not exist, so it becomes null. Where it is the first of a day, midnight is the moment at which the day begins: a
    date without a time of day is read as midnight.
    """
    as_utc = pc.cast(naive, TIMESTAMP)
    if isinstance(zone, timedelta):
        return pc.subtract(as_utc, pa.scalar(zone, pa.duration("us")))
    if zone == "UTC":
        return as_utc
    near = pa.array(~_outside(as_utc, time))  # further out zones have no rules, and the row is refused anyway
    import pandas as pd

    stamps = pd.Series(pc.if_else(near, naive, pa.scalar(None, _NAIVE)).to_pandas()).astype("datetime64[us]")
    first_pass = np.ones(len(stamps), dtype=np.bool_)
    local = stamps.dt.tz_localize(zone, ambiguous=first_pass, nonexistent="NaT")
    begins = local.isna() & (stamps == stamps.dt.normalize())
    if begins.any():
        later = stamps[begins].dt.tz_localize(zone, ambiguous=first_pass[begins], nonexistent="shift_forward")
        same_day = later.dt.tz_localize(None).dt.normalize() == stamps[begins]
        local.loc[later.index[same_day]] = later[same_day]
    exact = pa.Array.from_pandas(local.dt.tz_convert("UTC"), type=TIMESTAMP)
    return pc.if_else(near, exact, as_utc)


def _outside(times: pa.Array, time: TimeFormat) -> Flags:
    early = pc.less(times, pa.scalar(time.earliest, TIMESTAMP))
    late = pc.greater_equal(times, pa.scalar(time.latest, TIMESTAMP))
    return mask_of(pc.or_kleene(early, late))


def _zone_message(name: str, column: str) -> str:
    way_out = "write the IANA name, or set time.zone to the zone that it stands for"
    return f"column {column!r} names a time zone {shown(name)}, which is unknown or stands for several: {way_out}"


def _shown(time: TimeFormat) -> str:
    return " or ".join(map(repr, time.formats))


def _range(time: TimeFormat) -> str:
    return f"from {time.earliest.date()} until before {time.latest.date()}"
