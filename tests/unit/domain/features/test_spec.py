"""Feature specs: names, windows, and what each aggregate may look at."""

import re
from datetime import timedelta

import pytest

from counterfoil.domain.features.spec import (
    DAY,
    DEFAULT_SPECS,
    Aggregate,
    Entity,
    FeatureSpec,
    longest_window,
    specs_with,
)


def test_a_name_is_entity_what_window() -> None:
    assert FeatureSpec(Entity.ACCOUNT, Aggregate.AMOUNT_MEAN, 7 * 24).name == "account_amount_mean_7d"
    assert FeatureSpec(Entity.SOURCE_IP, Aggregate.ACCOUNTS, 24).name == "source_ip_accounts_1d"
    assert FeatureSpec(Entity.MERCHANT, Aggregate.FRAUD_RATE, 30 * 24).name == "merchant_fraud_rate_30d"
    assert FeatureSpec(Entity.ACCOUNT, Aggregate.COUNT, 1).name == "account_count_1h"
    assert FeatureSpec(Entity.ACCOUNT, Aggregate.COUNT, 36).name == "account_count_36h"


def test_all_names_are_different_columns() -> None:
    names = [spec.name for spec in DEFAULT_SPECS]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", name) for name in names)


def test_the_longest_window_is_what_is_read_back() -> None:
    assert longest_window(DEFAULT_SPECS) == timedelta(days=365)
    assert longest_window(()) == timedelta(0)
    two = (FeatureSpec(Entity.ACCOUNT, Aggregate.COUNT, DAY + 1), FeatureSpec(Entity.MERCHANT, Aggregate.COUNT, 1))
    assert longest_window(two) == timedelta(hours=25)


@pytest.mark.parametrize("aggregate", list(Aggregate))
def test_only_counts_of_labels_wait_for_them_and_only_amounts_are_money(aggregate: Aggregate) -> None:
    assert aggregate.is_delayed == ("fraud" in aggregate or aggregate in {Aggregate.DELAYED_COUNT, Aggregate.JUDGED})
    assert aggregate.reads_good_labels == ("judged" in aggregate.value)
    assert aggregate.is_money == ("amount" in aggregate.value)
    # What a payment is compared with must not contain it; nor may a label window.
    compares = aggregate.is_delayed or aggregate.value.startswith(
        ("amount_to", "amount_dev", "is_", "seconds", "quarter")
    )
    assert aggregate.counts_itself == (not compares)


@pytest.mark.parametrize("entity", list(Entity))
def test_every_entity_is_in_the_default_evidence_and_has_columns(entity: Entity) -> None:
    assert entity.columns
    assert any(spec.entity is entity for spec in DEFAULT_SPECS)


def test_a_mapping_s_entities_come_after_the_default_evidence_with_names_of_their_own() -> None:
    specs = specs_with({"place": ("location",), "payer_place": ("account_id", "location")})
    assert specs[: len(DEFAULT_SPECS)] == DEFAULT_SPECS
    assert specs_with({}) == DEFAULT_SPECS
    names = [spec.name for spec in specs]
    assert len(names) == len(set(names))
    assert {"place_count_ever", "place_accounts_30d", "payer_place_fraud_rate_7d"} < set(names)
    assert "payer_place_accounts_30d" not in names  # there is one
