"""What no identifier, merchant or category may hold, whatever it stands for."""

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from counterfoil.domain.arrays import Flags, mask_of, which_hold_any
from counterfoil.domain.intake.parsing import Fault, text_of

TRUTH_VALUE = "id_truth_value"
NO_ID = "true or false, which identifies nothing"
"""What is wrong with such an identifier: two values stand for whoever it is."""

_EXACT_UNTIL = {pa.float16(): 2.0**11, pa.float32(): 2.0**24, pa.float64(): 2.0**53}
"""From here on, neighbouring whole numbers are the same float, so that two accounts may have become one."""

# As spreadsheets, Java and pandas write floats: 2.29116E+15, 2.29116393386724E15, 92233720368547758.0.
_WITH_EXPONENT = r"^[+-]?\d([.,]\d+)?[eE]\+\d{2,3}$|^[+-]?\d\.\d+[eE]\d{1,3}$"
_WHOLE_FLOAT = r"^\d{16,}\.0+$"
_ENOUGH_TO_TELL = 2
"""Two numbers that end in a zero by chance are one in a hundred."""
_SIGNS_OF_ROUNDED = (".", "+")
_LINE_BREAK = r"[\r\n]"


def line_break_fault(values: pa.Array, column: str) -> Fault:
    """Return the rows of a text with a line break: something that was read as one value was several lines."""
    message = f"column {column!r} holds a line break: a quote may be wrong in the file (file.quote, file.escape)"
    return Fault("line_break", message, _matching(values, column, _LINE_BREAK, ("\n", "\r")))


def identifier_faults(values: pa.Array, column: str) -> tuple[Fault, ...]:
    """Return what is wrong with a column of identifiers as it was read.

    A truth value, a line break, and a number that was rounded: kept as a float too large for it, or written with an
    exponent.
    """
    if pa.types.is_boolean(values.type):
        return (Fault(TRUTH_VALUE, f"column {column!r} holds {NO_ID}", mask_of(pc.is_valid(values))),)
    exact_until = _EXACT_UNTIL.get(values.type)
    if exact_until is None:
        rounded = _matching(values, column, f"{_WITH_EXPONENT}|{_WHOLE_FLOAT}", _SIGNS_OF_ROUNDED)
        if rounded.any():
            texts = text_of(values.filter(pa.array(rounded)), column).to_pylist()
            rounded[rounded] = [_is_inexact(text) for text in texts]
    else:
        rounded = mask_of(pc.greater_equal(pc.abs(pc.cast(values, pa.float64())), exact_until))
    message = f"column {column!r} holds a number that was rounded: several ids may have become one (export it as text)"
    return (line_break_fault(values, column), Fault("id_rounded", message, rounded))


def looks_cut(values: pa.Array, column: str) -> bool:
    """Whether all long numbers of a column end in zeros after their 15th digit, as a spreadsheet leaves them."""
    texts = pc.unique(text_of(values, column))
    long = texts.filter(mask_of(pc.match_substring_regex(texts, r"^\d{16,}$")))
    return len(long) >= _ENOUGH_TO_TELL and bool(pc.all(pc.match_substring_regex(long, r"^\d{15}0+$")).as_py())


def has_whole_floats(values: pa.Array, column: str) -> bool:
    """Whether a text column has whole numbers with `.0` behind them, as pandas writes whole numbers beside gaps."""
    is_text = pa.types.is_string(values.type) or pa.types.is_large_string(values.type)
    return is_text and bool(_matching(values, column, r"^\d+\.0$", (".0",)).any())


def _is_inexact(text: str) -> bool:
    whole = re.fullmatch(_WHOLE_FLOAT, text) is not None
    return not whole or float(text) >= _EXACT_UNTIL[pa.float64()]


def _matching(values: pa.Array, column: str, pattern: str, signs: tuple[str, ...]) -> Flags:
    """Which trimmed texts match a pattern; only those are looked at that hold one of its signs, since few do."""
    if not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
        values = text_of(values, column)
    found = which_hold_any(values, signs)
    places = np.flatnonzero(found)
    if len(places):
        texts = text_of(values.take(pa.array(places)), column)
        found[places] = mask_of(pc.match_substring_regex(texts, pattern))
    return found
