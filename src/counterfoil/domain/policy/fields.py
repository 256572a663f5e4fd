"""What rules may read: the payment, its evidence, and the signal, each a number or a text."""

from collections.abc import Iterable

from counterfoil.domain.features.columns import CYCLES
from counterfoil.domain.features.spec import DEFAULT_SPECS, FeatureSpec
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


def known_fields(
    specs: Iterable[FeatureSpec] = (), numeric: Iterable[str] = (), textual: Iterable[str] = ()
) -> dict[str, Kind]:
    """All fields, by name: those of every lake, more features, and a mapping's own numbers and texts."""
    fields = {**PAYMENT_FIELDS, **SIGNAL_FIELDS}
    fields |= {spec.name: Kind.NUMBER for spec in (*DEFAULT_SPECS, *specs)}
    return fields | dict.fromkeys((*CYCLES, *numeric), Kind.NUMBER) | dict.fromkeys(textual, Kind.TEXT)
