"""How work says how far it is; the CLI turns this into a progress bar, a container into its log."""

from collections.abc import Callable
from dataclasses import dataclass


def _say_nothing(_: str) -> None:
    return


def _count_nothing(_done: int, _all: int) -> None:
    return


@dataclass(frozen=True)
class Progress:
    """`begin` is given the name of what begins now; `count` how many rows are done, of how many (0: nobody knows)."""

    begin: Callable[[str], None] = _say_nothing
    count: Callable[[int, int], None] = _count_nothing
