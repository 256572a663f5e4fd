"""Numbers in text as `-1234.5`, however they are written: groups, exponents, currency signs, minuses, brackets, marks.

Most numbers are plain and matched at once; only what is left is taken apart.
"""

import re
from dataclasses import dataclass
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from counterfoil.domain.intake.mapping_amounts import AmountFormat

EXPONENT = r"([eE][+-]?\d+)?"
CREDIT_MARK, DEBIT_MARK = "CR", "DR"

_BLANKS = "[\u00a0\u2007\u2009\u202f]"
_APOSTROPHES = "[\u2019\u02bc]"
_MINUSES = "[\u2212\u2013\ufe63\uff0d]"
_MOST_ZEROS = 24
"""More digits than any number that is kept: what is larger or finer is refused all the same."""
_PIECES = ("s1", "s2", "s3", "s4", "o1", "o2", "c1", "c2", "y1", "y2", "m")
_NO_TEXT = pa.nulls(1, pa.string())[0]  # pa.scalar would import pandas


@dataclass(frozen=True)
class Numbers:
    """Numbers as `-1234.5`, null where a text is none; their DR or CR, and the symbols at them, null where none is."""

    plain: pa.Array
    marks: pa.Array | None = None
    symbols: pa.Array | None = None


def read_numbers(text: pa.Array, style: AmountFormat) -> Numbers:
    """Read numbers that are written in this style, exponents written out."""
    plain = _plain(text, style)
    if plain.null_count == text.null_count:
        return Numbers(plain)
    odd = _odd(pc.if_else(pc.is_valid(plain), _NO_TEXT, text), style)
    return Numbers(pc.coalesce(plain, _written_out(odd.plain)), odd.marks, odd.symbols)


def plain_numbers(text: pa.Array, style: AmountFormat) -> pa.Array:
    """Return numbers as `-1234.5` or `1.5E7`; null where the text is no number written in this style."""
    plain = _plain(text, style, EXPONENT)
    if plain.null_count == text.null_count:
        return plain
    odd = _odd(pc.if_else(pc.is_valid(plain), _NO_TEXT, text), style)
    if odd.marks is None:
        return pc.coalesce(plain, odd.plain)
    sign = pc.if_else(pc.equal(odd.marks, DEBIT_MARK), "-", "")
    marked = pc.binary_join_element_wise(sign, pc.replace_substring_regex(odd.plain, "^-", ""), "")
    return pc.coalesce(plain, marked, odd.plain)


def without_symbols(text: pa.Array, style: AmountFormat) -> pa.Array:
    """Which texts are a number but for letters or signs before or after it."""
    bare = pc.replace_substring_regex(text, r"^([+-]?)[^\d.,()+-]{1,4}|[^\d.,()+-]{1,4}$", r"\1")
    return pc.and_not(pc.is_valid(read_numbers(pc.utf8_trim_whitespace(bare), style).plain), pc.equal(bare, text))


def _plain(text: pa.Array, style: AmountFormat, exponent: str = "") -> pa.Array:
    point, mark = re.escape(style.decimal_mark), re.escape(style.thousands_mark)
    whole = rf"(\d{{1,3}}({mark}\d{{3}})+|\d+)" if mark else r"\d+"
    pattern = rf"^[+-]?({whole}({point}\d*)?|{point}\d+){exponent}$"
    plain = pc.if_else(pc.match_substring_regex(text, pattern), text, _NO_TEXT)
    return _with_point(plain, style)


def _with_point(numbers: pa.Array, style: AmountFormat) -> pa.Array:
    if style.thousands_mark:
        numbers = pc.replace_substring(numbers, style.thousands_mark, "")
    return numbers if style.decimal_mark == "." else pc.replace_substring(numbers, style.decimal_mark, ".")


