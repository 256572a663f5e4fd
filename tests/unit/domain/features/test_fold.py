"""The fold against a reference that is slow and plainly right: a loop over all payments for each."""

import math
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from examples import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from counterfoil.domain.features.columns import CYCLES, PASSED_ON
from counterfoil.domain.features.fold import evidence_of
from counterfoil.domain.features.groups import running_squares
from counterfoil.domain.features.span import read_back
from counterfoil.domain.features.spec import DEFAULT_SPECS, EVER, Aggregate, Entity, FeatureSpec, OwnEntity, specs_with
from counterfoil.domain.periods import during
from counterfoil.domain.schemas import transactions_schema

Row = dict[str, Any]

START = datetime(2024, 3, 4, tzinfo=UTC)  # a Monday
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
MICROSECOND = timedelta(microseconds=1)


def payment(number: int, moment: timedelta, **values: Any) -> Row:
    return {
        "transaction_id": f"t{number:03d}", "event_time": START + moment, "amount": Decimal("10.00"),
        "currency": "EUR", "account_id": "a", "merchant_id": "m", "source_ip_id": "i",
        "device_id": "d", "category": "c", "label": 0, "label_time": None,
        "source": "s", "source_line": number, **values,
    }  # fmt: skip


def naive(row: Row, rows: list[Row], spec: FeatureSpec, delay: timedelta, by_currency: bool) -> float | None:
    """One feature of one payment, from the definitions in DESIGN.md."""
    entity = [row[column] for column in spec.entity.columns]
    if None in entity:
        return None
    mine = [r for r in rows if [r[column] for column in spec.entity.columns] == entity]
    if spec.aggregate.is_delayed:
        return naive_labels(row["event_time"], mine, spec, delay)
    now, start = row["event_time"], row["event_time"] - timedelta(hours=spec.hours)
    seen = []
    for other in mine:
        before = (other["event_time"], other["transaction_id"]) < (now, row["transaction_id"])
        if start < other["event_time"] and (before or (other is row and spec.aggregate.counts_itself)):
            seen.append(other)
    if by_currency and spec.aggregate.is_money:
        seen = [other for other in seen if other["currency"] == row["currency"]]
    return naive_value(spec, row, seen)


def naive_labels(now: datetime, mine: list[Row], spec: FeatureSpec, delay: timedelta) -> float | None:
    ended, judged, frauds = 0, 0, 0
    for other in mine:
        end = other["event_time"] + delay
        known_at = max(other["label_time"] or other["event_time"], end)
        ended += now - timedelta(hours=spec.hours) < end <= now
        became_known = other["label"] is not None and now - timedelta(hours=spec.hours) < known_at <= now
        judged += became_known
        frauds += became_known and other["label"] == 1
    if spec.aggregate is Aggregate.FRAUDS:
        return frauds
    if spec.aggregate is Aggregate.JUDGED:
        return judged
    if spec.aggregate is Aggregate.JUDGED_FRAUD_RATE:
        return frauds / judged if judged else None
    return ended if spec.aggregate is Aggregate.DELAYED_COUNT else frauds / max(ended, frauds, 1)


