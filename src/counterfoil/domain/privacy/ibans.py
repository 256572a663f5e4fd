"""IBANs in one spelling: `DE89 3704 0044 0532 0130 00`, `de89...` and `IBAN: DE89...` are one account.

The check digits of an IBAN are 02 to 98 (ISO 13616). As 97 and 0 leave the same rest, 97 could also be written 00,
98 as 01 and 02 as 99: such second spellings pass the sum and would be other accounts. With 00, 01 or 99 and a wrong sum
it is no IBAN either. Any other wrong sum is kept as an account of its own: who mistypes an IBAN, or tries made-up
ones, tells something, and exports without personal data often have numbers that were drawn by chance.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import cache

from stdnum import numdb

IBAN_INVALID = "iban_invalid"
"""The reason code of rows with an IBAN that is written with check digits that no IBAN has."""

_MAY_BE = re.compile(r"[\W_]*[A-Za-z][\W_]*[A-Za-z][A-Za-z0-9\W_]{13}")
_MARKS = re.compile(r"[\W_]+")
_TITLE = re.compile(r"IBAN(?:NR|NUMBER|NUMMER)?(?=[A-Z]{2}[0-9]{2})")
_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}")
_NEVER = ("00", "01", "99")
_PART = re.compile(r"([0-9]+)!([nac])")
_SIGNS = {"n": "[0-9]", "a": "[A-Z]", "c": "[A-Z0-9]"}


@dataclass(frozen=True)
class Iban:
    """A text that has the form of an IBAN. `text` is its one spelling: upper case, without blanks.

    `known_country`: the country is in the registry that comes with python-stdnum; libraries differ in this, so an
    unknown one is no fault. `sum_is_right`: the check digits fit.
    """

    text: str
    known_country: bool
    sum_is_right: bool

    @property
    def is_invalid(self) -> bool:
        """Whether the check digits are none that an IBAN has."""
        return self.known_country and self.text[2:4] in _NEVER

    @property
    def is_second_spelling(self) -> bool:
        """Whether the check digits fit all the same."""
        return self.is_invalid and self.sum_is_right


def read_iban(text: str) -> Iban | None:
    """Read an IBAN in whatever spelling; None if it is none.

    Of a country in the registry it has the form that the registry says, even if the sum is wrong (a slip of the
    pen). Of another country only a right sum tells it from any other account number.
    """
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    if not _MAY_BE.match(text):
        return None
    whole = _TITLE.sub("", _MARKS.sub("", text).upper(), count=1)
    if not _IBAN.fullmatch(whole):
        return None
    form, right = _form_of(whole[:2]), _sum(whole) == 1
    if form is not None:
        return Iban(whole, True, right) if form.fullmatch(whole[4:]) else None
    return Iban(whole, False, True) if right and whole[2:4] not in _NEVER else None


def normal_account(text: str) -> str:
    """An account's one spelling: that of its IBAN; any other account stays what it is."""
    iban = read_iban(text)
    return text if iban is None else iban.text


@cache
def _form_of(country: str) -> re.Pattern[str] | None:
    """What follows the check digits in a country's IBANs; None if the registry does not know the country."""
    [*known, _] = numdb.get("iban").info(country + "0")
    structure = known[0][1].get("bban") if known else None
    if structure is None:
        return None
    return re.compile("".join(f"{_SIGNS[kind]}{{{count}}}" for count, kind in _PART.findall(structure)))


def _sum(iban: str) -> int:
    """The rest by 97, with letters as 10 to 35; 1 is right."""
    return int("".join(str(int(sign, 36)) for sign in iban[4:] + iban[:4])) % 97
