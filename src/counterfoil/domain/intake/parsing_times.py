"""Parse columns of times into UTC with microseconds.

Pandas is imported where it is used: most commands name a mapping and parse nothing.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from counterfoil.domain.arrays import Flags, mask_of
from counterfoil.domain.intake.mapping_model import AmountFormat, TimeFormat
from counterfoil.domain.intake.parsing import Fault, Parsed, plain_numbers, text_of, without
from counterfoil.domain.intake.time_patterns import has_zone_name, split_by_pattern, split_iso, without_zone_name
from counterfoil.domain.intake.zones import shown, zone_named
from counterfoil.domain.schemas import TIMESTAMP
from counterfoil.errors import MappingError

_NAIVE = pa.timestamp("us")
_NO_TEXT = pa.scalar(None, pa.string())
_PER_SECOND = 1_000_000
_LAST_DAYS = datetime(9999, 12, 30, tzinfo=UTC)
# Sanity check before pandas: it reads 'now' and 'today' as the present.
_ISO = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}([.,]\d+)?)?( ?(Z|z|[+-]\d{2}(:?\d{2})?))?)?$"
_OFFSET = r"\d{2}:?\d{2}.*(Z|z|[+-]\d{2}(:?\d{2})?)$"


@dataclass(frozen=True)
class _Times:
    """Parsed times, and which cells held anything at all."""

    values: pa.Array
    present: Flags
    unknown_zones: pa.Array | None = None
    """The names of zones that are not known; null where there is none."""

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
        Fault("time_unreadable", f"column {column!r} is no time in format {time.format!r}", unreadable),
        Fault("time_out_of_range", f"column {column!r} is not {_range(time)}", _outside(times.values, time)),
    )


def parse_label_times(values: pa.Array, column: str, time: TimeFormat, null_values: Collection[str] = ("",)) -> Parsed:
    """Times in UTC; null where a cell is empty or one of `null_values`, or holds the end of all calendars (9999-12-31).

    Raises MappingError if the column's type cannot hold times of this format.
    """
    times = _parse(values, column, time)
    is_open = _after_all_calendars(times.values) | _declared_null(values, times.values, column, time, null_values)
    unreadable = times.present & mask_of(pc.is_null(times.values))
    message = f"column {column!r} is no time in format {time.format!r} {_range(time)}"
    zone = times.zone_fault("label_time_zone_unknown", column)
    wrong = (unreadable | _outside(times.values, time)) & ~is_open
    return without(
        pc.if_else(pa.array(is_open), pa.scalar(None, TIMESTAMP), times.values),
        Fault(zone.reason, zone.message, zone.rows & ~is_open),
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
    return mask_of(pc.is_in(times, value_set=declared.drop_null()))


def _parse(values: pa.Array, column: str, time: TimeFormat) -> _Times:
    if pa.types.is_timestamp(values.type) or pa.types.is_date(values.type):
        return _from_native(values, time)
    if time.format == "native":
        raise MappingError(f"column {column!r} holds {values.type}, so time.format 'native' does not fit it")
    if time.format in ("epoch_seconds", "epoch_milliseconds", "relative_seconds"):
        return _from_numbers(values, column, time)
    text = text_of(values, column)
    parsed, unknown = _from_iso(text, time) if time.format == "iso8601" else _from_pattern(text, time)
    return _Times(parsed, mask_of(pc.is_valid(text)), unknown)


def _from_native(values: pa.Array, time: TimeFormat) -> _Times:
    present = mask_of(pc.is_valid(values))
    stamps = values
    if pa.types.is_date(values.type):
        stamps = pc.cast(values, pa.timestamp("ms"))
    if stamps.type.tz is not None:
        return _Times(_to_micros(stamps, stamps.type.tz), present)
    return _Times(_localised(_to_micros(stamps, None), time, time.zone), present)


def _to_micros(stamps: pa.Array, zone: str | None) -> pa.Array:
    """Nanoseconds are cut off; a time that microseconds cannot hold becomes null."""
    if stamps.type.unit in ("s", "ms"):
        ticks = pc.cast(stamps, pa.int64())
        most = 2**62 // (_PER_SECOND if stamps.type.unit == "s" else _PER_SECOND // 1_000)
        fits = pc.and_(pc.greater(ticks, -most), pc.less(ticks, most))
        stamps = pc.if_else(fits, stamps, pa.scalar(None, stamps.type))
    micros = pc.cast(stamps, pa.timestamp("us", zone), safe=False)
    return pc.cast(micros, TIMESTAMP) if zone is not None else micros


def _from_numbers(values: pa.Array, column: str, time: TimeFormat) -> _Times:
    if pa.types.is_integer(values.type) or pa.types.is_floating(values.type):
        present = mask_of(pc.is_valid(values))
        numbers = pc.cast(values, pa.float64(), safe=False)
    else:
        text = text_of(values, column)
        present = mask_of(pc.is_valid(text))
        numbers = pc.cast(plain_numbers(text, AmountFormat()), pa.float64())
    scale = 1_000 if time.format == "epoch_milliseconds" else _PER_SECOND
    zero = 0 if time.epoch is None else round(time.epoch.timestamp() * _PER_SECOND)
    micros = np.asarray(numbers.to_numpy(zero_copy_only=False), dtype=np.float64) * scale
    readable = np.isfinite(micros)
    # Far outside of every calendar: kept inside int64, and still out of range afterwards.
    bounded = np.clip(np.where(readable, micros, 0.0), -(2.0**61), 2.0**61)
    ticks = np.rint(bounded).astype(np.int64) + zero
    return _Times(pa.array(ticks, pa.int64(), mask=~readable).cast(_NAIVE).cast(TIMESTAMP), present)


_Zoned = tuple[pa.Array, pa.Array | None]
"""Times in UTC, and the names of zones that are not known."""


def _from_iso(text: pa.Array, time: TimeFormat) -> _Zoned:
    try:
        return pc.cast(text, TIMESTAMP), None  # the common case, ten times as fast: every row has an offset
    except pa.ArrowInvalid:
        pass
    plain = pc.if_else(pc.match_substring_regex(text, _ISO), text, _NO_TEXT)
    times = _from_plain_iso(plain, time)
    if plain.null_count == text.null_count:
        return times, None
    named = split_iso(pc.if_else(pc.is_valid(plain), _NO_TEXT, text))
    has_offset = pc.fill_null(pc.match_substring_regex(named.times, _OFFSET), False)
    exact = _from_plain_iso(pc.if_else(has_offset, named.times, _NO_TEXT), time)
    naive = _with_pandas(pc.if_else(has_offset, _NO_TEXT, named.times), "ISO8601", utc=False)
    zoned, unknown = _in_named_zones(naive, named.zones, time)
    return pc.coalesce(times, exact, zoned), unknown


def _from_plain_iso(text: pa.Array, time: TimeFormat) -> pa.Array:
    has_offset = pc.fill_null(pc.match_substring_regex(text, _OFFSET), False)
    exact = _with_pandas(pc.if_else(has_offset, text, _NO_TEXT), "ISO8601", utc=True)
    naive = _with_pandas(pc.if_else(has_offset, _NO_TEXT, text), "ISO8601", utc=False)
    return pc.coalesce(exact, _localised(naive, time, time.zone))


def _from_pattern(text: pa.Array, time: TimeFormat) -> _Zoned:
    digits = pc.match_substring_regex(text, r"\d")
    text, pattern, zones = pc.if_else(digits, text, _NO_TEXT), time.format, None
    if has_zone_name(pattern):
        text, zones = split_by_pattern(text, pattern)
        pattern = without_zone_name(pattern)
    if "%z" in pattern:
        return _with_pandas(text, pattern, utc=True), None
    naive = _with_pandas(text, pattern, utc=False)
    return (_localised(naive, time, time.zone), None) if zones is None else _in_named_zones(naive, zones, time)


def _in_named_zones(naive: pa.Array, names: pa.Array, time: TimeFormat) -> _Zoned:
    """Take wall-clock times to UTC, each from the zone that it names, or from the mapping's."""
    encoded = pc.fill_null(names, "").dictionary_encode()
    years = [year for year in pc.unique(pc.year(naive)).to_pylist() if year is not None]
    zones = [zone_named(name, time.zone, years) if name else time.zone for name in encoded.dictionary.to_pylist()]
    kinds = list(dict.fromkeys(zones))
    each = pa.array([kinds.index(zone) for zone in zones], pa.int32()).take(encoded.indices)
    times = pa.nulls(len(naive), TIMESTAMP)
    unknown = pa.scalar(False)
    for kind, zone in enumerate(kinds):
        there = pc.if_else(pc.equal(each, kind), naive, pa.scalar(None, _NAIVE))
        if zone is None:
            unknown = pc.is_valid(there)
        else:
            times = pc.coalesce(times, _localised(there, time, zone))
    return times, pc.if_else(unknown, names, _NO_TEXT)