def naive_value(spec: FeatureSpec, row: Row, seen: list[Row]) -> float | None:
    amounts = [Fraction(other["amount"]) for other in seen if other["amount"] is not None]
    amount = None if row["amount"] is None else Fraction(row["amount"])
    mean = sum(amounts) / len(amounts) if amounts else None
    std = 0.0
    if mean is not None and len(amounts) > 1:
        std = math.sqrt(sum((a - mean) ** 2 for a in amounts) / (len(amounts) - 1))
    match spec.aggregate:
        case Aggregate.COUNT:
            return len(seen)
        case Aggregate.ACCOUNTS:
            return len({other["account_id"] for other in seen} - {None})
        case Aggregate.DISTINCT_MERCHANTS:
            return len({other["merchant_id"] for other in seen} - {None})
        case Aggregate.QUARTER_SHARE:
            alike = [other["event_time"].hour // 6 == row["event_time"].hour // 6 for other in seen]
            return sum(alike) / len(alike) if alike else None
        case Aggregate.IS_FIRST:
            return float(not seen)
        case Aggregate.SECONDS_SINCE_PREVIOUS:
            if not seen:
                return spec.hours * 3_600
            return (row["event_time"] - max(other["event_time"] for other in seen)) / SECOND
        case Aggregate.AMOUNT_SUM:
            return float(sum(amounts)) if amounts else None
        case Aggregate.AMOUNT_MEAN:
            return None if mean is None else float(mean)
        case Aggregate.AMOUNT_STD:
            return std if len(amounts) > 1 else None
        case Aggregate.AMOUNT_MAX:
            return float(max(amounts)) if amounts else None
        case Aggregate.AMOUNT_TO_MEAN:
            return float(amount / mean) if amount is not None and mean else None
        case Aggregate.AMOUNT_TO_MAX:
            return float(amount / max(amounts)) if amount is not None and amounts and max(amounts) else None
        case Aggregate.AMOUNT_DEVIATIONS:
            least = max(std, abs(float(mean)) / 10) if mean is not None else 0
            return float(amount - mean) / least if amount is not None and mean is not None and least else None
    raise AssertionError(spec.aggregate)


def folded(
    rows: list[Row],
    specs: tuple[FeatureSpec, ...],
    delay: timedelta,
    *,
    by_currency: bool = False,
    **options: Any,
) -> dict[str, Row]:
    """The product's features by transaction id."""
    table = pa.Table.from_pylist(rows, schema=transactions_schema())
    found = evidence_of(table, specs, label_delay=delay, by_currency=by_currency, **options).to_pylist()
    return {row["transaction_id"]: row for row in found}


EXACT = {
    Aggregate.COUNT, Aggregate.ACCOUNTS, Aggregate.IS_FIRST, Aggregate.SECONDS_SINCE_PREVIOUS,
    Aggregate.DISTINCT_MERCHANTS, Aggregate.QUARTER_SHARE, Aggregate.AMOUNT_SUM, Aggregate.DELAYED_COUNT,
    Aggregate.FRAUD_RATE, Aggregate.FRAUDS, Aggregate.JUDGED, Aggregate.JUDGED_FRAUD_RATE,
}  # fmt: skip


def assert_same(spec: FeatureSpec, found: float | None, expected: float | None) -> None:
    if expected is None or spec.aggregate in EXACT:
        assert found == expected, spec.name
    elif spec.aggregate is Aggregate.AMOUNT_STD:
        # The deviation of equal amounts is 0 to the rounding of their squares.
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-6), spec.name
    else:
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-12), spec.name


# Few values, so that entities, instants and window edges coincide often.
MOMENTS = st.builds(
    lambda days, seconds: days * DAY + seconds * SECOND,
    st.integers(0, 9),
    st.sampled_from([0, 0, 0, 1, 3600, 7199, 21_599, 21_600, 86_399]),
)
HOURS = st.sampled_from([1, 2, 6, 24, 36, 48, 72, 168])
FRACTIONS = st.sampled_from([0, 0, 1, 500_000, 999_999])
DELAYS = st.sampled_from([timedelta(hours=1), DAY, 2 * DAY, 7 * DAY, timedelta(days=1.5, microseconds=1)])
AMOUNTS = st.one_of(
    st.none(), st.decimals(0, 30, places=2), st.sampled_from([*map(Decimal, ("0.0001", "10", "-2.5", "0", "300000"))])
)


@st.composite
def tables(draw: st.DrawFn) -> list[Row]:
    fractions = FRACTIONS if draw(st.booleans()) else st.just(0)
    numbers = draw(st.permutations(range(draw(st.integers(1, 20)))))
    rows = []
    for number in numbers:
        moment = draw(MOMENTS) + draw(fractions) * MICROSECOND
        late = draw(st.one_of(st.none(), MOMENTS))
        rows.append(
            payment(
                number,
                moment,
                amount=draw(AMOUNTS),
                currency=draw(st.sampled_from(["EUR", "EUR", "USD", None])),
                account_id=draw(st.sampled_from(["a", "a", "b", None])),
                merchant_id=draw(st.sampled_from(["m", "m", "n", None])),
                source_ip_id=draw(st.sampled_from(["i", "j", None])),
                device_id=draw(st.sampled_from(["d", "e", None])),
                category=draw(st.sampled_from(["c", "c", "d", None])),
                label=draw(st.sampled_from([0, 1, 1, None])),
                label_time=None if late is None else START + moment + late + draw(FRACTIONS) * MICROSECOND,
            )
        )
    return rows


