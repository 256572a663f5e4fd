"""Full card numbers in columns where none is expected: found, and cut down to what may be kept.

A card number is 13 to 19 digits, perhaps with spaces or dashes between them, that pass the Luhn check and begin as
ISO/IEC 7812 lets a card begin. Dates and milliseconds since 1970 do not begin so, and stay as they are; so do digits
within a hexadecimal hash or UUID, of which one in 700 would pass by chance.
"""

import re
from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from counterfoil.domain.arrays import Flags, bytes_of, is_empty, mask_of
from counterfoil.domain.privacy.pseudonyms import keyed_hash

_SEPARATORS = " \u00a0\u2009\u202f\u2010-\u2015-"
_MAY_HOLD = rf"[0-9](?:[{_SEPARATORS}]{{0,3}}[0-9]){{12}}"
_RUN = re.compile(rf"[0-9]+(?:[{_SEPARATORS}]{{1,3}}[0-9]+)*")
_GROUP = re.compile(r"[0-9]+")
_HEX = "[0-9a-fA-F]"
_HASH = re.compile(
    rf"(?<![0-9A-Za-z])(?=[0-9-]*[a-fA-F])(?:{_HEX}{{32,}}|{_HEX}{{8}}(?:-{_HEX}{{4}}){{3}}-{_HEX}{{12}})(?![0-9A-Za-z])"
)
_SHORTEST, _LONGEST = 13, 19
_SECOND_DIGITS = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
"""What a digit counts for in the Luhn sum where it is doubled."""


def without_card_numbers(text: pa.Array) -> pa.Array:
    """Return the texts with each card number cut down to its BIN (six digits) and last four: 411111******1111."""
    return _replaced(text, _cut)


def without_card_number(text: str) -> str:
    """Return one text as `without_card_numbers` does."""
    return _without(text, _cut)


def ids_without_card_numbers(text: pa.Array, key: bytes) -> pa.Array:
    """Return ids with each card number cut down, and a keyed hash behind it: two ids stay two."""
    return _replaced(text, lambda digits: f"{_cut(digits)}-{keyed_hash(digits, 'card', key)}")


def are_card_numbers(text: pa.Array) -> Flags:
    """Return which texts (null: none) are a card number and nothing else, as Booleans."""
    found = mask_of(pc.match_substring_regex(text, rf"^[0-9]{{{_SHORTEST},{_LONGEST}}}$"))
    for row in np.flatnonzero(found):
        found[row] = is_card_number(text[int(row)].as_py())
    return found


def is_card_number(digits: str) -> bool:
    """Whether digits (without separators) may be the number of a card."""
    return _SHORTEST <= len(digits) <= _LONGEST and _begins_like_a_card(digits) and _passes_luhn(digits)


def _begins_like_a_card(digits: str) -> bool:
    first = digits[0]
    if first == "2":  # the only cards here are of two networks; years begin with 20
        return 2200 <= int(digits[:4]) <= 2204 or 2221 <= int(digits[:4]) <= 2720
    if first == "1":  # air travel cards; milliseconds since 1970 have 13 digits
        return len(digits) == 15
    return first != "0"


def _passes_luhn(digits: str) -> bool:
    backwards = [int(digit) for digit in reversed(digits)]
    total = sum(backwards[::2]) + sum(_SECOND_DIGITS[digit] for digit in backwards[1::2])
    return total % 10 == 0


def _cut(digits: str) -> str:
    return f"{digits[:6]}{'*' * (len(digits) - 10)}{digits[-4:]}"


def _replaced(text: pa.Array, replace: Callable[[str], str]) -> pa.Array:
    if is_empty(text) or _digits_in(text) < _SHORTEST:  # as in a column of merchants' names
        return text
    suspects = mask_of(pc.match_substring_regex(text, _MAY_HOLD))
    if not suspects.any():
        return text
    changed = [_without(cell, replace) for cell in text.filter(pa.array(suspects)).to_pylist()]
    return pc.replace_with_mask(text, pa.array(suspects), pa.array(changed, pa.string()))


def _digits_in(text: pa.Array) -> int:
    """How many digits there are in all cells together."""
    signs = np.frombuffer(bytes_of(text), dtype=np.uint8)
    return int(np.count_nonzero((signs >= ord("0")) & (signs <= ord("9"))))


def _without(cell: str, replace: Callable[[str], str]) -> str:
    pieces, done = [], 0
    for start, end, digits in _cards_in(cell):
        pieces += [cell[done:start], replace(digits)]
        done = end
    return "".join([*pieces, cell[done:]])


def _cards_in(cell: str) -> Iterator[tuple[int, int, str]]:
    """Yield where each card number begins and ends, and its digits: whole groups of digits, one or more."""
    cell = _HASH.sub(lambda found: "x" * len(found.group()), cell)
    for run in _RUN.finditer(cell):
        groups = [(match.start(), match.end()) for match in _GROUP.finditer(cell, run.start(), run.end())]
        first = 0
        while first < len(groups):
            last = _card_from(cell, groups, first)
            if last is not None:
                start, end = groups[first][0], groups[last][1]
                yield start, end, "".join(_GROUP.findall(cell, start, end))
            first = first + 1 if last is None else last + 1


def _card_from(cell: str, groups: list[tuple[int, int]], first: int) -> int | None:
    """The last group of the longest card number that begins with this group."""
    digits, found = "", None
    for last in range(first, len(groups)):
        digits += cell[slice(*groups[last])]
        if len(digits) > _LONGEST:
            break
        if is_card_number(digits):
            found = last
    return found
