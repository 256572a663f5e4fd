"""Shares of alerts of two releases on the same payments."""

import numpy as np
import pytest

from counterfoil.domain.evaluation.alert_shares import compare_alerts


def test_shares_and_their_difference() -> None:
    first, second = np.array([True, True, False, False]), np.array([True, False, False, False])
    found = compare_alerts(first, second, np.array(["a", "b", "c", "d"], dtype=object))
    assert (found.first, found.second) == (0.5, 0.25)
    assert found.difference.value == 0.25
    assert (found.difference.low, found.difference.high) == (None, None)  # four accounts are too few


def test_the_interval_is_of_whole_accounts() -> None:
    rng = np.random.default_rng(0)
    account = np.repeat(np.arange(50), 40)
    second = rng.random(account.size) < 0.1
    first = second | np.isin(account, (3, 17))  # all that is more is of two accounts
    names = np.array([f"a{number}" for number in account], dtype=object)
    by_account = compare_alerts(first, second, names).difference
    by_payment = compare_alerts(first, second, np.array([None] * account.size, dtype=object)).difference
    assert by_account.value == by_payment.value == pytest.approx(first.mean() - second.mean())
    assert by_account.low is not None
    assert by_account.high is not None
    assert by_payment.low is not None
    assert by_payment.high is not None
    assert by_account.low <= by_account.value <= by_account.high  # type: ignore[operator]
    assert by_account.high - by_account.low > 3 * (by_payment.high - by_payment.low)


def test_the_same_alerts_differ_by_nothing() -> None:
    alerts = np.arange(40) % 7 == 0
    found = compare_alerts(alerts, alerts, np.array([f"a{number % 20}" for number in range(40)], dtype=object))
    assert (found.difference.value, found.difference.low, found.difference.high) == (0, 0, 0)
