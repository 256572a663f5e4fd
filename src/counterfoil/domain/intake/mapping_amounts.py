"""How a mapping says that numbers are written, in which unit, which way a payment goes, and in which currency."""

import re
from typing import Literal

from pydantic import Field, StrictBool, field_validator

from counterfoil.domain.intake.mapping_part import Part

DIRECTION = "direction"
"""The categorical evidence that says of each payment whether it is a debit or a credit, where both are kept."""

DEBIT, CREDIT = "debit", "credit"

_CODE = re.compile(r"[A-Z]{3}")
_MOST_DIGITS = 4


class AmountFormat(Part):
    """How numbers in text are written (the amount and numeric evidence alike), and what an amount means.

    A blank as `thousands_mark` is also a no-break, narrow or thin one, an apostrophe also a typographic one; groups may
    be Indian (12,34,567). Numbers may have exponents. A number is below zero by any minus before or after it, or by
    brackets around it. `symbols` are currency signs or codes that may stand at a number, each with the ISO 4217 code
    that it means ("" if it says nothing).

    `unit` "minor": amounts count the smallest unit of their row's currency, by ISO 4217's digits or by `minor_digits`.

    `debits` says which sign debits have; marks (DR, CR) at an amount say the same and count more. `direction` names a
    column that says it by `debit_values` and `credit_values` (in any case). Of debits and credits those in `keep` are
    kept, as absolute values; with "both", the categorical evidence `direction` says which is which.
    """

    decimal_mark: Literal[".", ","] = "."
    thousands_mark: Literal["", ".", ",", " ", "'", "_"] = ""
    symbols: dict[str, str] = Field(default={})
    unit: Literal["major", "minor"] = "major"
    minor_digits: dict[str, int] = Field(default={})
    debits: Literal["negative", "positive"] | None = None
    direction: str | None = Field(default=None, min_length=1)
    debit_values: tuple[str, ...] = ("D", "DR", "DBIT", "DEBIT")
    credit_values: tuple[str, ...] = ("C", "CR", "CRDT", "CREDIT")
    keep: Literal["debits", "credits", "both"] = "debits"

    @field_validator("symbols")
    @classmethod
    def _signs_of_money(cls, value: dict[str, str]) -> dict[str, str]:
        for symbol, code in value.items():
            if not symbol.strip() or re.search(r"[\d()+-]", symbol):
                raise ValueError(f"{symbol!r} is no sign or code of a currency (such as '$' or 'EUR')")
            if code and not _CODE.fullmatch(code):
                raise ValueError(f"{symbol!r} means {code!r}, which is not three capital letters (ISO 4217)")
        return {symbol.strip(): code for symbol, code in value.items()}

    @field_validator("minor_digits")
    @classmethod
    def _digits(cls, value: dict[str, int]) -> dict[str, int]:
        for code, digits in value.items():
            if not _CODE.fullmatch(code) or not 0 <= digits <= _MOST_DIGITS:
                raise ValueError(f"{code!r} = {digits} is not three capital letters and 0 to {_MOST_DIGITS} digits")
        return value

    @property
    def has_sides(self) -> bool:
        """Whether a row's amount may be a debit or a credit; if not, amounts are not below zero."""
        return self.debits is not None or self.direction is not None


class Currency(Part):
    """Whether the currency column means what it says; if not, the canonical currency is null.

    `code` is the currency of every payment of a source that has no column for it.
    """

    meaningful: StrictBool = True
    why: str = ""
    code: str | None = None

    @field_validator("code")
    @classmethod
    def _three_letters(cls, value: str | None) -> str | None:
        if value is not None and not _CODE.fullmatch(value):
            raise ValueError(f"{value!r} is not three capital letters (ISO 4217)")
        return value
