"""Times that are numbers: counted from an epoch in some unit, or a spreadsheet's days."""

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from counterfoil.domain.arrays import Doubles, Flags, mask_of
from counterfoil.domain.intake.mapping_amounts import AmountFormat
from counterfoil.domain.intake.mapping_times import COUNTED
from counterfoil.domain.intake.parsing import text_of
from counterfoil.domain.intake.parsing_numbers import plain_numbers
from counterfoil.domain.schemas import TIMESTAMP

_NAIVE = pa.timestamp("us")
_PER_MICROSECOND = 1_000
_MILLISECONDS_A_DAY = 86_400_000
_SPREADSHEET_ZERO = datetime(1899, 12, 30, tzinfo=UTC)
_WHOLE = r"^[+-]?(\d{1,18}|[1-8]\d{18})$"


def instants(values: pa.Array, column: str, name: str, epoch: datetime | None) -> tuple[pa.Array, Flags]:
    """Return the times (UTC) that a column of counts means, and which cells hold anything.

    `name` is one of COUNTED; `epoch` is the zero of its relative ones.
    """
    zero = 0 if epoch is None or name.startswith("epoch_") else _micros(epoch)
    size = COUNTED[name]
    if size < _PER_MICROSECOND:
        whole, numbers, present = _whole_and_others(values, column)
        exact = np.floor_divide(whole.fill_null(0).to_numpy(), _PER_MICROSECOND // size)
        ticks, readable = _ticks(numbers * (size / _PER_MICROSECOND))
        is_whole = mask_of(pc.is_valid(whole))
        ticks, readable = np.where(is_whole, exact, ticks), is_whole | readable
    else:
        numbers, present = _numbers(values, column)
        ticks, readable = _ticks(numbers * (size // _PER_MICROSECOND))
    return pa.array(ticks + zero, pa.int64(), mask=~readable).cast(_NAIVE).cast(TIMESTAMP), present


def serial_times(values: pa.Array, column: str) -> tuple[pa.Array, Flags]:
    """Return the wall-clock times that a spreadsheet's days mean, to its millisecond, and which cells hold anything."""
    days, present = _numbers(values, column)
    milliseconds, readable = _ticks(days * _MILLISECONDS_A_DAY, most=2.0**50)
    ticks = milliseconds * 1_000 + _micros(_SPREADSHEET_ZERO)
    return pa.array(ticks, pa.int64(), mask=~readable).cast(_NAIVE), present


def _numbers(values: pa.Array, column: str) -> tuple[Doubles, Flags]:
    """The numbers of a column, NaN where there is none, and which cells hold anything."""
    if pa.types.is_integer(values.type) or pa.types.is_floating(values.type):
        present, numbers = mask_of(pc.is_valid(values)), pc.cast(values, pa.float64(), safe=False)
    else:
        text = text_of(values, column)
        present, numbers = mask_of(pc.is_valid(text)), pc.cast(plain_numbers(text, AmountFormat()), pa.float64())
    return np.asarray(numbers.to_numpy(zero_copy_only=False), dtype=np.float64), present


def _whole_and_others(values: pa.Array, column: str) -> tuple[pa.Array, Doubles, Flags]:
    """Whole numbers exactly (a float holds 53 bits only), and all of them as floats."""
    numbers, present = _numbers(values, column)
    if pa.types.is_floating(values.type):
        return pa.nulls(len(values), pa.int64()), numbers, present
    text = pc.replace_substring_regex(text_of(values, column), r"\.0*$", "")
    whole = pc.if_else(pc.match_substring_regex(text, _WHOLE), text, pa.nulls(1, pa.string())[0])
    return pc.cast(pc.replace_substring_regex(whole, r"^\+", ""), pa.int64()), numbers, present


def _ticks(numbers: Doubles, most: float = 2.0**61) -> tuple[np.ndarray, Flags]:
    """Round to whole numbers; say which are numbers at all."""
    readable = np.isfinite(numbers)
    # Far outside of every calendar: kept inside int64, and still out of range afterwards.
    bounded = np.clip(np.where(readable, numbers, 0.0), -most, most)
    return np.rint(bounded).astype(np.int64), readable


def _micros(moment: datetime) -> int:
    return round(moment.timestamp() * 10**6)
