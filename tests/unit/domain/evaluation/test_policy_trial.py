"""Two policies on the same payments: figures that can be counted by hand, and paired intervals by account."""

import numpy as np
import pytest

from counterfoil.domain.evaluation.alert_costs import AlertCosts
from counterfoil.domain.evaluation.policy_trial import try_policy

LABEL = np.array([1.0, 1.0, 0.0, 0.0, np.nan])
AMOUNT = np.array([100.0, 50.0, 10.0, np.nan, 7.0])
ACCOUNT = np.array(["a", "b", "a", None, "c"], dtype=object)


def flags(*rows: int, size: int = 5) -> np.ndarray:
    return np.isin(np.arange(size), rows)


def test_what_two_policies_come_to() -> None:
    trial = try_policy(LABEL, flags(0, 2, 4), flags(1), flags(0, 1, 2, 4), AMOUNT, ACCOUNT, AlertCosts(5, 5, 1.0))
    assert trial.tried == {
        "alerts": 3.0, "precision": 0.5, "recall": 0.5, "money_caught": 100.0, "money_gained": 100.0 - 15 - 5,
    }  # fmt: skip
    assert trial.today == {
        "alerts": 1.0, "precision": 1.0, "recall": 0.5, "money_caught": 50.0, "money_gained": 45.0,
    }  # fmt: skip
    assert (trial.payments, trial.unlabelled, trial.frauds, trial.changed) == (5, 1, 2, 4)
    assert trial.differences["money_gained"].value == 35.0
    assert trial.differences["alerts"].low is None  # two accounts with frauds are too few


def test_where_nothing_is_alerted_on_precision_is_unknown() -> None:
    trial = try_policy(LABEL, flags(), flags(1), flags(1), AMOUNT, ACCOUNT)
    assert trial.tried["precision"] is None
    assert trial.differences["precision"].value is None


def test_the_interval_of_a_sure_lead_is_above_nothing() -> None:
    rng = np.random.default_rng(0)
    label = (rng.random(4_000) < 0.1).astype(np.float64)
    account = np.array([f"a{number % 200}" for number in range(4_000)], dtype=object)
    good = label == 1
    trial = try_policy(label, good, good & (rng.random(4_000) < 0.5), good, np.full(4_000, 10.0), account, draws=100)
    recall = trial.differences["recall"]
    assert recall.low is not None
    assert 0.4 < recall.low < recall.value < recall.high < 0.6
    again = try_policy(label, good, good, ~good & good, np.full(4_000, 10.0), account, draws=20)
    assert again.differences["alerts"].low == again.differences["alerts"].high == 0.0
    assert trial.tried["recall"] == pytest.approx(1.0)
