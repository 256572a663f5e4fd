"""Groups of evidence that say the same kind of thing."""

from counterfoil.domain.encoding.evidence import EvidenceSchema
from counterfoil.domain.features.spec import DEFAULT_SPECS, Aggregate, Entity, FeatureSpec

OWN = "the source's own numbers"
AMOUNT = "amount"
TIME = "time of day and week"
CATEGORY = "category"
TEXT = "text block"

_BY_AGGREGATE = {
    "amounts over windows": ("amount_sum", "amount_mean", "amount_std", "amount_max"),
    "amount against the usual": ("amount_to_mean", "amount_to_max", "amount_deviations"),
    "first time (is_first)": ("is_first",),
    TIME: ("quarter_share",),
}
_BY_ENTITY = {
    Entity.MERCHANT: ("merchant's traffic", "merchant's frauds"),
    Entity.SOURCE_IP: ("IP's traffic and accounts", "IP's frauds"),
}
COUNTS = "counts and bursts"

NAMES = (
    AMOUNT,
    *_BY_AGGREGATE,
    COUNTS,
    *(name for pair in _BY_ENTITY.values() for name in pair),
    CATEGORY,
    TEXT,
    OWN,
)
"""All groups, in the order of a table."""

_SPECS = {spec.name: spec for spec in DEFAULT_SPECS}


def group_of(column: str) -> str:
    """The group of a numeric or cyclic column."""
    if column in _SPECS:
        return _group_of_feature(_SPECS[column])
    return AMOUNT if column == "amount" else OWN


def _group_of_feature(spec: FeatureSpec) -> str:
    for name, aggregates in _BY_AGGREGATE.items():
        if spec.aggregate in map(Aggregate, aggregates):
            return name
    traffic, frauds = _BY_ENTITY.get(spec.entity, (COUNTS, COUNTS))
    return frauds if spec.aggregate.is_delayed else traffic


def without(schema: EvidenceSchema, group: str) -> EvidenceSchema:
    """The schema without the group's columns. A column that is category and text stays as the one that is not named."""
    return EvidenceSchema(
        numeric=tuple(column for column in schema.numeric if group_of(column) != group),
        categorical=() if group == CATEGORY else schema.categorical,
        textual=() if group == TEXT else schema.textual,
        cyclic=() if group == TIME else schema.cyclic,
    )


def size_of(schema: EvidenceSchema, group: str) -> int:
    """How many of the schema's columns the group has; a column that is category and text counts as both."""
    return _size(schema) - _size(without(schema, group))


def _size(schema: EvidenceSchema) -> int:
    return len(schema.numeric) + len(schema.categorical) + len(schema.textual) + len(schema.cyclic)
