"""The Python API's payments one by one: scored, said to be fraud, seen in the next score, taken back."""

from typing import Any

import pytest
from served import own_release

from counterfoil.errors import NotFoundError, UsageError
from counterfoil.insights.lab import Lab

pytestmark = pytest.mark.xdist_group("service")

ALIKE = {"event_time": "2024-02-21T05:10:00Z", "amount": "31.60", "currency": "EUR", "category": "furniture"}


@pytest.fixture(scope="module")
def lab(scoring_place: Any) -> Lab:
    """A workspace with a release of this module's own, in which one word may move what other tests scored."""
    release = own_release(scoring_place, block=0.94)
    settings = {"feedback_acts": True, "feedback_most_changed": 1.0, "service_profile_deadline_ms": 20_000}
    return Lab(scoring_place.open(service_release=release, **settings))


def test_what_is_said_of_one_payment_is_seen_in_the_next_score_and_taken_back(lab: Lab) -> None:
    first = lab.score_payment(transaction_id="lab-1", account="lab-ann", **ALIKE)
    assert first.decision == "allow"
    assert "31.60 EUR" in first._repr_html_()

    wanted = lab.effect_of("lab-1", "fraud", by="ada")
    assert wanted.state == "acts"
    assert "lab-1" not in set(lab.said().pandas()["transaction_id"])
    done = lab.say("lab-1", "fraud", by="ada", reason="a test")
    assert done.state == "acts"
    assert "it is a known fraud now" in done._repr_html_()
    assert "lab-1" in set(lab.said().pandas()["transaction_id"])

    second = lab.score_payment(transaction_id="lab-2", account="lab-bob", **ALIKE)
    assert second.decision != "allow"
    assert second.precedents[0] == "lab-1"
    assert second.signal > first.signal

    lab.say("lab-1", "retracted", by="ada", reason="the test is over")
    third = lab.score_payment(transaction_id="lab-3", account="lab-cid", **ALIKE)
    assert third.decision == "allow"
    assert "lab-1" not in third.precedents
    assert "lab-1" not in set(lab.said().pandas()["transaction_id"])


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"event_time": "soon"}, "the payment cannot be read"),
        ({"ammount": "1.00"}, "a payment has no field 'ammount'"),
    ],
)
def test_a_payment_that_cannot_be_read_is_refused(lab: Lab, changes: dict[str, str], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        lab.score_payment(**{"transaction_id": "lab-4", "account": "lab-dan", **ALIKE, **changes})


def test_a_word_needs_a_scored_payment_a_verdict_a_person_and_a_reason(lab: Lab) -> None:
    lab.score_payment(transaction_id="lab-5", account="lab-eve", **ALIKE)
    with pytest.raises(NotFoundError, match="'nobody' was not scored"):
        lab.say("nobody", "fraud", by="ada", reason="a test")
    with pytest.raises(UsageError, match="'bad' is no verdict: say fraud, good, unsure, retracted"):
        lab.say("lab-5", "bad", by="ada", reason="a test")
    with pytest.raises(UsageError, match=r"say who \(by\) and why"):
        lab.say("lab-5", "fraud", by="ada", reason=" ")
