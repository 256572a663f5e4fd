"""Parse whole source columns into canonical values, with a mask of rows for each thing that can be wrong.

All parsers are vectorised. They return values that are null where a fault is, and never quote a value:
a column may be mapped wrongly and hold somebody's name.
"""

import re
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from counterfoil.domain.arrays import Flags, mask_of
from counterfoil.domain.intake.mapping_model import AmountFormat, Labels
from counterfoil.domain.privacy.card_numbers import are_card_numbers, ids_without_card_numbers, without_card_numbers
from counterfoil.domain.schemas import FRAUD, GOOD, MONEY
from counterfoil.errors import MappingError

_EXPONENT = r"([eE][+-]?\d+)?"
# Windows sum squares of 1/10,000ths as 128-bit integers: with 12 digits a million such payments fit in one window.
_WHOLE_DIGITS = 12
_TOO_LARGE = 10.0**_WHOLE_DIGITS
# Words that labels are made of. Any other word may be somebody's name, in a row whose columns have shifted.
_LABEL_WORDS = (
    "fraud|fraudulent|suspected|suspicious|confirmed|chargeback|dispute|disputed|stolen|abuse|risky|bad|true|yes|"
    "good|legit|legitimate|genuine|valid|normal|ok|clean|false|no|not|non|unknown|pending|review|open|none|null|na|y|n|t|f"
)
_QUOTABLE = rf"(?i)^({_LABEL_WORDS})([ _-]({_LABEL_WORDS})){{0,2}}$|^[+-]?\d{{1,2}}(\.\d{{1,2}})?$"


@dataclass(frozen=True)
class Fault:
    """Rows that cannot be kept: a stable reason code and a message that names the column."""

    reason: str
    message: str | pa.Array
    rows: Flags


@dataclass(frozen=True)
class Parsed:
    """A canonical column and what was wrong with it; where a fault is, the value is null."""

    values: pa.Array
    faults: tuple[Fault, ...] = ()


def text_of(values: pa.Array, column: str) -> pa.Array:
    """Return a column as trimmed text, blank as null; whole floats lose their '.0'.

    Raises MappingError if the column's type has no text (a list, a struct, undecodable bytes).
    """
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pa.types.is_floating(values.type):
        values = _whole_floats_as_integers(values)
    try:
        text = pc.utf8_trim_whitespace(pc.cast(values, pa.string()))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise MappingError(
            f"column {column!r} holds {values.type}, which cannot be read as text: map another column"
        ) from None
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)


def parse_text(values: pa.Array, column: str) -> Parsed:
    """Trimmed text, card numbers in it cut down; a NUL character is a fault: PostgreSQL cannot keep one."""
    parsed = _parse_plain_text(values, column)
    return Parsed(without_card_numbers(parsed.values), parsed.faults)


def parse_required_text(values: pa.Array, column: str, key: bytes) -> Parsed:
    """Trimmed text that must be there: the transaction's id. `key` hashes card numbers in it."""
    parsed = _parse_plain_text(values, column)
    missing = mask_of(pc.is_null(parsed.values)) & ~parsed.faults[0].rows
    faults = (Fault("id_missing", f"column {column!r} is empty", missing), *parsed.faults)
    return Parsed(ids_without_card_numbers(parsed.values, key), faults)


def parse_currency(values: pa.Array, column: str) -> Parsed:
    """Three letters (ISO 4217), in upper case."""
    text = pc.utf8_upper(text_of(values, column))
    wrong = mask_of(pc.invert(pc.match_substring_regex(text, "^[A-Z]{3}$")))
    return without(text, Fault("currency_unreadable", f"column {column!r} is not three letters", wrong))


def parse_amounts(values: pa.Array, column: str, style: AmountFormat) -> Parsed:
    """Money as schemas.MONEY. Text is read exactly; floats are rounded to four places."""
    if pa.types.is_floating(values.type):
        return _amounts_from_floats(values, column)
    if pa.types.is_decimal(values.type):
        return _amounts_from_decimals(values, column)
    text = text_of(values, column)
    plain = plain_numbers(text, style)
    readable = ~mask_of(pc.is_null(plain))
    # Zeros at the end say nothing, so 12.500000 is not too precise.
    plain = pc.replace_substring_regex(plain, r"(\.\d*?)0+$", r"\1")
    # A decimal must have a digit, which `.00` has no longer.
    plain = pc.replace_substring_regex(plain, r"^([+-]?)\.", r"\10.")
    parsed = _money_faults(
        column,
        missing=mask_of(pc.is_null(text)),
        readable=readable,
        negative=mask_of(pc.match_substring_regex(plain, "^-.*[1-9]")),
        precise=mask_of(pc.match_substring_regex(plain, r"\.\d{5}")),
        large=mask_of(pc.match_substring_regex(plain, rf"^[+-]?0*[1-9]\d{{{_WHOLE_DIGITS},}}")),
    )
    return without(plain, *parsed, type_=MONEY)