@pytest.mark.parametrize("entity", list(Entity))
@settings(deadline=None, max_examples=examples(12), suppress_health_check=[HealthCheck.too_slow])
@given(rows=tables(), delay=DELAYS, by_currency=st.booleans(), hours=st.sets(HOURS, min_size=1, max_size=2))
def test_every_aggregate_is_what_the_reference_says(
    entity: Entity,
    rows: list[Row],
    delay: timedelta,
    by_currency: bool,
    hours: set[int],
) -> None:
    specs = tuple(FeatureSpec(entity, aggregate, h) for aggregate in Aggregate for h in sorted(hours))
    found = folded(rows, specs, delay, by_currency=by_currency)
    assert found.keys() == {row["transaction_id"] for row in rows}
    for row in rows:
        for spec in specs:
            expected = naive(row, rows, spec, delay, by_currency)
            assert_same(spec, found[row["transaction_id"]][spec.name], expected)


@settings(deadline=None, max_examples=examples(6), suppress_health_check=[HealthCheck.too_slow])
@given(rows=tables(), delay=DELAYS)
def test_the_default_evidence_at_once(rows: list[Row], delay: timedelta) -> None:
    found = folded(rows, DEFAULT_SPECS, delay)
    for row in rows:
        for spec in DEFAULT_SPECS:
            assert_same(spec, found[row["transaction_id"]][spec.name], naive(row, rows, spec, delay, False))


