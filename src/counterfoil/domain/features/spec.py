"""Feature specs: what is computed, over whom, over how long, and from when it may be known."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from counterfoil.domain.features.aggregates import Aggregate as Aggregate

DAY = 24
WEEK = 7 * DAY
MONTH = 30 * DAY
YEAR = 365 * DAY
EVER = 100 * YEAR
"""Windows are declared in hours. The last is an entity's whole life."""


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


@dataclass(frozen=True)
class OwnEntity:
    """An entity that a mapping declares: whoever has the same values in one or two columns."""

    name: str
    columns: tuple[str, ...]

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class FeatureSpec:
    """One feature: `aggregate` of `entity`'s payments over the half-open window `(t - hours, t]`.

    Payments at the same instant are ordered by transaction id: the later ones are not seen.
    """

    entity: Entity | OwnEntity
    aggregate: Aggregate
    hours: int

    @property
    def name(self) -> str:
        """Entity, what, window: `account_amount_mean_7d`, `account_count_1h` (no whole days), `place_count_ever`."""
        if self.hours == EVER:
            return f"{self.entity}_{self.aggregate}_ever"
        window = f"{self.hours}h" if self.hours % DAY else f"{self.hours // DAY}d"
        return f"{self.entity}_{self.aggregate}_{window}"


def _specs(entity: Entity | OwnEntity, aggregate: Aggregate, *hours: int) -> tuple[FeatureSpec, ...]:
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


def specs_with(entities: Mapping[str, tuple[str, ...]]) -> tuple[FeatureSpec, ...]:
    """The default evidence, and that of the entities (name -> columns) that a mapping declares."""
    own = (OwnEntity(name, tuple(columns)) for name, columns in entities.items())
    return (*DEFAULT_SPECS, *(spec for entity in own for spec in _specs_of_own(entity)))


def _specs_of_own(entity: OwnEntity) -> tuple[FeatureSpec, ...]:
    accounts = () if "account_id" in entity.columns else _specs(entity, Aggregate.ACCOUNTS, DAY, MONTH)
    return (
        *_specs(entity, Aggregate.COUNT, DAY, MONTH, EVER),
        *_specs(entity, Aggregate.AMOUNT_MEAN, MONTH, EVER),
        *_specs(entity, Aggregate.AMOUNT_TO_MEAN, MONTH, EVER),
        *_specs(entity, Aggregate.SECONDS_SINCE_PREVIOUS, YEAR),
        *accounts,
        *_specs(entity, Aggregate.DELAYED_COUNT, MONTH, EVER),
        *_specs(entity, Aggregate.FRAUD_RATE, WEEK, MONTH, EVER),
        *_specs(entity, Aggregate.FRAUDS, EVER),
        *_specs(entity, Aggregate.JUDGED, MONTH, EVER),
        *_specs(entity, Aggregate.JUDGED_FRAUD_RATE, WEEK, MONTH, EVER),
    )


def longest_window(specs: Iterable[FeatureSpec]) -> timedelta:
    """How far back the specs read, before the label delay is added."""
    return timedelta(hours=max((spec.hours for spec in specs), default=0))
