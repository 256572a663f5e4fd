"""A decision follows from the signal and the release's thresholds, and from nothing else."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil.domain.policy.decide import Decision, decide
from counterfoil.domain.policy.thresholds import Thresholds

SIGNALS = np.array([0.0, 0.499, 0.5, 0.899, 0.9, 1.0])


@pytest.mark.parametrize(
    ("thresholds", "expected"),
    [
        (Thresholds(review=0.5, block=0.9), ["allow", "allow", "review", "review", "block", "block"]),
        (Thresholds(review=0.5), ["allow", "allow", "review", "review", "review", "review"]),
        (Thresholds(block=0.9), ["allow", "allow", "allow", "allow", "block", "block"]),
        (Thresholds(), ["allow"] * 6),
    ],
)
def test_a_threshold_is_reached_from_its_own_value_on(thresholds: Thresholds, expected: list[str]) -> None:
    assert decide(SIGNALS, thresholds).to_pylist() == expected


@given(st.lists(st.floats(0, 1), max_size=30), st.floats(0, 1), st.floats(0, 1))
def test_a_riskier_payment_is_never_treated_more_kindly(signals: list[float], one: float, other: float) -> None:
    review, block = sorted((one, other))
    severity = [
        list(Decision).index(Decision(name))
        for name in decide(np.sort(np.array(signals)), Thresholds(review, block)).to_pylist()
    ]
    assert severity == sorted(severity)


def test_no_payment_gives_no_decision() -> None:
    assert len(decide(np.empty(0), Thresholds(0.5, 0.9))) == 0