class TestWindows:
    COUNT = FeatureSpec(Entity.ACCOUNT, Aggregate.COUNT, 24)
    DELAYED = FeatureSpec(Entity.MERCHANT, Aggregate.DELAYED_COUNT, 24)
    RATE = FeatureSpec(Entity.MERCHANT, Aggregate.FRAUD_RATE, 24)
    FRAUDS = FeatureSpec(Entity.MERCHANT, Aggregate.FRAUDS, 24)

    @pytest.mark.parametrize(
        ("age", "counted"), [(DAY, False), (DAY - SECOND, True), (DAY - MICROSECOND, True), (DAY + MICROSECOND, False)]
    )
    def test_the_left_end_is_open_to_the_microsecond(self, age: timedelta, counted: bool) -> None:
        rows = [payment(1, 2 * DAY - age), payment(2, 2 * DAY)]
        assert folded(rows, (self.COUNT,), DAY)["t002"]["account_count_1d"] == 1 + counted

    def test_of_one_instant_the_earlier_ids_are_seen(self) -> None:
        rows = [payment(number, DAY) for number in (3, 1, 2)]
        found = folded(rows, (self.COUNT, FeatureSpec(Entity.ACCOUNT, Aggregate.IS_FIRST, 24)), DAY)
        assert [found[f"t00{n}"]["account_count_1d"] for n in (1, 2, 3)] == [1, 2, 3]
        assert [found[f"t00{n}"]["account_is_first_1d"] for n in (1, 2, 3)] == [1, 0, 0]

    @pytest.mark.parametrize("day", [2 * DAY, timedelta(days=-20_000)])  # the latter is before 1970
    @pytest.mark.parametrize(
        ("hour", "share"), [(0, 0.25), (5.999, 0.25), (6, 0.5), (11.999, 0.5), (12, 0.0), (18, 0.25), (23.999, 0.25)]
    )
    def test_a_quarter_of_the_day_begins_at_0_6_12_and_18(self, day: timedelta, hour: float, share: float) -> None:
        before = [timedelta(hours=at) for at in (5.999, 6, 11.999, 18)]
        rows = [payment(n, day - DAY + at) for n, at in enumerate(before)]
        spec = FeatureSpec(Entity.ACCOUNT, Aggregate.QUARTER_SHARE, 48)
        found = folded([*rows, payment(9, day + timedelta(hours=hour))], (spec,), DAY)
        assert found["t009"]["account_quarter_share_2d"] == share
        assert found["t000"]["account_quarter_share_2d"] is None

    @pytest.mark.parametrize(
        ("label_time", "rate"),
        [
            (2 * DAY, 1.0),  # known exactly now
            (2 * DAY + MICROSECOND, 0.0),  # rounding to seconds would show it early
            (timedelta(0), 1.0),  # labelled at once, known after the delay
        ],
    )
    def test_a_label_counts_from_when_it_is_known(self, label_time: timedelta, rate: float) -> None:
        fraud = payment(1, timedelta(hours=30), label=1, label_time=START + label_time)
        found = folded([fraud, payment(2, 2 * DAY)], (self.RATE, self.DELAYED), timedelta(hours=18))["t002"]
        assert (found["merchant_fraud_rate_1d"], found["merchant_delayed_count_1d"]) == (rate, 1)

    def test_a_fraud_known_late_counts_then_and_the_rate_stays_within_one(self) -> None:
        late = [payment(n, n * SECOND, label=1, label_time=START + 9 * DAY) for n in range(3)]
        found = folded([*late, payment(9, 9 * DAY)], (self.RATE, self.DELAYED), DAY)["t009"]
        assert (found["merchant_fraud_rate_1d"], found["merchant_delayed_count_1d"]) == (1.0, 0)

    @pytest.mark.parametrize("delay", [timedelta(0), timedelta(-1), MICROSECOND])
    @pytest.mark.parametrize("fraction", [0, 1])
    def test_no_payment_sees_its_own_label_however_short_the_delay(self, delay: timedelta, fraction: int) -> None:
        moment = DAY + fraction * MICROSECOND
        rows = [payment(n, moment, label=1, label_time=START + moment) for n in range(3)]
        rows.append(payment(3, moment + SECOND))
        found = folded(rows, (self.RATE, self.DELAYED), delay)
        assert [found[f"t00{n}"]["merchant_fraud_rate_1d"] for n in range(4)] == [0, 0, 0, 1]
        assert [found[f"t00{n}"]["merchant_delayed_count_1d"] for n in range(4)] == [0, 0, 0, 3]

    def test_the_denominator_does_not_tell_who_is_labelled(self) -> None:
        def rows(label: int | None) -> list[Row]:
            return [payment(1, timedelta(0), label=label), payment(2, 2 * DAY - SECOND)]

        answers = [folded(rows(label), (self.DELAYED, self.RATE), DAY)["t002"] for label in (0, None)]
        assert answers[0]["merchant_delayed_count_1d"] == answers[1]["merchant_delayed_count_1d"] == 1
        assert answers[0]["merchant_fraud_rate_1d"] == answers[1]["merchant_fraud_rate_1d"] == 0

    def test_judged_payments_are_those_whose_label_is_known_by_now_good_ones_too(self) -> None:
        specs = tuple(FeatureSpec(Entity.MERCHANT, one, 96) for one in (Aggregate.JUDGED, Aggregate.JUDGED_FRAUD_RATE))
        said = [payment(1, DAY, label=1), payment(2, DAY, label=0), payment(3, DAY, label=None)]
        said.append(payment(4, DAY, label=0, label_time=START + 4 * DAY))
        asked = [payment(10 + n, moment) for n, moment in enumerate((3 * DAY - MICROSECOND, 3 * DAY, 4 * DAY))]
        found = folded([*said, *asked], specs, 2 * DAY)
        values = [tuple(found[row["transaction_id"]][spec.name] for spec in specs) for row in asked]
        assert values == [(0, None), (2, 1 / 2), (3, 1 / 3)]


