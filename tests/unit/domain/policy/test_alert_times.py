"""The budget is kept on every day, goes to the riskiest, and does not depend on the order of the rows."""

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterfoil.domain.policy.alert_times import alert_times

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