def _odd(text: pa.Array, style: AmountFormat) -> Numbers:
    """Take numbers apart that are not plain; exponents stay."""
    for written, meant in ((_BLANKS, " "), (_APOSTROPHES, "'"), (_MINUSES, "-")):
        text = pc.replace_substring_regex(text, written, meant)
    found = pc.extract_regex(text, _pattern(style))
    part = {name: pc.fill_null(found.field(name), "") for name in _PIECES}
    brackets = [_joined(part["o1"], part["o2"]), _joined(part["c1"], part["c2"])]
    signs = _joined(part["s1"], part["s2"], part["s3"], part["s4"])
    enclosed = pc.equal(_joined(*brackets), "()")
    right = pc.and_(pc.or_(enclosed, pc.equal(_joined(*brackets), "")), pc.less_equal(pc.utf8_length(signs), 1))
    right = pc.and_(right, pc.invert(pc.and_(enclosed, pc.not_equal(signs, ""))))
    symbols, marks = _joined(part["y1"], part["y2"]), part["m"]
    twice = pc.and_(pc.not_equal(part["y1"], ""), pc.not_equal(part["y2"], ""))
    keep = pc.fill_null(pc.and_(pc.and_not(right, twice), pc.is_valid(found)), False)
    negative = pc.or_(enclosed, pc.equal(signs, "-"))
    number = _with_point(found.field("n"), style)
    plain = pc.binary_join_element_wise(pc.if_else(negative, "-", ""), number, "")
    return Numbers(
        pc.if_else(keep, plain, _NO_TEXT),
        _or_null(pc.utf8_upper(marks), keep) if style.debits is not None else None,
        _or_null(symbols, keep) if style.symbols else None,
    )


def _pattern(style: AmountFormat) -> str:
    point, mark = re.escape(style.decimal_mark), re.escape(style.thousands_mark)
    whole = rf"(?:\d{{1,3}}(?:{mark}\d{{3}})+|\d{{1,2}}(?:{mark}\d{{2}})*{mark}\d{{3}}|\d+)" if mark else r"\d+"
    number = rf"(?P<n>(?:{whole}(?:{point}\d*)?|{point}\d+){EXPONENT.replace('(', '(?:')})"
    either = "|".join(re.escape(symbol) for symbol in sorted(style.symbols, key=len, reverse=True))
    before, after = (rf"(?:(?P<y{n}>{either}) *)?" if either else rf"(?P<y{n}>)" for n in (1, 2))
    mark_after = r"(?: *(?P<m>[CcDd][Rr]))?" if style.debits is not None else "(?P<m>)"
    start = rf"(?P<s1>[+-]?) *(?P<o1>\(?) *{before}(?P<o2>\(?) *(?P<s2>[+-]?) *"
    end = rf" *(?P<s3>[+-]?) *(?P<c1>\)?) *{after}(?P<c2>\)?) *(?P<s4>[+-]?)"
    return rf"^ *{start}{number}{end}{mark_after} *$"


def _joined(*parts: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(*parts, "")


def _or_null(text: pa.Array, keep: pa.Array) -> pa.Array:
    return pc.if_else(pc.and_(keep, pc.not_equal(text, "")), text, _NO_TEXT)


def _written_out(numbers: pa.Array) -> pa.Array:
    """Return numbers without exponents. Few have one, so these are looked at one by one, each once."""
    has = pc.fill_null(pc.match_substring_regex(numbers, "[eE]"), False)
    if not pc.any(has).as_py():
        return numbers
    encoded = pc.if_else(has, numbers, _NO_TEXT).dictionary_encode()
    texts = pa.array([_digits(text) for text in encoded.dictionary.to_pylist()], pa.string())
    return pc.coalesce(texts.take(encoded.indices), numbers)


def _digits(text: str) -> str:
    number = Decimal(text)
    sign = "-" if number.is_signed() else ""
    if not number:
        return "0"
    if number.adjusted() > _MOST_ZEROS:
        return f"{sign}1{'0' * _MOST_ZEROS}"
    if number.adjusted() < -_MOST_ZEROS:
        return f"{sign}0.{'0' * _MOST_ZEROS}1"
    return f"{number:f}"
