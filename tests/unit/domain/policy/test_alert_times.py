"""The budget is kept on every day, goes to the riskiest, and does not depend on the order of the rows."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterfoil.domain.policy.alert_times import ANYTHING, alert_times, least_risk

START = np.datetime64("2026-03-01T00:00:00", "us")


def payments(minutes: list[int], risk: list[float]) -> tuple[np.ndarray, np.ndarray, list[str]]:
    times = START + np.array(minutes, dtype="timedelta64[m]")
    return times, np.array(risk), [f"t{number:04d}" for number in range(len(minutes))]


def most_on_a_day(sent: np.ndarray) -> int:
    days = sent[~np.isnat(sent)].astype("datetime64[D]")
    return int(np.unique(days, return_counts=True)[1].max(initial=0))


ROWS = st.lists(st.tuples(st.integers(0, 4 * 24 * 60), st.sampled_from([0.1, 0.2, 0.5, 0.9])), max_size=60)


@settings(max_examples=60, deadline=None)
@given(ROWS, st.integers(0, 6), st.randoms(use_true_random=False))
def test_no_day_has_more_and_the_order_of_rows_changes_nothing(
    rows: list[tuple[int, float]], per_day: int, random
) -> None:  # type: ignore[no-untyped-def]
    times, risk, ids = payments([minute for minute, _ in rows], [r for _, r in rows])
    sent = alert_times(times, risk, ids, per_day, held_for=timedelta(minutes=5))
    assert most_on_a_day(sent) <= per_day
    mixed = list(range(len(rows)))
    random.shuffle(mixed)
    again = alert_times(times[mixed], risk[mixed], [ids[row] for row in mixed], per_day, held_for=timedelta(minutes=5))
    assert {ids[row] for row in np.flatnonzero(~np.isnat(sent))} == {
        ids[mixed[row]] for row in np.flatnonzero(~np.isnat(again))
    }


def test_the_riskiest_that_wait_are_first() -> None:
    times, risk, ids = payments([1] * 20, [number / 20 for number in range(20)])
    sent = alert_times(times, risk, ids, 8, held_for=timedelta(minutes=5))
    assert np.flatnonzero(~np.isnat(sent)).tolist() == [17, 18, 19]  # a quarter of 8 and a little


def test_a_surge_in_the_morning_leaves_something_for_the_evening() -> None:
    surge = [6 * 60] * 500
    times, risk, ids = payments([*surge, 20 * 60], [*[0.9] * 500, 0.99])
    sent = alert_times(times, risk, ids, 100)
    assert not np.isnat(sent[500])
    assert (~np.isnat(sent[:500])).sum() < 100
    assert most_on_a_day(sent) <= 100


def test_what_waited_too_long_is_not_sent() -> None:
    times, risk, ids = payments([1] * 10, [0.9] * 10)
    assert (~np.isnat(alert_times(times, risk, ids, 4, held_for=timedelta(hours=1)))).sum() == 2
    assert (~np.isnat(alert_times(times, risk, ids, 4, held_for=timedelta(hours=23)))).sum() == 4


@pytest.mark.parametrize("rows", [0, 1])
def test_few_payments(rows: int) -> None:
    times, risk, ids = payments([1] * rows, [0.9] * rows)
    assert (~np.isnat(alert_times(times, risk, ids, 5))).sum() == rows


def busy_days(days: int) -> tuple[list[int], list[float]]:
    """Ten payments of risk 0.9 at noon of each day."""
    return [day * 24 * 60 + 12 * 60 for day in range(days) for _ in range(10)], [0.9] * 10 * days


@pytest.mark.parametrize(("days", "hour", "is_sent"), [(3, 1, False), (2, 1, True), (3, 17, False), (3, 19, True)])
def test_a_quiet_night_does_not_use_what_the_days_frauds_need(days: int, hour: int, is_sent: bool) -> None:
    minutes, risk = busy_days(days)
    times, risks, ids = payments([*minutes, (days * 24 + hour) * 60], [*risk, 0.3])
    assert np.isnat(alert_times(times, risks, ids, 4, held_for=timedelta(minutes=5))[-1]) != is_sent


def test_days_with_fewer_alerts_than_the_budget_hold_nothing_back() -> None:
    minutes, risk = busy_days(5)
    times, risks, ids = payments([*minutes, (5 * 24 + 1) * 60], [*risk, 0.3])
    assert not np.isnat(alert_times(times, risks, ids, 11)[-1])


def test_what_is_as_risky_as_before_is_sent_at_once() -> None:
    minutes, risk = busy_days(3)
    times, risks, ids = payments([*minutes, (3 * 24 + 1) * 60], [*risk, 0.9])
    sent = alert_times(times, risks, ids, 4)[-1]
    assert sent - times[-1] <= np.timedelta64(5, "m")


def test_the_live_rule_is_that_of_the_past() -> None:
    night, evening = datetime(2026, 3, 8, 1, tzinfo=UTC), datetime(2026, 3, 8, 18, tzinfo=UTC)
    assert least_risk(night, [0.9, 0.2, 0.7]) == 0.7
    assert least_risk(night, [0.9, 0.2, 0.7, 0.8]) == 0.7
    assert least_risk(night, [0.9, 0.2]) == least_risk(evening, [0.9, 0.2, 0.7]) == ANYTHING