def _with_pandas(text: pa.Array, pattern: str, *, utc: bool) -> pa.Array:
    import pandas as pd

    stamps = pd.to_datetime(text.to_pandas(), format=pattern, errors="coerce", utc=utc)
    return pa.Array.from_pandas(stamps, type=TIMESTAMP if utc else _NAIVE, safe=False)


def _localised(naive: pa.Array, time: TimeFormat, zone: str | timedelta) -> pa.Array:
    """Take wall-clock times of a zone, by its IANA name or its offset east of UTC, to UTC.

    The hour that happens twice in autumn is read as its first pass; the one that is skipped in spring does
    not exist, so it becomes null.
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
    exact = pa.Array.from_pandas(local.dt.tz_convert("UTC"), type=TIMESTAMP)
    return pc.if_else(near, exact, as_utc)


def _outside(times: pa.Array, time: TimeFormat) -> Flags:
    early = pc.less(times, pa.scalar(time.earliest, TIMESTAMP))
    late = pc.greater_equal(times, pa.scalar(time.latest, TIMESTAMP))
    return mask_of(pc.or_kleene(early, late))


def _zone_message(name: str, column: str) -> str:
    way_out = "write the IANA name, or set time.zone to the zone that it stands for"
    return f"column {column!r} names a time zone {shown(name)}, which is unknown or stands for several: {way_out}"


def _range(time: TimeFormat) -> str:
    return f"from {time.earliest.date()} until before {time.latest.date()}"
