"""How long histories are waited for, and what makes the scorer ask the profile store no more for a while."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from counterfoil.steps.scoring.score_one import OnlineScorer


@pytest.fixture
def scorer() -> Any:
    nothing: Any = None
    scorer = OnlineScorer(nothing, nothing, nothing, deadline=timedelta(milliseconds=20))
    yield scorer
    scorer.close()


def test_a_history_that_is_long_to_fold_lets_the_next_ones_be_read(scorer: OnlineScorer) -> None:
    end = threading.Event()

    def folds_for_long(answered: Callable[[], None]) -> None:
        answered()
        end.wait()

    assert scorer._asked(folds_for_long) == (None, "the history was not folded within 0.02 s")
    end.set()
    assert scorer._asked(lambda _: "read") == ("read", None)


def test_a_store_that_does_not_answer_is_not_asked_again_at_once(scorer: OnlineScorer) -> None:
    end = threading.Event()
    assert scorer._asked(lambda _: end.wait()) == (None, "the profile store did not answer within 0.02 s")
    end.set()
    assert scorer._asked(lambda _: "read") == (None, "the profile store did not answer a moment ago")