def parse_numbers(values: pa.Array, column: str, style: AmountFormat) -> Parsed:
    """Numeric evidence as float64; empty is null. NaN and infinity are no numbers."""
    fault = f"column {column!r} is not a number"
    if pa.types.is_floating(values.type) or pa.types.is_integer(values.type):
        numbers = pc.cast(values, pa.float64(), safe=False)
        wrong = mask_of(pc.invert(pc.is_finite(numbers)))
        whole = text_of(values, column)
        return without(numbers, Fault("number_unreadable", fault, wrong), _card_fault(whole, column))
    if pa.types.is_boolean(values.type):
        return Parsed(pc.cast(pc.cast(values, pa.int8()), pa.float64()))
    text = text_of(values, column)
    plain = plain_numbers(text, style, exponent=True)
    numbers = pc.cast(plain, pa.float64())
    finite = mask_of(pc.is_finite(numbers))
    wrong = mask_of(pc.is_valid(text)) & ~finite
    return without(numbers, Fault("number_unreadable", fault, wrong), _card_fault(plain, column))


def parse_labels(values: pa.Array, column: str, labels: Labels, null_values: tuple[str, ...]) -> Parsed:
    """1 for fraud, 0 for good, null for unknown; any other value is a fault.

    A value that the file's format reads as null is known as unknown if `labels.unknown` lists it.
    """
    text = text_of(values, column)
    fraud = mask_of(pc.is_in(text, pa.array(labels.fraud, pa.string())))
    good = mask_of(pc.is_in(text, pa.array(labels.good, pa.string())))
    unknown = mask_of(pc.is_in(text, pa.array(labels.unknown, pa.string())))
    if set(labels.unknown) & {"", *null_values}:
        unknown |= mask_of(pc.is_null(text))
    codes = np.where(fraud, FRAUD, GOOD).astype(np.int8)
    message = _label_messages(without_card_numbers(text), column)
    fault = Fault("label_unknown_value", message, ~(fraud | good | unknown))
    return Parsed(pa.array(codes, pa.int8(), mask=~(fraud | good)), (fault,))


def parse_card_bins(values: pa.Array, column: str) -> Parsed:
    """Return the first six digits of a BIN of six to eight; anything longer may be a card number."""
    text = text_of(values, column)
    wrong = mask_of(pc.invert(pc.match_substring_regex(text, r"^\d{6,8}$")))
    message = f"column {column!r} is not a BIN of 6 to 8 digits"
    parsed = without(text, Fault("card_bin_invalid", message, wrong))
    return Parsed(pc.utf8_slice_codeunits(parsed.values, 0, 6), parsed.faults)


def parse_card_numbers(values: pa.Array, column: str) -> tuple[Parsed, pa.Array]:
    """Return the BIN (six digits) with its faults, and the last four digits. Nothing else is kept."""
    digits = pc.replace_substring_regex(text_of(values, column), r"[ -]", "")
    wrong = mask_of(pc.invert(pc.match_substring_regex(digits, r"^\d{12,19}$")))
    message = f"column {column!r} is not 12 to 19 digits"
    parsed = without(digits, Fault("card_number_invalid", message, wrong))
    last4 = pc.utf8_slice_codeunits(parsed.values, -4)
    return Parsed(pc.utf8_slice_codeunits(parsed.values, 0, 6), parsed.faults), last4


def plain_numbers(text: pa.Array, style: AmountFormat, *, exponent: bool = False) -> pa.Array:
    """Return numbers as `-1234.5`; null where the text is no number written in this style."""
    point, mark = re.escape(style.decimal_mark), re.escape(style.thousands_mark)
    whole = rf"(\d{{1,3}}({mark}\d{{3}})+|\d+)" if mark else r"\d+"
    tail = _EXPONENT if exponent else ""
    pattern = rf"^[+-]?({whole}({point}\d*)?|{point}\d+){tail}$"
    plain = pc.if_else(pc.match_substring_regex(text, pattern), text, pa.scalar(None, pa.string()))
    if style.thousands_mark:
        plain = pc.replace_substring(plain, style.thousands_mark, "")
    return plain if style.decimal_mark == "." else pc.replace_substring(plain, style.decimal_mark, ".")