class TestColumns:
    MEAN = FeatureSpec(Entity.ACCOUNT, Aggregate.AMOUNT_MEAN, 7 * 24)

    def test_amounts_of_different_currencies_are_only_added_when_the_currency_means_nothing(self) -> None:
        rows = [payment(1, DAY, amount=Decimal(1000), currency="JPY"), payment(2, 2 * DAY, amount=Decimal(10))]
        name = "account_amount_mean_7d"
        assert folded(rows, (self.MEAN,), DAY, by_currency=True)["t002"][name] == 10
        assert folded(rows, (self.MEAN,), DAY)["t002"][name] == 505

    def test_features_of_an_absent_entity_are_null(self) -> None:
        rows = [payment(1, DAY, source_ip_id=None), payment(2, DAY, source_ip_id=None)]
        specs = tuple(FeatureSpec(Entity.SOURCE_IP, aggregate, 24) for aggregate in Aggregate)
        for row in folded(rows, specs, DAY).values():
            assert all(row[spec.name] is None for spec in specs)

    def test_identity_label_and_own_columns_are_passed_on_in_front_of_the_features(self) -> None:
        rows = [payment(1, DAY, label=1, label_time=START + 2 * DAY)]
        row = folded(rows, (self.MEAN,), DAY, own_columns=("source_line",))["t001"]
        assert list(row) == [*PASSED_ON, "source_line", "amount", *CYCLES, "account_amount_mean_7d"]
        assert (row["label"], row["known_at"], row["source_line"], row["amount"]) == (1, START + 2 * DAY, 1, 10)

    def test_the_day_and_the_week_are_circles_that_begin_at_midnight_and_on_monday(self) -> None:
        rows = [payment(n, moment) for n, moment in enumerate([timedelta(0), timedelta(hours=6), timedelta(days=3.5)])]
        found = folded(rows, (), DAY)

        def circles(number: int) -> list[float]:
            return [found[f"t00{number}"][name] for name in CYCLES]

        assert circles(0) == pytest.approx([0, 1, 0, 1], abs=1e-12)
        assert circles(1)[:2] == pytest.approx([1, 0], abs=1e-12)
        assert circles(2) == pytest.approx([0, -1, 0, -1], abs=1e-12)

    def test_what_has_no_amount_has_no_sum_though_others_had_one_before(self) -> None:
        rows = [payment(1, timedelta(0)), payment(2, 2 * DAY, amount=None), payment(3, 2.5 * DAY)]
        found = folded(rows, (FeatureSpec(Entity.ACCOUNT, Aggregate.AMOUNT_SUM, 24),), DAY)
        assert [found[f"t00{n}"]["account_amount_sum_1d"] for n in (1, 2, 3)] == [10, None, 10]

    def test_the_largest_amount_leaves_with_its_window(self) -> None:
        """Falling amounts: the largest is the oldest one that is still in."""
        rows = [payment(n, n * timedelta(hours=5), amount=Decimal(99 - n)) for n in range(60)]
        found = folded(rows, (FeatureSpec(Entity.ACCOUNT, Aggregate.AMOUNT_MAX, 24),), DAY)
        assert [found[f"t{n:03d}"]["account_amount_max_1d"] for n in range(60)] == [
            99 - max(n - 4, 0) for n in range(60)
        ]

    def test_accounts_and_merchants_are_counted_apart(self) -> None:
        """A merchant that is back before it left counts once, and leaves with its last payment."""
        pairs = [("a", "m"), ("b", "m"), ("a", "n"), ("a", "m"), ("b", None), (None, "n"), ("b", "m")]
        rows = [payment(n, n * timedelta(hours=6), account_id=a, merchant_id=m) for n, (a, m) in enumerate(pairs)]
        specs = tuple(
            FeatureSpec(Entity.SOURCE_IP, one, hours)
            for one in (Aggregate.ACCOUNTS, Aggregate.DISTINCT_MERCHANTS)
            for hours in (12, 18)
        )
        found = folded(rows, specs, DAY)
        expected = {
            "accounts_12h": [1, 2, 2, 1, 2, 1, 1], "merchants_12h": [1, 1, 2, 2, 1, 1, 2],
            "accounts_18h": [1, 2, 2, 2, 2, 2, 1], "merchants_18h": [1, 1, 2, 2, 2, 2, 2],
        }  # fmt: skip
        assert {n: [found[f"t00{i}"][f"source_ip_{n}"] for i in range(7)] for n in expected} == expected

    def test_sums_are_exact_for_the_largest_amounts_that_a_payment_can_have(self) -> None:
        most = Decimal("99999999999999.9999")
        rows = [payment(n, n * SECOND, amount=most) for n in range(2000)]
        specs = tuple(
            FeatureSpec(Entity.ACCOUNT, one, 24)
            for one in (Aggregate.AMOUNT_SUM, Aggregate.AMOUNT_MEAN, Aggregate.AMOUNT_MAX, Aggregate.AMOUNT_TO_MEAN)
        )
        last = folded(rows, specs, DAY)["t1999"]
        assert last["account_amount_sum_1d"] == float(2000 * most)
        assert last["account_amount_mean_1d"] == last["account_amount_max_1d"] == float(most)
        assert last["account_amount_to_mean_1d"] == 1

    def test_squares_of_large_amounts_are_added_exactly(self) -> None:
        """Of 64 bits, they would turn over; in floats, the small change would be lost."""
        minor = [20_000_000_000_000 + 10_000 * (n % 2) for n in range(500)]
        limbs = running_squares(np.array(minor))
        assert sum(int(limb[-1]) << 30 * n for n, limb in enumerate(limbs)) == sum(one**2 for one in minor)

    def test_evidence_without_payments_or_features_has_its_columns(self) -> None:
        empty = evidence_of(transactions_schema().empty_table(), DEFAULT_SPECS, label_delay=DAY)
        full = evidence_of(
            pa.Table.from_pylist([payment(1, DAY)], transactions_schema()), DEFAULT_SPECS, label_delay=DAY
        )
        assert (empty.num_rows, full.num_rows) == (0, 1)
        assert empty.schema == full.schema
        assert list(folded([payment(1, DAY)], (), DAY)["t001"]) == [*PASSED_ON, "amount", *CYCLES]

    def test_money_is_added_exactly(self) -> None:
        rows = [payment(n, n * SECOND, amount=Decimal("0.1")) for n in range(10)]
        rows += [payment(10, 10 * SECOND, amount=Decimal("99999999999.9999"))]
        rows += [payment(11, 11 * SECOND, amount=Decimal("0.1"))]
        spec = FeatureSpec(Entity.ACCOUNT, Aggregate.AMOUNT_MAX, 24)
        found = folded(rows, (self.MEAN, spec), DAY)
        assert found["t009"]["account_amount_mean_7d"] == 0.1
        assert found["t011"]["account_amount_max_1d"] == 99999999999.9999


