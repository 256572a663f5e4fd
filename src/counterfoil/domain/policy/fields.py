"""What rules may read: the payment, its evidence, and the signal, each a number or a text."""

from collections.abc import Iterable

from counterfoil.domain.features.columns import CYCLES
from counterfoil.domain.features.spec import DEFAULT_SPECS, FeatureSpec
from counterfoil.domain.intake.mapping_model import SourceMapping
from counterfoil.domain.policy.cel_tree import Kind

PAYMENT_FIELDS = {
    "amount": Kind.NUMBER,
    "currency": Kind.TEXT,
    "merchant_id": Kind.TEXT,
    "category": Kind.TEXT,
    "card_bin": Kind.TEXT,
}
"""Columns of `transactions`. Pseudonyms are none of them: what names a person belongs into a list, where it can be
forgotten and follows a change of the key."""

SIGNAL_FIELDS = dict.fromkeys(("anomaly_signal", "novelty", "fraud_similarity", "good_similarity"), Kind.NUMBER)
"""Columns of `scores`."""


def known_fields(mapping: SourceMapping | None = None, specs: Iterable[FeatureSpec] = ()) -> dict[str, Kind]:
    """All fields, by name: those of every lake, and those that a mapping and a release's features add."""
    fields = {**PAYMENT_FIELDS, **SIGNAL_FIELDS}
    fields |= {spec.name: Kind.NUMBER for spec in (*DEFAULT_SPECS, *specs)}
    fields |= dict.fromkeys(CYCLES, Kind.NUMBER)
    if mapping is not None:
        fields |= dict.fromkeys(mapping.numeric, Kind.NUMBER)
        fields |= dict.fromkeys((*mapping.own_categorical, *mapping.own_textual), Kind.TEXT)
    return fields
