"""Feature specs: what is computed, over whom, over how long, and from when it may be known."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

DAY = 24
WEEK = 7 * DAY
MONTH = 30 * DAY
YEAR = 365 * DAY
"""Windows are declared in hours."""


class Entity(StrEnum):
    """Whose history a feature reads. A pair: of one account with that merchant, IP, ..."""

    ACCOUNT = "account"
    MERCHANT = "merchant"
    SOURCE_IP = "source_ip"
    ACCOUNT_CATEGORY = "account_category"
    ACCOUNT_MERCHANT = "account_merchant"
    ACCOUNT_SOURCE_IP = "account_source_ip"
    ACCOUNT_DEVICE = "account_device"

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of `transactions` that identify the entity; a feature is null where one of them is."""
        return _ENTITY_COLUMNS[self]


_ENTITY_COLUMNS: dict[Entity, tuple[str, ...]] = {
    Entity.ACCOUNT: ("account_id",),
    Entity.MERCHANT: ("merchant_id",),
    Entity.SOURCE_IP: ("source_ip_id",),
    Entity.ACCOUNT_CATEGORY: ("account_id", "category"),
    Entity.ACCOUNT_MERCHANT: ("account_id", "merchant_id"),
    Entity.ACCOUNT_SOURCE_IP: ("account_id", "source_ip_id"),
    Entity.ACCOUNT_DEVICE: ("account_id", "device_id"),
}


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
    def is_delayed(self) -> bool:
        """Whether the aggregate looks at labels, and so at what was known after the label delay."""
        return self in (Aggregate.DELAYED_COUNT, Aggregate.FRAUD_RATE, Aggregate.FRAUDS)

    @property
    def is_money(self) -> bool:
        """Whether the aggregate combines amounts, and so must not mix currencies."""
        return self.value.startswith("amount_")

    @property
    def counts_itself(self) -> bool:
        """Whether the payment itself is in the window."""
        return self in (
            Aggregate.COUNT,
            Aggregate.AMOUNT_SUM,
            Aggregate.AMOUNT_MEAN,
            Aggregate.AMOUNT_STD,
            Aggregate.AMOUNT_MAX,
            Aggregate.ACCOUNTS,
            Aggregate.DISTINCT_MERCHANTS,
        )


@dataclass(frozen=True, order=True)
class FeatureSpec:
    """One feature: `aggregate` of `entity`'s payments over the half-open window `(t - hours, t]`.

    Payments at the same instant are ordered by transaction id: the later ones are not seen.
    """

    entity: Entity
    aggregate: Aggregate
    hours: int

    @property
    def name(self) -> str:
        """Entity, what, window: `account_amount_mean_7d`, or `account_count_1h` where it is not of whole days."""
        window = f"{self.hours}h" if self.hours % DAY else f"{self.hours // DAY}d"
        return f"{self.entity}_{self.aggregate}_{window}"


def _specs(entity: Entity, aggregate: Aggregate, *hours: int) -> tuple[FeatureSpec, ...]:
    return tuple(FeatureSpec(entity, aggregate, h) for h in hours)


DEFAULT_SPECS: tuple[FeatureSpec, ...] = (
    *_specs(Entity.ACCOUNT, Aggregate.COUNT, 1, 6, DAY, WEEK, MONTH),
    *_specs(Entity.ACCOUNT, Aggregate.AMOUNT_SUM, 1, DAY),
    *_specs(Entity.ACCOUNT, Aggregate.AMOUNT_MEAN, DAY, WEEK, MONTH),
    *_specs(Entity.ACCOUNT, Aggregate.AMOUNT_STD, MONTH),
    *_specs(Entity.ACCOUNT, Aggregate.AMOUNT_MAX, 6, DAY, WEEK, MONTH),
    *_specs(Entity.ACCOUNT, Aggregate.AMOUNT_TO_MEAN, WEEK, MONTH),
    *_specs(Entity.ACCOUNT, Aggregate.AMOUNT_TO_MAX, MONTH),
    *_specs(Entity.ACCOUNT, Aggregate.AMOUNT_DEVIATIONS, MONTH),
    *_specs(Entity.ACCOUNT, Aggregate.SECONDS_SINCE_PREVIOUS, MONTH),
    *_specs(Entity.ACCOUNT, Aggregate.QUARTER_SHARE, MONTH),
    *_specs(Entity.ACCOUNT, Aggregate.DISTINCT_MERCHANTS, DAY),
    *_specs(Entity.ACCOUNT_CATEGORY, Aggregate.COUNT, DAY, WEEK, MONTH),
    *_specs(Entity.ACCOUNT_CATEGORY, Aggregate.AMOUNT_MAX, DAY),
    *_specs(Entity.ACCOUNT_CATEGORY, Aggregate.AMOUNT_TO_MEAN, MONTH),
    *_specs(Entity.ACCOUNT_CATEGORY, Aggregate.AMOUNT_TO_MAX, MONTH),
    *_specs(Entity.ACCOUNT_CATEGORY, Aggregate.AMOUNT_DEVIATIONS, MONTH),
    *_specs(Entity.ACCOUNT_CATEGORY, Aggregate.IS_FIRST, MONTH),
    *_specs(Entity.ACCOUNT_MERCHANT, Aggregate.IS_FIRST, MONTH),
    *_specs(Entity.ACCOUNT_SOURCE_IP, Aggregate.IS_FIRST, MONTH),
    *_specs(Entity.ACCOUNT_DEVICE, Aggregate.IS_FIRST, MONTH),
    *_specs(Entity.MERCHANT, Aggregate.COUNT, DAY, WEEK, MONTH),
    *_specs(Entity.MERCHANT, Aggregate.ACCOUNTS, DAY, WEEK),
    *_specs(Entity.MERCHANT, Aggregate.AMOUNT_TO_MEAN, MONTH),
    *_specs(Entity.MERCHANT, Aggregate.AMOUNT_DEVIATIONS, MONTH),
    *_specs(Entity.MERCHANT, Aggregate.SECONDS_SINCE_PREVIOUS, MONTH),
    *_specs(Entity.MERCHANT, Aggregate.DELAYED_COUNT, DAY, 3 * DAY, WEEK, 2 * WEEK, MONTH),
    *_specs(Entity.MERCHANT, Aggregate.FRAUD_RATE, DAY, 3 * DAY, WEEK, 2 * WEEK, 4 * WEEK, MONTH),
    *_specs(Entity.SOURCE_IP, Aggregate.COUNT, 1, DAY, WEEK, MONTH),
    *_specs(Entity.SOURCE_IP, Aggregate.SECONDS_SINCE_PREVIOUS, MONTH),
    *_specs(Entity.SOURCE_IP, Aggregate.ACCOUNTS, DAY, WEEK, MONTH),
    *_specs(Entity.SOURCE_IP, Aggregate.FRAUD_RATE, DAY, WEEK, MONTH),
    *_specs(Entity.SOURCE_IP, Aggregate.FRAUDS, 3 * MONTH, YEAR),
)
"""The evidence of every release unless a mapping's columns make one impossible."""


def longest_window(specs: Iterable[FeatureSpec]) -> timedelta:
    """How far back the specs read, before the label delay is added."""
    return timedelta(hours=max((spec.hours for spec in specs), default=0))
