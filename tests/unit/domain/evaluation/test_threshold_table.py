"""The table of thresholds against counting by hand, and what it says where something is not defined."""

import json
import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterfoil.domain.evaluation.alert_costs import AlertCosts
from counterfoil.domain.evaluation.threshold_table import OperatingPoint, ThresholdTable, threshold_table
from counterfoil.domain.policy.thresholds import Thresholds
from counterfoil.errors import UsageError

COSTS = AlertCosts(cost_per_alert=1.0, cost_per_false_alarm=0.5, recovered=0.75)
START = np.datetime64("2024-03-01T22:00:00", "us")


@dataclass(frozen=True)
class Row:
    """A payment; `hours` after the start, `amount` None where it is not known."""

    signal: float
    label: int
    amount: float | None = None
    hours: int = 0
    currency: str | None = "EUR"
    weight: float = 1.0


def table_of(rows: list[Row], **options: Any) -> ThresholdTable:
    return threshold_table(
        np.array([row.signal for row in rows]),
        np.array([row.label for row in rows], dtype=np.int8),
        np.array([np.nan if row.amount is None else row.amount for row in rows]),
        START + np.array([row.hours for row in rows]) * np.timedelta64(1, "h"),
        currency=pa.array([row.currency for row in rows], pa.string()),
        weights=np.array([row.weight for row in rows]),
        **{"costs": COSTS, "alerts_per_day": (1, 2, 5)} | options,
    )


# Signals of eight distinct values, so that there are ties; money in quarters and weights in halves, which add up
# exactly.
ROWS = st.lists(
    st.builds(
        Row,
        signal=st.integers(0, 7).map(lambda eighth: eighth / 8),
        label=st.sampled_from([1, 0, -1]),
        amount=st.none() | st.integers(0, 80).map(lambda quarters: quarters / 4),
        hours=st.integers(0, 120),
        currency=st.sampled_from(["EUR", "EUR", "USD", None]),
        weight=st.sampled_from([1.0, 1.0, 2.5]),
    ),
    min_size=1,
    max_size=40,
)


def day(row: Row) -> int:
    return (22 + row.hours) // 24


def days_of(rows: list[Row]) -> int:
    return max(map(day, rows)) - min(map(day, rows)) + 1


def counted(rows: list[Row], threshold: float, costs: AlertCosts = COSTS) -> OperatingPoint:
    """A point as one would count it, with a loop over the payments."""
    alerts = [row for row in rows if row.signal >= threshold]
    names = {row.currency for row in rows}
    chosen = min(names, key=lambda n: (-sum(row.currency == n for row in rows), n is None, n or ""))
    money = [row for row in rows if row.currency == chosen]

    def weight(some: list[Row], *labels: int) -> float:
        return sum(row.weight for row in some if row.label in labels)

    def stolen(some: list[Row]) -> float:
        return sum(row.weight * (row.amount or 0) for row in some if row.label == 1)

    frauds, goods = weight(alerts, 1), weight(alerts, 0)
    priced = [row for row in alerts if row.currency == chosen]
    spent = costs.cost_per_alert * weight(priced, 1, 0, -1) + costs.cost_per_false_alarm * weight(priced, 0)
    busiest = max(sum(row.weight for row in alerts if day(row) == d) for d in map(day, rows))
    return OperatingPoint(
        threshold=threshold,
        alerts_per_day=weight(alerts, 1, 0, -1) / days_of(rows),
        busiest_day=busiest,
        recall=frauds / weight(rows, 1) if weight(rows, 1) else None,
        recall_by_amount=stolen(priced) / stolen(money) if stolen(money) else None,
        precision=frauds / (frauds + goods) if frauds + goods else None,
        false_alarms_per_fraud=goods / frauds if frauds else None,
        money_saved=costs.recovered * stolen(priced) - spent if any(row.amount is not None for row in money) else None,
    )


def same(found: OperatingPoint, expected: OperatingPoint) -> bool:
    pairs = zip(vars(found).values(), vars(expected).values(), strict=True)
    return all(a == b if a is None or b is None else math.isclose(a, b, abs_tol=1e-9) for a, b in pairs)


@settings(deadline=None)
@given(rows=ROWS, budget=st.integers(1, 12))
def test_a_budget_gets_the_lowest_signal_that_it_affords(rows: list[Row], budget: int) -> None:
    ((_, found),) = table_of(rows, alerts_per_day=(budget,)).by_budget
    points = [counted(rows, signal) for signal in {row.signal for row in rows}]
    affordable = [point for point in points if point.alerts_per_day <= budget + 1e-9]
    if affordable:
        assert same(found, min(affordable, key=lambda point: point.threshold or 0))
    else:
        assert (found.threshold, found.alerts_per_day, found.busiest_day) == (None, 0, 0)
        assert found.money_saved in (0, None)


