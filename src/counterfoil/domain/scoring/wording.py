"""Evidence in an analyst's words: which topic a column belongs to, and what a value of it says."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from counterfoil.domain.features.columns import CYCLES
from counterfoil.domain.features.spec import DAY, EVER, Aggregate, Entity, FeatureSpec, OwnEntity

_OWN_TOPICS = {"amount": "amount", "category": "category", "merchant_id": "merchant", **dict.fromkeys(CYCLES, "time")}

_WHOSE: dict[Entity | OwnEntity, str] = {
    Entity.ACCOUNT: "the account",
    Entity.MERCHANT: "the merchant",
    Entity.SOURCE_IP: "the source IP",
    Entity.ACCOUNT_CATEGORY: "the account in this category",
    Entity.ACCOUNT_MERCHANT: "the account at this merchant",
    Entity.ACCOUNT_SOURCE_IP: "the account from this source IP",
    Entity.ACCOUNT_DEVICE: "the account on this device",
}
_PAIRED_WITH: dict[Entity | OwnEntity, str] = {
    Entity.ACCOUNT_CATEGORY: "category",
    Entity.ACCOUNT_MERCHANT: "merchant",
    Entity.ACCOUNT_SOURCE_IP: "source IP",
    Entity.ACCOUNT_DEVICE: "device",
}


def topic_of(column: str, specs: Mapping[str, FeatureSpec]) -> str:
    """The topic of an evidence column; `specs` by their names. A mapping's own column is a topic of its own."""
    spec = specs.get(column)
    if spec is None:
        return _OWN_TOPICS.get(column, column.replace("_", " "))
    if spec.aggregate.is_money:
        return "amount"
    if spec.aggregate is Aggregate.QUARTER_SHARE:
        return "time"
    if spec.aggregate.is_delayed:
        return f"past frauds of {_whose(spec).removeprefix('the ')}"
    if spec.entity in _PAIRED_WITH:
        return _PAIRED_WITH[spec.entity]
    return "pace" if spec.entity is Entity.ACCOUNT else f"traffic of {_whose(spec)}"


def _whose(spec: FeatureSpec) -> str:
    """Whose payments a feature is about; an entity that a mapping declares is called as it is there."""
    return _WHOSE.get(spec.entity, f"this {str(spec.entity).replace('_', ' ')}")


@dataclass(frozen=True)
class Wording:
    """Words for the columns of a release's evidence."""

    specs: Mapping[str, FeatureSpec]

    def of(self, column: str, row: Mapping[str, Any], usual: Mapping[str, Any]) -> str:
        """Say what a row has in a column, beside the usual value where that helps."""
        if column in CYCLES:
            return _time(column, row)
        value, common = row[column], usual[column]
        if value is None or (isinstance(value, float) and math.isnan(value)):
            return f"{column.replace('_', ' ')} is not known"
        spec = self.specs.get(column)
        if spec is not None:
            past = row.get(FeatureSpec(spec.entity, Aggregate.COUNT, spec.hours).name)
            return _behaviour(spec, float(value), None if common is None else float(common), past)
        if isinstance(value, str):
            return f"{column.removesuffix('_id').replace('_', ' ')} {value}"
        return f"{column.replace('_', ' ')} {value:.4g}{_beside(common, '.4g')}"


def _behaviour(spec: FeatureSpec, value: float, common: float | None, payments: float | None) -> str:
    """`payments` of the entity in the window, this one with them, where that is known."""
    whose, window = _whose(spec), _window(spec.hours)
    match spec.aggregate:
        case Aggregate.AMOUNT_TO_MEAN:
            return f"amount {value:.2g} times the mean of {whose} in {window}"
        case Aggregate.AMOUNT_TO_MAX:
            return f"amount {value:.2g} times the largest of {whose} in {window}"
        case Aggregate.AMOUNT_DEVIATIONS:
            side = "above" if value >= 0 else "below"
            return f"amount {abs(value):.2g} deviations {side} the mean of {whose} in {window}"
        case Aggregate.IS_FIRST:
            return f"{'no' if value else 'a'} payment of {whose} in the {window} before"
        case Aggregate.SECONDS_SINCE_PREVIOUS:
            past = "" if common is None else f" (usual of good payments: {_span(common)})"
            return f"{_span(value)} since the previous payment of {whose}{past}"
        case Aggregate.QUARTER_SHARE:
            before = "" if payments is None else f"{payments - 1:.0f} "
            return f"{value:.0%} of the {before}payments of {whose} in {window} fell in this quarter of the day"
        case Aggregate.FRAUD_RATE:
            return f"{value:.1%} of the payments of {whose} in {window} turned out frauds{_beside(common, '.1%')}"
        case Aggregate.JUDGED_FRAUD_RATE:
            judged = f"payments of {whose} whose label became known in {window}"
            return f"{value:.1%} of the {judged} are frauds{_beside(common, '.1%')}"
        case Aggregate.JUDGED:
            return f"{value:.4g} labels of payments of {whose} became known in {window}{_beside(common, '.4g')}"
        case Aggregate.FRAUDS:
            return f"{value:.4g} frauds of {whose} became known in {window}{_beside(common, '.4g')}"
        case _:
            what = spec.aggregate.value.replace("_", " ")
            return f"{what} of {whose} in {window}: {value:.4g}{_beside(common, '.4g')}"


def _window(hours: int) -> str:
    if hours == EVER:
        return "all its time"
    size, unit = (hours, "hour") if hours % DAY else (hours // DAY, "day")
    return f"{size} {unit}{'s' * (size > 1)}"


def _time(column: str, row: Mapping[str, Any]) -> str:
    unit = column.partition("_")[0]
    sine, cosine = row[f"{unit}_sin"], row[f"{unit}_cos"]
    if sine is None or cosine is None:
        return f"{unit} is not known"
    turn = math.atan2(sine, cosine) / (2 * math.pi) % 1.0
    if unit == "weekday":
        return f"on a {('Mon', 'Tues', 'Wednes', 'Thurs', 'Fri', 'Satur', 'Sun')[int(turn * 7 + 1e-9) % 7]}day"
    minutes = round(turn * 1440) % 1440
    return f"at {minutes // 60:02d}:{minutes % 60:02d} UTC"


def _span(seconds: float) -> str:
    for unit, size in (("days", 86_400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} seconds"


def _beside(common: Any, form: str) -> str:
    return "" if common is None else f" (usual of good payments: {common:{form}})"
