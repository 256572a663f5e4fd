"""How long work tells how far it is; the CLI turns this into a progress bar."""

from collections.abc import Callable
from dataclasses import dataclass


def _say_nothing(_: str) -> None:
    return


def _count_nothing(_done: int, _all: int) -> None:
    return


@dataclass(frozen=True)
class Steps:
    """`tell` is given what begins now; `count` how many rows are done, of how many."""

    tell: Callable[[str], None] = _say_nothing
    count: Callable[[int, int], None] = _count_nothing