@settings(deadline=None)
@given(rows=ROWS, review=st.integers(-1, 17), block=st.none() | st.integers(-1, 17))
def test_the_release_s_own_thresholds_are_held_against_the_payments(
    rows: list[Row], review: int, block: int | None
) -> None:
    own = Thresholds(review / 16, None if block is None else block / 16)
    table = table_of(rows, thresholds=own)
    assert table.review is not None
    assert own.review is not None
    assert same(table.review, counted(rows, own.review))
    if own.block is None:
        assert table.block is None
    else:
        assert table.block is not None
        assert same(table.block, counted(rows, own.block))


@pytest.mark.slow
@settings(deadline=None)
@given(rows=ROWS, dear=st.booleans())
def test_the_best_point_saves_the_most_with_the_fewest_alerts(rows: list[Row], dear: bool) -> None:
    costs = replace(COSTS, cost_per_alert=6.0) if dear else COSTS
    best = table_of(rows, costs=costs).best
    points = [counted(rows, signal, costs) for signal in {row.signal for row in rows}]
    saving = [point for point in points if point.money_saved is not None and point.money_saved > 0]
    if not saving:
        assert best is None
    else:
        assert best is not None
        assert same(best, max(saving, key=lambda point: (point.money_saved, point.threshold)))


def test_money_is_what_is_recovered_less_alerts_and_false_alarms() -> None:
    rows = [Row(0.9, 1, 100.0), Row(0.8, 0, 7.0), Row(0.7, 1, 40.0, hours=30), Row(0.6, 0, 9.0), Row(0.1, -1, 500.0)]
    costs = AlertCosts(cost_per_alert=2.0, cost_per_false_alarm=3.0, recovered=0.5)
    table = table_of(rows, costs=costs, alerts_per_day=(1, 2), thresholds=Thresholds(0.65, 0.85))
    # Two days have a payment and one lies between: 3 alerts are 1 a day.
    assert (table.days, table.payments, table.frauds, table.currency) == (3, 5, 2, "EUR")
    (_, one), (_, two) = table.by_budget
    assert one == OperatingPoint(0.7, 1.0, 2.0, 1.0, 1.0, 2 / 3, 0.5, 0.5 * 140 - 3 * 2 - 3)
    assert two == OperatingPoint(0.1, 5 / 3, 4.0, 1.0, 1.0, 0.5, 1.0, 0.5 * 140 - 5 * 2 - 2 * 3)
    assert table.review == replace(one, threshold=0.65)
    assert table.block == OperatingPoint(0.85, 1 / 3, 1.0, 0.5, 100 / 140, 1.0, 0.0, 0.5 * 100 - 2)
    assert table.best == one


def test_payments_of_one_signal_are_never_told_apart() -> None:
    rows = [Row(0.9, int(n == 0), 10.0) for n in range(4)] + [Row(0.5, 0, 10.0)]
    table = table_of(rows, alerts_per_day=(3, 4))
    (_, three), (_, four) = table.by_budget
    assert (three.threshold, three.recall, three.precision, three.money_saved) == (None, 0.0, None, 0.0)
    assert (four.threshold, four.recall, four.precision) == (0.9, 1.0, 0.25)
    assert table.notes == (
        "payments of one signal are never told apart: the highest alone are more than 3 alerts a day",
    )


def test_without_frauds_recall_is_not_defined_and_every_alert_loses() -> None:
    table = table_of([Row(0.9, 0, 10.0), Row(0.5, 0, 20.0)], alerts_per_day=(1,))
    ((_, point),) = table.by_budget
    assert (point.recall, point.recall_by_amount, point.precision) == (None, None, 0.0)
    assert (point.false_alarms_per_fraud, point.money_saved) == (None, -1.5)
    assert table.best is None


def test_without_amounts_no_money_is_counted() -> None:
    table = table_of([Row(0.9, 1), Row(0.5, 0)], alerts_per_day=(1,))
    ((_, point),) = table.by_budget
    assert (point.recall, point.recall_by_amount, point.money_saved) == (1.0, None, None)
    assert (table.best, table.money_known) == (None, False)
    assert table.notes == ("no payment has an amount: no money is counted",)


