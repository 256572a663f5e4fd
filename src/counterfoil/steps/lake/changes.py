"""Publish only over what was seen: others may have published since.

What is made of tables that grow is made of what they had at a moment. Its own version is read before that moment; if
it is still the same at publication, nobody has published what was made of more.
"""

from collections.abc import Callable
from typing import TypeVar

from counterfoil.errors import ChangedError
from counterfoil.ports.lake import Version

TRIES = 5
"""How often work is done again that others overtook."""

_Result = TypeVar("_Result")


def unchanged(table: str, seen: Version, *, only: str | None = None) -> Callable[[Version], None]:
    """Return a check that raises ChangedError unless a table, or of it the run `only`, is still as it was seen."""

    def check(now: Version) -> None:
        same = now == seen if only is None else now.get(only) == seen.get(only)
        if not same:
            raise changed(table)

    return check


def changed(table: str) -> ChangedError:
    """Return the error for a table that is not the same any more."""
    return ChangedError(f"table {table!r} was changed by another process since it was read: run this again")


def until_unchanged(work: Callable[[], _Result]) -> _Result:
    """Do `work` until nobody overtakes it, TRIES times at most. Raises its last ChangedError then."""
    for _ in range(TRIES - 1):
        try:
            return work()
        except ChangedError:
            continue
    return work()
