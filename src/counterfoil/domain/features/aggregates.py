"""What a feature may say of an entity's payments: each aggregate once, with the statistics that it needs."""

from dataclasses import dataclass
from enum import StrEnum


class Family(StrEnum):
    """The statistics of a window that are kept together, by one loop over an entity's payments."""

    PAYMENTS = "payments"  # how many, how many of the same quarter of the day, when the last was
    AMOUNTS = "amounts"  # how many have an amount, its sum and the sum of its squares
    LARGEST = "largest"  # the largest amount
    ACCOUNTS = "accounts"  # distinct accounts
    MERCHANTS = "merchants"  # distinct merchants
    LABELS = "labels"  # payments whose label delay ended, labels and frauds that became known


@dataclass(frozen=True)
class Declaration:
    """One aggregate: the statistics it needs, whether the payment itself is among them, and its formula's code."""

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
    JUDGED = "judged"  # labels, fraud or good, that became known in the window
    JUDGED_FRAUD_RATE = "judged_fraud_rate"  # the share of frauds among them; null without any

    @property
    def declared(self) -> Declaration:
        """What the aggregate is made of."""
        return _DECLARED[self]

    @property
    def is_delayed(self) -> bool:
        """Whether the aggregate looks at labels, and so at what was known after the label delay."""
        return self.declared.family is Family.LABELS

    @property
    def reads_good_labels(self) -> bool:
        """Whether the aggregate tells payments that are known as good from those that nobody judged."""
        return self in (Aggregate.JUDGED, Aggregate.JUDGED_FRAUD_RATE)

    @property
    def is_money(self) -> bool:
        """Whether the aggregate combines amounts, and so must not mix currencies."""
        return self.declared.family in (Family.AMOUNTS, Family.LARGEST)

    @property
    def counts_itself(self) -> bool:
        """Whether the payment itself is in the window."""
        return self.declared.itself


# The codes are those of the formulas in `values.py`.
_DECLARED: dict[Aggregate, Declaration] = {
    Aggregate.COUNT: Declaration(0, Family.PAYMENTS, itself=True),
    Aggregate.IS_FIRST: Declaration(1, Family.PAYMENTS, itself=False),
    Aggregate.QUARTER_SHARE: Declaration(2, Family.PAYMENTS, itself=False),
    Aggregate.SECONDS_SINCE_PREVIOUS: Declaration(3, Family.PAYMENTS, itself=False),
    Aggregate.AMOUNT_SUM: Declaration(0, Family.AMOUNTS, itself=True),
    Aggregate.AMOUNT_MEAN: Declaration(1, Family.AMOUNTS, itself=True),
    Aggregate.AMOUNT_STD: Declaration(2, Family.AMOUNTS, itself=True),
    Aggregate.AMOUNT_TO_MEAN: Declaration(3, Family.AMOUNTS, itself=False),
    Aggregate.AMOUNT_DEVIATIONS: Declaration(4, Family.AMOUNTS, itself=False),
    Aggregate.AMOUNT_MAX: Declaration(0, Family.LARGEST, itself=True),
    Aggregate.AMOUNT_TO_MAX: Declaration(1, Family.LARGEST, itself=False),
    Aggregate.ACCOUNTS: Declaration(0, Family.ACCOUNTS, itself=True),
    Aggregate.DISTINCT_MERCHANTS: Declaration(0, Family.MERCHANTS, itself=True),
    Aggregate.DELAYED_COUNT: Declaration(0, Family.LABELS, itself=False),
    Aggregate.FRAUD_RATE: Declaration(1, Family.LABELS, itself=False),
    Aggregate.FRAUDS: Declaration(2, Family.LABELS, itself=False),
    Aggregate.JUDGED: Declaration(3, Family.LABELS, itself=False),
    Aggregate.JUDGED_FRAUD_RATE: Declaration(4, Family.LABELS, itself=False),
}
