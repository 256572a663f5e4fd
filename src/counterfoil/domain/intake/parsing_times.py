"""Parse columns of times into UTC with microseconds.

Pandas is imported where it is used: most commands name a mapping and parse nothing.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from counterfoil.domain.arrays import Flags, mask_of
from counterfoil.domain.intake.mapping_model import AmountFormat, TimeFormat
from counterfoil.domain.intake.parsing import Fault, Parsed, plain_numbers, text_of, without
from counterfoil.domain.schemas import TIMESTAMP
from counterfoil.errors import MappingError

_NAIVE = pa.timestamp("us")
_PER_SECOND = 1_000_000
# Sanity check before pandas: it reads 'now' and 'today' as the present.
_ISO = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}([.,]\d+)?)?( ?(Z|z|[+-]\d{2}(:?\d{2})?))?)?$"
_OFFSET = r"\d{2}:?\d{2}.*(Z|z|[+-]\d{2}(:?\d{2})?)$"


@dataclass(frozen=True)
class _Times:
    """Parsed times, and which cells held anything at all."""

    values: pa.Array
    present: Flags


def parse_event_times(values: pa.Array, column: str, time: TimeFormat) -> Parsed:
    """Times in UTC that must be there and lie in the range that the mapping finds plausible.

    Raises MappingError if the column's type cannot hold times of this format.
    """
    times = _parse(values, column, time)
    missing = ~times.present
    unreadable = times.present & mask_of(pc.is_null(times.values))
    return without(
        times.values,
        Fault("time_missing", f"column {column!r} is empty", missing),
        Fault("time_unreadable", f"column {column!r} is no time in format {time.format!r}", unreadable),
        Fault("time_out_of_range", f"column {column!r} is not {_range(time)}", _outside(times.values, time)),
    )


def parse_label_times(values: pa.Array, column: str, time: TimeFormat) -> Parsed:
    """Times in UTC; empty is null."""
    times = _parse(values, column, time)
    unreadable = times.present & mask_of(pc.is_null(times.values))
    message = f"column {column!r} is no time in format {time.format!r} {_range(time)}"
    return without(times.values, Fault("label_time_unreadable", message, unreadable | _outside(times.values, time)))


def _parse(values: pa.Array, column: str, time: TimeFormat) -> _Times:
    if pa.types.is_timestamp(values.type) or pa.types.is_date(values.type):
        return _from_native(values, time)
    if time.format == "native":
        raise MappingError(f"column {column!r} holds {values.type}, so time.format 'native' does not fit it")
    if time.format in ("epoch_seconds", "epoch_milliseconds", "relative_seconds"):
        return _from_numbers(values, column, time)
    text = text_of(values, column)
    parsed = _from_iso(text, time) if time.format == "iso8601" else _from_pattern(text, time)
    return _Times(parsed, mask_of(pc.is_valid(text)))


def _from_native(values: pa.Array, time: TimeFormat) -> _Times:
    present = mask_of(pc.is_valid(values))
    stamps = values
    if pa.types.is_date(values.type):
        stamps = pc.cast(values, pa.timestamp("ms"))
    if stamps.type.tz is not None:
        return _Times(_to_micros(stamps, stamps.type.tz), present)
    return _Times(_localised(_to_micros(stamps, None), time), present)


def _to_micros(stamps: pa.Array, zone: str | None) -> pa.Array:
    """Nanoseconds are cut off; a time that microseconds cannot hold becomes null."""
    if stamps.type.unit in ("s", "ms"):
        ticks = pc.cast(stamps, pa.int64())
        most = 2**62 // _PER_SECOND
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


def _from_iso(text: pa.Array, time: TimeFormat) -> pa.Array:
    try:
        return pc.cast(text, TIMESTAMP)  # the common case, ten times as fast: every row has an offset
    except pa.ArrowInvalid:
        pass
    text = pc.if_else(pc.match_substring_regex(text, _ISO), text, pa.scalar(None, pa.string()))
    has_offset = pc.fill_null(pc.match_substring_regex(text, _OFFSET), False)
    nothing = pa.scalar(None, pa.string())
    exact = _with_pandas(pc.if_else(has_offset, text, nothing), "ISO8601", utc=True)
    naive = _with_pandas(pc.if_else(has_offset, nothing, text), "ISO8601", utc=False)
    return pc.coalesce(exact, _localised(naive, time))


def _from_pattern(text: pa.Array, time: TimeFormat) -> pa.Array:
    digits = pc.match_substring_regex(text, r"\d")
    text = pc.if_else(digits, text, pa.scalar(None, pa.string()))
    if "%z" in time.format:
        return _with_pandas(text, time.format, utc=True)
    return _localised(_with_pandas(text, time.format, utc=False), time)


def _with_pandas(text: pa.Array, pattern: str, *, utc: bool) -> pa.Array:
    import pandas as pd

    stamps = pd.to_datetime(text.to_pandas(), format=pattern, errors="coerce", utc=utc)
    return pa.Array.from_pandas(stamps, type=TIMESTAMP if utc else _NAIVE, safe=False)


def _localised(naive: pa.Array, time: TimeFormat) -> pa.Array:
    """Take wall-clock times of the mapping's zone to UTC.

    The hour that happens twice in autumn is read as its first pass; the one that is skipped in spring does
    not exist, so it becomes null.
    """
    if time.zone == "UTC":
        return pc.cast(naive, TIMESTAMP)
    as_utc = pc.cast(naive, TIMESTAMP)
    near = pa.array(~_outside(as_utc, time))  # further out zones have no rules, and the row is refused anyway
    import pandas as pd

    stamps = pd.Series(pc.if_else(near, naive, pa.scalar(None, _NAIVE)).to_pandas()).astype("datetime64[us]")
    first_pass = np.ones(len(stamps), dtype=np.bool_)
    local = stamps.dt.tz_localize(time.zone, ambiguous=first_pass, nonexistent="NaT")
    exact = pa.Array.from_pandas(local.dt.tz_convert("UTC"), type=TIMESTAMP)
    return pc.if_else(near, exact, as_utc)


def _outside(times: pa.Array, time: TimeFormat) -> Flags:
    early = pc.less(times, pa.scalar(time.earliest, TIMESTAMP))
    late = pc.greater_equal(times, pa.scalar(time.latest, TIMESTAMP))
    return mask_of(pc.or_kleene(early, late))


def _range(time: TimeFormat) -> str:
    return f"from {time.earliest.date()} until before {time.latest.date()}"
