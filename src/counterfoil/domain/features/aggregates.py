"""What a feature may say of an entity's payments: each aggregate once, with what it needs and its formula.

The formulas are plain functions of a window's statistics. `kernels.py` compiles them, so they know an aggregate by
its `code`, and give NaN where the value is null. Amounts are integers of 1/10,000 unit of the currency.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

from counterfoil.domain.schemas import MINOR_UNITS

SECOND = 1_000_000
"""Microseconds, in which all times are counted."""

_UNIT = float(MINOR_UNITS)


class Family(StrEnum):
    """The statistics of a window that are kept together, by one loop over an entity's payments."""

    PAYMENTS = "payments"  # how many, how many of the same quarter of the day, when the last was
    AMOUNTS = "amounts"  # how many have an amount, its sum and the sum of its squares
    LARGEST = "largest"  # the largest amount
    ACCOUNTS = "accounts"  # distinct accounts
    MERCHANTS = "merchants"  # distinct merchants
    LABELS = "labels"  # payments whose label delay ended, and frauds that became known


@dataclass(frozen=True)
class Declaration:
    """One aggregate: the statistics it needs, whether the payment itself is among them, and how a code names it."""

    code: int
    family: Family
    itself: bool


class Aggregate(StrEnum):
    """What a feature says of the entity's payments in its window.

    Amounts are in units of the currency. `BEFORE` in a comment: the payment itself does not count.
    """

    COUNT = "count"
    AMOUNT_SUM = "amount_sum"
    AMOUNT_MEAN = "amount_mean"
    AMOUNT_STD = "amount_std"  # sample deviation; null below two payments
    AMOUNT_MAX = "amount_max"
    ACCOUNTS = "accounts"  # distinct accounts
    DISTINCT_MERCHANTS = "merchants"
    AMOUNT_TO_MEAN = "amount_to_mean"  # amount / mean BEFORE
    AMOUNT_TO_MAX = "amount_to_max"  # amount / largest BEFORE
    AMOUNT_DEVIATIONS = "amount_deviations"  # (amount - mean BEFORE) / deviation BEFORE
    IS_FIRST = "is_first"  # 1 where there is none BEFORE
    QUARTER_SHARE = "quarter_share"  # share BEFORE that is of the same quarter of the day (UTC); null without any
    SECONDS_SINCE_PREVIOUS = "seconds_since_previous"  # the window's length where there is none BEFORE
    DELAYED_COUNT = "delayed_count"  # payments whose label delay ended in the window
    FRAUD_RATE = "fraud_rate"  # frauds that became known in the window / delayed_count
    FRAUDS = "frauds"  # frauds that became known in the window

    @property
    def declared(self) -> Declaration:
        """What the aggregate is made of."""
        return _DECLARED[self]

    @property
    def is_delayed(self) -> bool:
        """Whether the aggregate looks at labels, and so at what was known after the label delay."""
        return self.declared.family is Family.LABELS

    @property
    def is_money(self) -> bool:
        """Whether the aggregate combines amounts, and so must not mix currencies."""
        return self.declared.family in (Family.AMOUNTS, Family.LARGEST)

    @property
    def counts_itself(self) -> bool:
        """Whether the payment itself is in the window."""
        return self.declared.itself


# The codes, as compiled code sees them.
_COUNT, _FIRST, _SHARE, _SINCE = 0, 1, 2, 3
_SUM, _MEAN, _STD, _TO_MEAN, _DEVIATIONS = 0, 1, 2, 3, 4
_LARGEST, _TO_LARGEST = 0, 1
_DISTINCT = 0
_ENDED, _RATE, _FRAUDS = 0, 1, 2

_DECLARED: dict[Aggregate, Declaration] = {
    Aggregate.COUNT: Declaration(_COUNT, Family.PAYMENTS, itself=True),
    Aggregate.IS_FIRST: Declaration(_FIRST, Family.PAYMENTS, itself=False),
    Aggregate.QUARTER_SHARE: Declaration(_SHARE, Family.PAYMENTS, itself=False),
    Aggregate.SECONDS_SINCE_PREVIOUS: Declaration(_SINCE, Family.PAYMENTS, itself=False),
    Aggregate.AMOUNT_SUM: Declaration(_SUM, Family.AMOUNTS, itself=True),
    Aggregate.AMOUNT_MEAN: Declaration(_MEAN, Family.AMOUNTS, itself=True),
    Aggregate.AMOUNT_STD: Declaration(_STD, Family.AMOUNTS, itself=True),
    Aggregate.AMOUNT_TO_MEAN: Declaration(_TO_MEAN, Family.AMOUNTS, itself=False),
    Aggregate.AMOUNT_DEVIATIONS: Declaration(_DEVIATIONS, Family.AMOUNTS, itself=False),
    Aggregate.AMOUNT_MAX: Declaration(_LARGEST, Family.LARGEST, itself=True),
    Aggregate.AMOUNT_TO_MAX: Declaration(_TO_LARGEST, Family.LARGEST, itself=False),
    Aggregate.ACCOUNTS: Declaration(_DISTINCT, Family.ACCOUNTS, itself=True),
    Aggregate.DISTINCT_MERCHANTS: Declaration(_DISTINCT, Family.MERCHANTS, itself=True),
    Aggregate.DELAYED_COUNT: Declaration(_ENDED, Family.LABELS, itself=False),
    Aggregate.FRAUD_RATE: Declaration(_RATE, Family.LABELS, itself=False),
    Aggregate.FRAUDS: Declaration(_FRAUDS, Family.LABELS, itself=False),
}


def payments_value(code: int, payments: int, alike: int, since: int, window: int) -> float:
    """A value of Family.PAYMENTS; `since` the last payment and `window` are in microseconds."""
    if code == _COUNT:
        return float(payments)
    if code == _FIRST:
        return 1.0 if payments == 0 else 0.0
    if code == _SHARE:
        return alike / payments if payments else math.nan
    return (since if payments else window) / SECOND


def amounts_value(code: int, amount: int, has_amount: bool, count: int, total: float, squares: float) -> float:
    """A value of Family.AMOUNTS, for a payment of `amount`."""
    if count == 0 or (code >= _TO_MEAN and not has_amount):
        return math.nan
    mean = total / count
    if code == _SUM:
        return total / _UNIT
    if code == _MEAN:
        return mean / _UNIT
    if code == _TO_MEAN:
        return amount / mean if mean != 0.0 else math.nan
    deviation = math.nan
    if count > 1:
        deviation = math.sqrt(max(squares - total * total / count, 0.0) / (count - 1))
    if code == _STD:
        return deviation / _UNIT
    # A tenth of the mean is the least deviation: equal payments would make any other infinitely far.
    least = abs(mean) / 10
    if deviation > least:  # not so for NaN
        least = deviation
    return (amount - mean) / least if least != 0.0 else math.nan


def largest_value(code: int, amount: int, has_amount: bool, any_amount: bool, largest: int) -> float:
    """A value of Family.LARGEST."""
    if not any_amount:
        return math.nan
    if code == _LARGEST:
        return largest / _UNIT
    return amount / largest if has_amount and largest != 0 else math.nan


def labels_value(code: int, ended: int, frauds: int) -> float:
    """A value of Family.LABELS: of payments whose delay ended, and frauds that became known, in the window.

    Counting labelled payments only would give away which are still unlabelled. A late label can become known in
    a window in which no delay ended: a rate never exceeds 1.
    """
    if code == _ENDED:
        return float(ended)
    if code == _FRAUDS:
        return float(frauds)
    return frauds / max(ended, frauds, 1)
