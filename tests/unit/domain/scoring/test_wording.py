"""Evidence in an analyst's words."""

import math

import pytest

from counterfoil.domain.features.columns import CYCLES
from counterfoil.domain.features.spec import DAY, DEFAULT_SPECS, MONTH, YEAR, Aggregate, Entity, FeatureSpec, specs_with
from counterfoil.domain.scoring.wording import Wording, topic_of

SPECS = {
    spec.name: spec
    for entity in Entity
    for spec in (FeatureSpec(entity, aggregate, hours) for aggregate in Aggregate for hours in (1, 6, DAY, MONTH, YEAR))
}
WORDING = Wording(SPECS)


def said(column: str, value: object, usual: object = None) -> str:
    return WORDING.of(column, {column: value}, {column: usual})


@pytest.mark.parametrize(
    ("column", "value", "usual", "words"),
    [
        (
            "account_category_amount_to_mean_30d",
            9.04,
            1.0,
            "amount 9 times the mean of the account in this category in 30 days",
        ),
        ("account_amount_to_max_30d", 2.5, 0.3, "amount 2.5 times the largest of the account in 30 days"),
        (
            "merchant_amount_deviations_30d",
            -3.21,
            0.0,
            "amount 3.2 deviations below the mean of the merchant in 30 days",
        ),
        ("account_count_1h", 7.0, 1.0, "count of the account in 1 hour: 7 (usual of good payments: 1)"),
        ("account_count_6h", 7.0, 1.0, "count of the account in 6 hours: 7 (usual of good payments: 1)"),
        (
            "merchant_fraud_rate_30d",
            0.25,
            0.001,
            "25.0% of the payments of the merchant in 30 days turned out frauds (usual of good payments: 0.1%)",
        ),
        (
            "source_ip_frauds_365d",
            3.0,
            0.0,
            "3 frauds of the source IP became known in 365 days (usual of good payments: 0)",
        ),
        (
            "merchant_judged_fraud_rate_30d",
            0.25,
            None,
            "25.0% of the payments of the merchant whose label became known in 30 days are frauds",
        ),
        ("merchant_judged_1d", 4.0, None, "4 labels of payments of the merchant became known in 1 day"),
        ("account_device_is_first_30d", 1.0, 0.0, "no payment of the account on this device in the 30 days before"),
        (
            "account_seconds_since_previous_30d",
            95.0,
            86400.0,
            "95 seconds since the previous payment of the account (usual of good payments: 24 hours)",
        ),
        (
            "account_quarter_share_30d",
            0.02,
            0.4,
            "2% of the payments of the account in 30 days fell in this quarter of the day",
        ),
        ("amount", 1234.5, 42.0, "amount 1234 (usual of good payments: 42)"),
        ("v14", -7.125, 0.05, "v14 -7.125 (usual of good payments: 0.05)"),
        ("category", "misc_net", None, "category misc_net"),
        ("merchant_id", "Harbour Grocers", None, "merchant Harbour Grocers"),
        ("category", None, None, "category is not known"),
        ("amount", math.nan, 42.0, "amount is not known"),
    ],
)
def test_words(column: str, value: object, usual: object, words: str) -> None:
    assert said(column, value, usual) == words


@pytest.mark.parametrize(("hour", "words"), [(0, "at 00:00 UTC"), (3.25, "at 03:15 UTC"), (23.999, "at 00:00 UTC")])
def test_the_time_of_day(hour: float, words: str) -> None:
    turn = 2 * math.pi * hour / 24
    assert WORDING.of("hour_sin", {"hour_sin": math.sin(turn), "hour_cos": math.cos(turn)}, {}) == words


def test_the_day_of_the_week() -> None:
    turn = 2 * math.pi * 2.5 / 7
    row = {"weekday_sin": math.sin(turn), "weekday_cos": math.cos(turn)}
    assert WORDING.of("weekday_cos", row, {}) == "on a Wednesday"


@pytest.mark.parametrize("column", SPECS)
def test_every_feature_has_words(column: str) -> None:
    assert said(column, 1.5, 0.5)


def test_topics_hold_what_says_the_same() -> None:
    specs = {spec.name: spec for spec in DEFAULT_SPECS}
    topics = {column: topic_of(column, specs) for column in ("amount", "category", "v1", *CYCLES, *specs)}
    assert {topics[name] for name in CYCLES} == {"time"}
    assert topics["account_amount_to_mean_30d"] == topics["amount"] == "amount"
    assert topics["account_category_count_7d"] == topics["category"] == "category"
    assert topics["merchant_fraud_rate_7d"] == "past frauds of merchant"
    assert topics["account_count_1d"] == "pace"
    assert topics["v1"] == "v1"


def test_a_time_that_is_not_there_is_said_not_guessed() -> None:
    row = {"hour_sin": None, "hour_cos": 1.0, "weekday_sin": 0.0, "weekday_cos": None}
    assert [Wording({}).of(name, row, row) for name in ("hour_sin", "weekday_cos")] == [
        "hour is not known", "weekday is not known",
    ]  # fmt: skip


def test_an_entity_of_a_mapping_is_called_as_it_is_there() -> None:
    specs = {spec.name: spec for spec in specs_with({"payer_place": ("account_id", "location")})}
    words = Wording(specs)
    assert topic_of("payer_place_count_ever", specs) == "traffic of this payer place"
    assert topic_of("payer_place_fraud_rate_7d", specs) == "past frauds of this payer place"
    column = "payer_place_amount_to_mean_ever"
    said_of_it = words.of(column, {column: 9.04}, {column: 1.0})
    assert said_of_it == "amount 9 times the mean of this payer place in all its time"
