"""Parse whole source columns into canonical values, with a mask of rows for each thing that can be wrong.

All parsers are vectorised. They return values that are null where a fault is, and never quote a value:
a column may be mapped wrongly and hold somebody's name.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from counterfoil.domain.arrays import Flags, is_empty, mask_of, which_hold
from counterfoil.domain.intake.mapping_amounts import AmountFormat
from counterfoil.domain.intake.mapping_model import Labels
from counterfoil.domain.intake.parsing_numbers import plain_numbers
from counterfoil.domain.privacy.card_numbers import are_card_numbers, ids_without_card_numbers, without_card_numbers
from counterfoil.domain.schemas import FRAUD, GOOD
from counterfoil.errors import MappingError

# Words that labels are made of. Any other word may be somebody's name, in a row whose columns have shifted.
_LABEL_WORDS = (
    "fraud|fraudulent|suspected|suspicious|confirmed|chargeback|dispute|disputed|stolen|abuse|risky|bad|true|yes|"
    "good|legit|legitimate|genuine|valid|normal|ok|clean|false|no|not|non|unknown|pending|review|open|none|null|na|y|n|t|f"
)
_QUOTABLE = rf"(?i)^({_LABEL_WORDS})([ _-]({_LABEL_WORDS})){{0,2}}$|^[+-]?\d{{1,2}}(\.\d{{1,2}})?$"


_CARD_NUMBER = r"^(\d{12,19}|(\d{6}\d{0,2})?[*xX#\x{2022}]{2,15}\d{4})$"


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
    """Return a column as trimmed text, blank as null; whole floats and decimals lose their '.0'.

    Raises MappingError if the column's type has no text (a list, a struct, undecodable bytes).
    """
    if is_empty(values):
        return values
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pa.types.is_floating(values.type):
        values = _whole_floats_as_integers(values)
    if pa.types.is_decimal(values.type) and values.type.scale > 0:
        values = pc.replace_substring_regex(pc.cast(values, pa.string()), r"^(-?\d+)\.0+$", r"\1")
    try:
        text = pc.utf8_trim_whitespace(pc.cast(values, pa.string()))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise MappingError(
            f"column {column!r} holds {values.type}, which cannot be read as text: map another column"
        ) from None
    blank = pc.equal(text, "")
    return pc.if_else(blank, pa.scalar(None, pa.string()), text) if blank.true_count else text


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
    plain = plain_numbers(text, style)
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
    wrong = ~(fraud | good | unknown)
    message = _label_messages(without_card_numbers(text), column) if wrong.any() else ""
    fault = Fault("label_unknown_value", message, wrong)
    return Parsed(pa.array(codes, pa.int8(), mask=~(fraud | good)), (fault,))


def parse_card_bins(values: pa.Array, column: str) -> Parsed:
    """Return the first six digits of a BIN of six to eight; anything longer may be a card number."""
    text = text_of(values, column)
    wrong = mask_of(pc.invert(pc.match_substring_regex(text, r"^\d{6,8}$")))
    message = f"column {column!r} is not a BIN of 6 to 8 digits"
    parsed = without(text, Fault("card_bin_invalid", message, wrong))
    return Parsed(pc.utf8_slice_codeunits(parsed.values, 0, 6), parsed.faults)


def parse_card_numbers(values: pa.Array, column: str) -> tuple[Parsed, pa.Array]:
    """Return the BIN (six digits) with its faults, and the last four digits. Nothing else is kept.

    A number may be masked between them, or before the last four: then the BIN is null.
    """
    digits = pc.replace_substring_regex(text_of(values, column), r"[ -]", "")
    wrong = mask_of(pc.invert(pc.match_substring_regex(digits, _CARD_NUMBER)))
    message = f"column {column!r} is not 12 to 19 digits, nor the first and last of them around a mask (*, X)"
    parsed = without(digits, Fault("card_number_invalid", message, wrong))
    last4 = pc.utf8_slice_codeunits(parsed.values, -4)
    known = pc.match_substring_regex(parsed.values, r"^\d{6}")
    bins = pc.if_else(known, pc.utf8_slice_codeunits(parsed.values, 0, 6), pa.scalar(None, pa.string()))
    return Parsed(bins, parsed.faults), last4


def without(values: pa.Array, *faults: Fault, type_: pa.DataType | None = None) -> Parsed:
    """Put null where a fault is, then cast to `type_`."""
    wrong = np.zeros(len(values), dtype=np.bool_)
    for fault in faults:
        wrong |= fault.rows
    kept = values
    if wrong.any():
        kept = pc.if_else(pa.array(wrong), pa.scalar(None, values.type), values)
    return Parsed(kept if type_ is None else pc.cast(kept, type_), faults)


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
    return which_hold(text, "\0")


def _whole_floats_as_integers(values: pa.Array) -> pa.Array:
    # pandas turns a column of integers with a gap into floats: 7.0 is the account 7, NaN is the gap.
    numbers = pc.cast(values, pa.float64())
    numbers = pc.if_else(pc.is_nan(numbers), pa.scalar(None, pa.float64()), numbers)
    try:
        return pc.cast(numbers, pa.int64())
    except pa.ArrowInvalid:
        return numbers
