"""Amounts of money: exact where they are text, in major units, and of the side (debit, credit) that is asked for."""

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from counterfoil.domain.arrays import Flags, mask_of
from counterfoil.domain.intake.mapping_amounts import CREDIT, DEBIT, AmountFormat
from counterfoil.domain.intake.parsing import Fault, Parsed, text_of, without
from counterfoil.domain.intake.parsing_numbers import DEBIT_MARK, plain_numbers, read_numbers, without_symbols
from counterfoil.domain.schemas import MONEY

OTHER_SIDE = "amount_other_side"
"""Rows of the side that the mapping does not keep: nothing is wrong with them."""

# Windows sum squares of 1/10,000ths as 128-bit integers: with 12 digits a million such payments fit in one window.
_WHOLE_DIGITS = 12
_TOO_LARGE = 10.0**_WHOLE_DIGITS
_NO_TEXT = pa.nulls(1, pa.string())[0]  # pa.scalar would import pandas


@dataclass(frozen=True)
class Money:
    """Amounts as schemas.MONEY, the side of each (if amounts have sides), and the currency that its sign means."""

    amounts: Parsed
    sides: pa.Array | None = None
    currencies: pa.Array | None = None


@dataclass(frozen=True)
class _Read:
    """Amounts as they were read (text, floats or decimals), and what is true of each."""

    values: pa.Array
    missing: Flags
    readable: Flags
    negative: Flags
    precise: Flags
    large: Flags
    unreadable_because: str | pa.Array = ""
    marks: pa.Array | None = None
    symbols: pa.Array | None = None


def parse_amounts(values: pa.Array, column: str, style: AmountFormat) -> Parsed:
    """Money as schemas.MONEY. Text is read exactly; floats are rounded to four places."""
    return parse_money(values, column, style).amounts


def parse_money(
    values: pa.Array,
    column: str,
    style: AmountFormat,
    *,
    digits: pa.Array | None = None,
    directions: pa.Array | None = None,
) -> Money:
    """Read amounts; `digits` (int32) are those of each row's currency, for amounts in minor units.

    `directions` are the cells of the column that tells the side. A row without digits, or whose side is unknown or
    not asked for, is a fault.
    """
    read = _read(values, column, style, digits)
    faults = [
        Fault("amount_missing", f"column {column!r} is empty", read.missing),
        Fault("amount_unreadable", read.unreadable_because, ~read.missing & ~read.readable),
    ]
    if digits is not None:
        message = "ISO 4217 has no digits for the row's currency, so minor units mean nothing: set amount.minor_digits"
        faults.append(Fault("currency_digits_unknown", message, mask_of(pc.is_null(digits))))
    sides = None
    if style.has_sides:
        sides, unknown = _sides(read, style, directions)
        read = _without_signs(read) if style.debits is not None else read
        faults += _side_faults(sides, unknown, style)
    faults += _size_faults(read, column)
    currencies = None if read.symbols is None else _codes(read.symbols, style)
    return Money(without(read.values, *faults, type_=MONEY), sides, currencies)


def _read(values: pa.Array, column: str, style: AmountFormat, digits: pa.Array | None) -> _Read:
    if pa.types.is_floating(values.type):
        return _read_floats(values, column, digits)
    if pa.types.is_decimal(values.type) and digits is None:
        return _read_decimals(values, column)
    return _read_text(text_of(values, column), column, style, digits)


def _read_text(text: pa.Array, column: str, style: AmountFormat, digits: pa.Array | None) -> _Read:
    numbers = read_numbers(text, style)
    plain, missing = numbers.plain, mask_of(pc.is_null(text))
    readable = ~mask_of(pc.is_null(plain))
    if digits is not None:
        plain = _in_major_units(plain, digits)
    # Zeros at the end say nothing, so 12.500000 is not too precise.
    plain = pc.replace_substring_regex(plain, r"(\.\d*?)0+$", r"\1")
    # A decimal must have a digit, which `.00` has no longer.
    plain = pc.replace_substring_regex(plain, r"^([+-]?)\.", r"\10.")
    return _Read(
        plain,
        missing,
        readable,
        negative=mask_of(pc.match_substring_regex(plain, "^-.*[1-9]")),
        precise=mask_of(pc.match_substring_regex(plain, r"\.\d{5}")),
        large=mask_of(pc.match_substring_regex(plain, rf"^[+-]?0*[1-9]\d{{{_WHOLE_DIGITS},}}")),
        unreadable_because=_why_unreadable(text, ~missing & ~readable, column, style),
        marks=numbers.marks,
        symbols=numbers.symbols,
    )


def _in_major_units(plain: pa.Array, digits: pa.Array) -> pa.Array:
    """Move the point of each number to the left by its currency's digits."""
    moved = plain
    for count in pc.unique(digits).drop_null().to_pylist():
        if count:
            # Zeros before a number say nothing, and give the point a place to go to.
            padded = pc.replace_substring_regex(plain, r"^([+-]?)(\d*)", rf"\1{'0' * (count + 1)}\2")
            shifted = pc.replace_substring_regex(padded, rf"^([+-]?\d+)(\d{{{count}}})(?:\.(\d*))?$", r"\1.\2\3")
            moved = pc.if_else(pc.fill_null(pc.equal(digits, count), False), shifted, moved)
    return moved