def test_a_missing_amount_counts_as_nothing_and_is_told() -> None:
    table = table_of([Row(0.9, 1), Row(0.5, 1, 20.0)], thresholds=Thresholds(0.9))
    assert table.review is not None
    assert (table.review.recall, table.review.recall_by_amount, table.review.money_saved) == (0.5, 0.0, -1.0)
    assert table.notes == ("payments without an amount: 1; it counts as 0",)


def test_amounts_of_other_currencies_are_left_out_with_the_costs_of_their_alerts() -> None:
    rows = [Row(0.9, 1, 10.0, currency="USD"), Row(0.8, 1, 4.0), Row(0.7, 0, 5.0), Row(0.6, 1, 99.0, currency=None)]
    table = table_of(rows, thresholds=Thresholds(0.5))
    assert table.currency == "EUR"
    assert table.review is not None
    assert (table.review.alerts_per_day, table.review.recall) == (4.0, 1.0)
    assert table.review.money_saved == 0.75 * 4 - 2 * 1 - 0.5
    (note,) = table.notes
    assert "money is that of the payments in EUR, 2 of 4," in note
    assert "different currencies (3 here" in note


@pytest.mark.parametrize(
    ("currencies", "expected"),
    [(("USD", "EUR"), "EUR"), ((None, "USD"), "USD"), ((None, None, "USD"), None), ((None, None), None)],
)
def test_the_most_common_currency_is_chosen(currencies: tuple[str | None, ...], expected: str | None) -> None:
    table = table_of([Row(0.5, 1, 1.0, currency=name) for name in currencies], alerts_per_day=(5,))
    assert table.currency == expected
    assert bool(table.notes) is (len(set(currencies)) > 1)


def test_an_unlabelled_payment_is_an_alert_and_neither_right_nor_wrong() -> None:
    table = table_of([Row(0.9, -1, 10.0), Row(0.8, 1, 10.0), Row(0.1, 0, 1.0)], thresholds=Thresholds(0.8))
    assert table.review is not None
    assert (table.review.alerts_per_day, table.review.precision, table.review.recall) == (2.0, 1.0, 1.0)
    assert table.review.money_saved == 0.75 * 10 - 2
    assert table.notes == ("payments without a label: 1; alerts on them cost, and count as neither right nor wrong",)


def test_weights_count_the_payments_that_were_not_sampled() -> None:
    rows = [Row(0.9, 1, 10.0), Row(0.8, 0, 10.0, weight=40.0), Row(0.1, 0, 10.0, weight=40.0)]
    ((_, point),) = table_of(rows, alerts_per_day=(41,)).by_budget
    assert (point.threshold, point.alerts_per_day, point.precision) == (0.8, 41.0, 1 / 41)
    assert point.money_saved == 7.5 - 41 - 20


def test_it_is_fit_for_json() -> None:
    table = table_of([Row(0.9, 1, 10.0), Row(0.9, 0)], alerts_per_day=(5, 1, 5), thresholds=Thresholds(0.5))
    plain = json.loads(json.dumps(table.as_dict(), allow_nan=False))
    assert [entry["alert_budget"] for entry in plain["by_budget"]] == [1, 5]
    assert plain["by_budget"][0]["threshold"] is None
    assert (plain["review"]["threshold"], plain["block"]) == (0.5, None)
    assert plain["costs"] == {"cost_per_alert": 1.0, "cost_per_false_alarm": 0.5, "recovered": 0.75}


@pytest.mark.parametrize(
    ("row", "options", "message"),
    [
        (Row(math.nan, 1), {}, "finite"),
        (Row(0.5, 2), {}, "label"),
        (Row(0.5, 1, -1.0), {}, "amounts"),
        (Row(0.5, 1, math.inf), {}, "amounts"),
        (Row(0.5, 1, weight=-1.0), {}, "weights"),
        (Row(0.5, 1), {"alerts_per_day": (0, 5)}, "1 or more"),
        (Row(0.5, 1), {"alerts_per_day": ()}, "1 or more"),
    ],
)
def test_what_makes_no_sense_is_refused(row: Row, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        table_of([row], **options)


def test_no_payments_and_unequal_lengths_are_refused() -> None:
    with pytest.raises(UsageError, match="no payment"):
        table_of([])
    with pytest.raises(UsageError, match="differ in length"):
        threshold_table(np.ones(2), np.ones(1, np.int8), np.ones(2), np.array([START, START]))


@pytest.mark.parametrize(
    ("name", "value"),
    [("cost_per_alert", -1.0), ("cost_per_false_alarm", math.inf), ("recovered", 1.5), ("recovered", math.nan)],
)
def test_costs_that_make_no_sense_are_refused(name: str, value: float) -> None:
    with pytest.raises(UsageError, match=name):
        AlertCosts(**{name: value})
