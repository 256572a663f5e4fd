"""Loops that numba compiles, and what is said where it cannot.

Compiled code is kept beside its source, or in the user's cache, or where NUMBA_CACHE_DIR says: the next process
loads it. NUMBA_DISABLE_JIT=1 runs the same source by Python.
"""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from counterfoil.errors import UsageError

try:
    import numba
except ImportError as error:
    raise UsageError(
        f"numba cannot be loaded ({error}): install it with 'pip install --constraint constraints.txt numba'"
    ) from error

Given = ParamSpec("Given")
Made = TypeVar("Made")

_ANY_ORDER = frozenset({"reassoc", "contract", "nsz"})


def compiled(function: Callable[Given, Made]) -> Callable[Given, Made]:
    """The function, compiled at its first call; it lets other threads go on. Where nothing can be kept, it is not."""
    return _compiled(function, frozenset())


def compiled_in_any_order(function: Callable[Given, Made]) -> Callable[Given, Made]:
    """The same, where sums may be taken in any order: that of the processor's widest registers, always the same."""
    return _compiled(function, _ANY_ORDER)


def _compiled(function: Callable[Given, Made], freedoms: frozenset[str]) -> Callable[Given, Made]:
    options = {"nogil": True, "fastmath": set(freedoms)} if freedoms else {"nogil": True}
    try:
        made: Callable[Given, Made] = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # no folder that can be written to
        made = numba.njit(**options)(function)
    return made
