"""What holds of a payment, of all that people said of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from counterfoil.domain.policy.decide import Decision
from counterfoil.domain.schemas import FRAUD, GOOD

PEOPLE_FOR_GOOD = 2
"""So many different people must say 'good' of a payment that was blocked: one alone could wave a fraud through."""


class Verdict(StrEnum):
    """What somebody says of a payment."""

    FRAUD = "fraud"
    GOOD = "good"
    UNSURE = "unsure"  # looked at and not decided: leaves the queue, changes nothing
    RETRACTED = "retracted"  # what was said before does not count


@dataclass(frozen=True)
class Word:
    """A verdict, who gave it (`principal`, as the service knows them), and what had been decided on the payment."""

    verdict: str
    principal: str
    decision: str | None = None


def label_that_holds(words: Sequence[Word]) -> int | None:
    """The label of a payment after these words, oldest first; None if there is none.

    >>> label_that_holds([Word("good", "ada", "block")])
    >>> label_that_holds([Word("good", "ada", "block"), Word("good", "bob", "block")])
    0
    """
    label, backers = None, set[str]()
    for word in words:
        if word.verdict == Verdict.UNSURE:
            continue
        if word.verdict != Verdict.GOOD:
            label, backers = (FRAUD if word.verdict == Verdict.FRAUD else None), set()
            continue
        backers.add(word.principal)
        if word.decision != Decision.BLOCK or len(backers) >= PEOPLE_FOR_GOOD:
            label = GOOD
    return label


def awaits_another(words: Sequence[Word]) -> bool:
    """Whether the last word is a 'good' that does not count until somebody else says it too."""
    return bool(words) and words[-1].verdict == Verdict.GOOD and label_that_holds(words) != GOOD
