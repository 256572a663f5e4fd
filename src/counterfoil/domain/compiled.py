"""Loops that numba compiles, and what is said where it cannot.

Compiled code is kept beside its source, or in the user's cache, or where NUMBA_CACHE_DIR says: the next process
loads it. NUMBA_DISABLE_JIT=1 runs the same source by Python.
"""

from collections.abc import Callable
from typing import Any

from counterfoil.errors import UsageError

try:
    import numba
except ImportError as error:
    raise UsageError(
        f"numba cannot be loaded ({error}): install it with 'pip install --constraint constraints.txt numba'"
    ) from error


def compiled(function: Callable[..., Any]) -> Any:
    """The function, compiled at its first call; it lets other threads go on. Where nothing can be kept, it is not."""
    try:
        return numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # no folder that can be written to
        return numba.njit(nogil=True)(function)
