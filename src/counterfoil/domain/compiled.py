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


def compiled(function: Callable[Given, Made]) -> Callable[Given, Made]:
    """The function, compiled at its first call; it lets other threads go on. Where nothing can be kept, it is not."""
    try:
        made: Callable[Given, Made] = numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # no folder that can be written to
        made = numba.njit(nogil=True)(function)
    return made