@pytest.mark.parametrize("value", ["label", "label_time", "transaction_id"])
def test_labels_are_no_evidence_of_the_payment_itself(value: str) -> None:
    changed: dict[str, Callable[[Row], Any]] = {
        "label": lambda row: 1 - row["label"],
        "label_time": lambda row: row["event_time"] + 3 * DAY,
        "transaction_id": lambda row: row["transaction_id"] + "x",
    }
    rows = [payment(n, n * DAY / 3) for n in range(12)]
    last = rows[-1]
    before = folded(rows, DEFAULT_SPECS, DAY)[last["transaction_id"]]
    new = last | {value: changed[value](last)}
    after = folded([*rows[:-1], new], DEFAULT_SPECS, DAY)[new["transaction_id"]]
    assert before != after or value == "label_time"
    for name in before.keys() - {"label", "known_at", "transaction_id"}:
        assert before[name] == after[name], name


@settings(deadline=None, max_examples=examples(8), suppress_health_check=[HealthCheck.too_slow])
@given(rows=tables(), chosen=st.sets(st.integers(0, 19)), by_currency=st.booleans())
def test_chosen_payments_get_the_evidence_that_they_have_among_all(
    rows: list[Row], chosen: set[int], by_currency: bool
) -> None:
    table = pa.Table.from_pylist(rows, schema=transactions_schema())
    wanted = np.array([number in chosen for number in range(len(rows))])
    options: dict[str, Any] = {"label_delay": DAY, "by_currency": by_currency}
    every = evidence_of(table, DEFAULT_SPECS, **options).to_pylist()
    some = evidence_of(table, DEFAULT_SPECS, rows=wanted, **options).to_pylist()
    ids = {row["transaction_id"] for row, one in zip(rows, wanted, strict=True) if one}
    assert some == [row for row in every if row["transaction_id"] in ids]


