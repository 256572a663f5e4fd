"""What is made ahead comes in order, and a failure comes in its turn."""

import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from counterfoil.steps.lake.ahead import ahead


def test_pieces_come_in_order_and_the_next_is_made_meanwhile() -> None:
    begun = threading.Event()

    def pieces() -> Iterator[int]:
        yield 1
        begun.set()
        yield 2

    with closing(ahead(pieces())) as made:
        assert next(made) == 1
        assert begun.wait(10)  # nobody has asked for the second one
        assert list(made) == [2]


def test_a_failure_comes_after_the_pieces_before_it() -> None:
    def pieces() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    made = ahead(pieces())
    assert next(made) == 1
    with pytest.raises(ValueError, match="broken"):
        next(made)


def test_nothing_is_made_any_more_when_it_is_closed() -> None:
    made = []

    def pieces() -> Iterator[int]:
        for number in range(1, 1000):
            made.append(number)
            yield number

    before = set(threading.enumerate())
    with closing(ahead(pieces())) as some:
        next(some)
    assert len(made) <= 2
    assert set(threading.enumerate()) <= before
