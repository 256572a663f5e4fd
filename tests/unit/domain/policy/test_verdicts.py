"""What holds of a payment, of all that people said of it."""

import pytest

from counterfoil.domain.policy.verdicts import Word, awaits_another, label_that_holds


def words(*said: str, decision: str = "review") -> list[Word]:
    return [Word(verdict, who, decision) for verdict, who in (one.split() for one in said)]


@pytest.mark.parametrize(
    ("said", "label"),
    [
        ([], None),
        (["fraud ada"], 1),
        (["good ada"], 0),
        (["fraud ada", "good bob"], 0),
        (["fraud ada", "unsure bob"], 1),
        (["fraud ada", "retracted ada"], None),
        (["fraud ada", "retracted ada", "fraud ada"], 1),
    ],
)
def test_the_last_word_holds(said: list[str], label: int | None) -> None:
    assert label_that_holds(words(*said)) == label


@pytest.mark.parametrize(
    ("said", "label", "awaits"),
    [
        (["good ada"], None, True),
        (["good ada", "good ada"], None, True),
        (["good ada", "unsure bob", "good bob"], 0, False),
        (["good ada", "fraud bob", "good bob"], 1, True),
        (["fraud ada", "good ada"], 1, True),
        (["fraud ada", "good ada", "good bob"], 0, False),
        (["good ada", "retracted ada", "good bob"], None, True),
    ],
)
def test_a_blocked_payment_is_good_when_two_people_say_so(said: list[str], label: int | None, awaits: bool) -> None:
    spoken = words(*said, decision="block")
    assert (label_that_holds(spoken), awaits_another(spoken)) == (label, awaits)