def _read_floats(values: pa.Array, column: str, digits: pa.Array | None) -> _Read:
    numbers = pc.cast(values, pa.float64())
    if digits is not None:
        numbers = pc.divide(numbers, pc.power(10.0, pc.cast(pc.fill_null(digits, 0), pa.float64())))
    readable = mask_of(pc.is_finite(numbers))
    # The largest floats cannot be rounded to places, nor kept: infinity is as good.
    small = pc.less(pc.abs(numbers), _TOO_LARGE)
    rounded = pc.if_else(small, pc.round(pc.if_else(small, numbers, 0.0), MONEY.scale), float("inf"))
    return _Read(
        rounded,
        missing=mask_of(pc.is_null(numbers)),
        readable=readable,
        negative=mask_of(pc.less(numbers, 0)),
        precise=np.zeros(len(values), dtype=np.bool_),
        large=readable & mask_of(pc.greater_equal(rounded, _TOO_LARGE)),
        unreadable_because=_no_number(column),
    )


def _read_decimals(values: pa.Array, column: str) -> _Read:
    wide = pc.cast(values, pa.decimal256(76, max(values.type.scale, MONEY.scale)))
    size = pc.cast(wide, pa.float64())  # near enough to tell the sign and the number of digits
    return _Read(
        wide,
        missing=mask_of(pc.is_null(wide)),
        readable=np.ones(len(values), dtype=np.bool_),
        negative=mask_of(pc.less(size, 0)),
        precise=mask_of(pc.not_equal(pc.round(wide, MONEY.scale), wide)),
        large=mask_of(pc.greater_equal(pc.abs(size), _TOO_LARGE)),
        unreadable_because=_no_number(column),
    )


def _sides(read: _Read, style: AmountFormat, directions: pa.Array | None) -> tuple[pa.Array, Flags]:
    """Return "debit" or "credit" for each row, and where the column that tells it says neither."""
    if directions is not None:
        said = pc.utf8_upper(directions)
        debit, credit = (_any_of(said, values) for values in (style.debit_values, style.credit_values))
        return _side(debit), ~debit & ~credit
    debit = read.negative if style.debits == "negative" else ~read.negative
    if style.debits == "negative":
        debit = debit | _is_zero(read.values)
    if read.marks is not None:
        marked = mask_of(pc.is_valid(read.marks))
        debit = np.where(marked, mask_of(pc.equal(read.marks, DEBIT_MARK)), debit)
    return _side(debit), np.zeros(len(debit), dtype=np.bool_)


def _side(debit: Flags) -> pa.Array:
    return pc.if_else(pa.array(debit), DEBIT, CREDIT)


def _any_of(text: pa.Array, values: tuple[str, ...]) -> Flags:
    return mask_of(pc.is_in(text, value_set=pa.array([value.upper() for value in values], pa.string())))


def _is_zero(values: pa.Array) -> Flags:
    if pa.types.is_string(values.type):
        return mask_of(pc.match_substring_regex(values, r"^[+-]?[0.]+$"))
    return mask_of(pc.equal(pc.cast(values, pa.float64()), 0.0))


def _without_signs(read: _Read) -> _Read:
    text = pa.types.is_string(read.values.type)
    values = pc.replace_substring_regex(read.values, "^[+-]", "") if text else pc.abs(read.values)
    return replace(read, values=values, negative=np.zeros(len(values), dtype=np.bool_))


def _side_faults(sides: pa.Array, unknown: Flags, style: AmountFormat) -> list[Fault]:
    column = style.direction
    message = f"column {column!r} says neither debit nor credit (amount.debit_values, amount.credit_values)"
    faults = [Fault("amount_side_unknown", message, unknown)]
    if style.keep != "both":
        other, kept = (CREDIT, DEBIT) if style.keep == "debits" else (DEBIT, CREDIT)
        theirs = mask_of(pc.equal(sides, other)) & ~unknown
        faults.append(
            Fault(OTHER_SIDE, f"the amount is a {other}, and the mapping keeps {kept}s (amount.keep)", theirs)
        )
    return faults


def _codes(symbols: pa.Array, style: AmountFormat) -> pa.Array:
    known = [(symbol, code) for symbol, code in style.symbols.items() if code]
    codes = pa.array([code for _, code in known], pa.string())
    return codes.take(pc.index_in(symbols, value_set=pa.array([symbol for symbol, _ in known], pa.string())))


def _size_faults(read: _Read, column: str) -> list[Fault]:
    large = f"column {column!r} has more than {_WHOLE_DIGITS} digits before its point"
    precise = f"column {column!r} has more than {MONEY.scale} decimal places"
    return [
        Fault(
            "amount_negative", f"column {column!r} is below zero (amount.debits says what that means)", read.negative
        ),
        Fault("amount_too_large", large, read.large),
        Fault("amount_too_precise", precise, read.precise),
    ]


def _why_unreadable(text: pa.Array, rows: Flags, column: str, style: AmountFormat) -> str | pa.Array:
    """Say what a number has that the mapping does not speak of."""
    if not rows.any():
        return _no_number(column)
    odd = pc.if_else(pa.array(rows), text, _NO_TEXT)
    marked = pc.fill_null(pc.match_substring_regex(odd, r"(?i)\d *[cd]r$"), False)
    grouped = style.model_copy(update={"thousands_mark": "," if style.decimal_mark == "." else "."})
    has_symbol = pc.and_not(without_symbols(odd, style), marked)
    has_groups = pc.and_not(pc.is_valid(plain_numbers(odd, grouped)), pc.or_(has_symbol, marked))
    messages = pc.if_else(
        has_symbol, f"{_no_number(column)}: list the signs or codes at it in amount.symbols", _no_number(column)
    )
    messages = pc.if_else(has_groups, f"{_no_number(column)}: set amount.thousands_mark or decimal_mark", messages)
    return pc.if_else(marked, f"{_no_number(column)}: say what DR and CR mean by amount.debits", messages)


def _no_number(column: str) -> str:
    return f"column {column!r} is not a number"