def without(values: pa.Array, *faults: Fault, type_: pa.DataType | None = None) -> Parsed:
    """Put null where a fault is, then cast to `type_`."""
    wrong = np.zeros(len(values), dtype=np.bool_)
    for fault in faults:
        wrong |= fault.rows
    kept = values
    if wrong.any():
        kept = pc.if_else(pa.array(wrong), pa.scalar(None, values.type), values)
    return Parsed(kept if type_ is None else pc.cast(kept, type_), faults)


def _amounts_from_floats(values: pa.Array, column: str) -> Parsed:
    numbers = pc.cast(values, pa.float64())
    readable = mask_of(pc.is_finite(numbers))
    # The largest floats cannot be rounded to places, nor kept: infinity is as good.
    small = pc.less(numbers, _TOO_LARGE)
    rounded = pc.if_else(small, pc.round(pc.if_else(small, numbers, 0.0), MONEY.scale), float("inf"))
    faults = _money_faults(
        column,
        missing=mask_of(pc.is_null(numbers)),
        readable=readable,
        negative=mask_of(pc.less(numbers, 0)),
        precise=np.zeros(len(values), dtype=np.bool_),
        large=readable & mask_of(pc.greater_equal(rounded, _TOO_LARGE)),
    )
    return without(rounded, *faults, type_=MONEY)


def _amounts_from_decimals(values: pa.Array, column: str) -> Parsed:
    wide = pc.cast(values, pa.decimal256(76, max(values.type.scale, MONEY.scale)))
    size = pc.cast(wide, pa.float64())  # near enough to tell the sign and the number of digits
    faults = _money_faults(
        column,
        missing=mask_of(pc.is_null(wide)),
        readable=np.ones(len(values), dtype=np.bool_),
        negative=mask_of(pc.less(size, 0)),
        precise=mask_of(pc.not_equal(pc.round(wide, MONEY.scale), wide)),
        large=mask_of(pc.greater_equal(size, _TOO_LARGE)),
    )
    return without(wide, *faults, type_=MONEY)


def _money_faults(
    column: str, *, missing: Flags, readable: Flags, negative: Flags, precise: Flags, large: Flags
) -> tuple[Fault, ...]:
    places = MONEY.scale
    return (
        Fault("amount_missing", f"column {column!r} is empty", missing),
        Fault("amount_unreadable", f"column {column!r} is not a number", ~missing & ~readable),
        Fault("amount_negative", f"column {column!r} is below zero", negative),
        Fault(
            "amount_too_large",
            f"column {column!r} has more than {_WHOLE_DIGITS} digits before its point",
            large,
        ),
        Fault("amount_too_precise", f"column {column!r} has more than {places} decimal places", precise),
    )


def _label_messages(text: pa.Array, column: str) -> pa.Array:
    # A known word or a small number. Anything else may be a column mapped by mistake, perhaps a person's.
    quotable = pc.fill_null(pc.match_substring_regex(text, _QUOTABLE), False)
    quoted = pc.binary_join_element_wise("holds '", text, "', which", "")
    blank_or_odd = pc.if_else(pc.is_null(text), "is empty, which", "holds a value that")
    problem = pc.if_else(quotable, quoted, blank_or_odd)
    return pc.binary_join_element_wise(f"column {column!r} ", problem, " [labels] does not list", "")


def _parse_plain_text(values: pa.Array, column: str) -> Parsed:
    text = text_of(values, column)
    return without(text, Fault("text_unreadable", f"column {column!r} holds a NUL character", _has_nul(text)))


def _card_fault(text: pa.Array, column: str) -> Fault:
    # As a number it would be kept whole: there is no number that is only its first and last digits.
    message = f"column {column!r} holds what may be a full card number: map it as fields.card_number"
    return Fault("card_number_unexpected", message, are_card_numbers(text))


def _has_nul(text: pa.Array) -> Flags:
    return mask_of(pc.match_substring(text, "\0"))


def _whole_floats_as_integers(values: pa.Array) -> pa.Array:
    # pandas turns a column of integers with a gap into floats: 7.0 is the account 7, NaN is the gap.
    numbers = pc.cast(values, pa.float64())
    numbers = pc.if_else(pc.is_nan(numbers), pa.scalar(None, pa.float64()), numbers)
    try:
        return pc.cast(numbers, pa.int64())
    except pa.ArrowInvalid:
        return numbers