@pytest.mark.parametrize("late", [1, 0])
def test_a_period_has_the_evidence_it_has_within_all_payments(late: int) -> None:
    """Also where a label from long before became known in its windows."""
    specs = (*DEFAULT_SPECS, FeatureSpec(Entity.MERCHANT, Aggregate.JUDGED, 24 * 30))
    rows = [payment(n, n * DAY, label=1, label_time=START + (n + 9) * DAY) for n in range(60)]
    rows.append(payment(90, timedelta(0), label=late, label_time=START + 50 * DAY))
    since, until = START + 45 * DAY, START + 55 * DAY
    everything = pa.Table.from_pylist(rows, schema=transactions_schema())
    with duckdb.connect() as database:
        database.execute("SET TimeZone = 'UTC'")
        database.register("transactions", everything)
        condition = read_back(specs, 2 * DAY, since, until)
        seen = database.sql(f"FROM transactions WHERE {condition}").to_arrow_table()
    assert seen.num_rows < everything.num_rows
    found = []
    for table in (everything, seen):
        times = [row["event_time"] for row in table.to_pylist()]
        inside = np.array([since <= time < until for time in times])
        found.append(evidence_of(table, specs, label_delay=2 * DAY, rows=inside))
    assert found[0].num_rows == 10
    assert found[0].equals(found[1])


def test_a_span_without_ends_is_everything() -> None:
    assert during(None, None) == "true"
    assert read_back(DEFAULT_SPECS, DAY, None, None) == "true"


PLAIN_RUN = """
import sys
import pyarrow as pa
from datetime import timedelta
from counterfoil.domain.features import values
from counterfoil.domain.features.fold import evidence_of
from counterfoil.domain.features.spec import DEFAULT_SPECS

assert not hasattr(values.payments, "py_func")  # not compiled
with pa.ipc.open_file(sys.argv[1]) as source:
    table = source.read_all()
evidence = evidence_of(table, DEFAULT_SPECS, label_delay=timedelta(days=1), by_currency=True)
with pa.ipc.new_file(sys.argv[2], evidence.schema) as target:
    target.write_table(evidence)
"""


@pytest.mark.slow
def test_the_same_source_run_by_python_gives_the_same_evidence(tmp_path: Path) -> None:
    rows = [
        payment(
            n, n * timedelta(hours=5), amount=Decimal(n * n % 17), currency="EU"[n % 2], account_id="ab"[n % 3 % 2],
            merchant_id="mn"[n % 5 % 2], source_ip_id=None if n % 7 == 0 else "i", label=int(n % 4 == 0),
        )
        for n in range(60)
    ]  # fmt: skip
    table = pa.Table.from_pylist(rows, schema=transactions_schema())
    given_file, made = tmp_path / "given.arrow", tmp_path / "made.arrow"
    with pa.ipc.new_file(str(given_file), table.schema) as target:
        target.write_table(table)
    command = [sys.executable, "-c", PLAIN_RUN, str(given_file), str(made)]
    subprocess.run(command, env={**os.environ, "NUMBA_DISABLE_JIT": "1"}, check=True)
    with pa.ipc.open_file(str(made)) as source:
        plain = source.read_all()
    assert plain.equals(evidence_of(table, DEFAULT_SPECS, label_delay=DAY, by_currency=True))


@settings(deadline=None, max_examples=examples(8), suppress_health_check=[HealthCheck.too_slow])
@given(rows=tables(), delay=DELAYS)
def test_an_entity_that_a_mapping_declares_is_folded_as_the_built_in_ones(rows: list[Row], delay: timedelta) -> None:
    pair = OwnEntity("own", Entity.ACCOUNT_CATEGORY.columns)
    own = tuple(FeatureSpec(pair, aggregate, 72) for aggregate in Aggregate)
    built_in = tuple(FeatureSpec(Entity.ACCOUNT_CATEGORY, aggregate, 72) for aggregate in Aggregate)
    found = folded(rows, (*own, *built_in), delay)
    for row in found.values():
        assert [row[spec.name] for spec in own] == [row[spec.name] for spec in built_in]


@settings(deadline=None, max_examples=examples(8), suppress_health_check=[HealthCheck.too_slow])
@given(rows=tables(), delay=DELAYS)
def test_a_lifetime_is_a_window_of_all_that_was_before(rows: list[Row], delay: timedelta) -> None:
    specs = tuple(spec for spec in specs_with({"place": ("category",)}) if spec.hours == EVER)
    assert {spec.aggregate for spec in specs} >= {Aggregate.COUNT, Aggregate.FRAUDS, Aggregate.AMOUNT_TO_MEAN}
    found = folded(rows, specs, delay)
    for row in rows:
        for spec in specs:
            assert_same(spec, found[row["transaction_id"]][spec.name], naive(row, rows, spec, delay, False))
