"""A bounded pool for what blocks, so that health answers while scoring is busy."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, TypeVar

from counterfoil.service.problems import ProblemError

T = TypeVar("T")


class Workers:
    """Runs functions in `threads`; at most `waiting` more wait, and nobody waits longer than `deadline`."""

    def __init__(self, threads: int, waiting: int, deadline: timedelta) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="request")
        self.most = threads + waiting
        self._deadline = deadline.total_seconds()
        self.inside = 0

    async def run(self, work: Callable[..., T], *given: Any) -> T:
        """Return what `work` returns. Raises ProblemError (503) where there is no room or no time."""
        return await self.in_time(self.start(work, *given))

    def start(self, work: Callable[..., T], *given: Any) -> "asyncio.Future[T]":
        """Begin work that goes on whoever waits for it. Raises ProblemError (503) where there is no room."""
        if self.inside >= self.most:
            raise no_room()
        self.inside += 1
        doing = asyncio.get_running_loop().run_in_executor(self._pool, work, *given)
        doing.add_done_callback(self._done)
        return doing

    async def in_time(self, doing: "asyncio.Future[T]") -> T:
        """Return what comes of something within the deadline. Raises ProblemError (503) if it takes longer."""
        try:
            return await asyncio.wait_for(asyncio.shield(doing), self._deadline)
        except TimeoutError:
            raise ProblemError(503, f"no answer within {self._deadline:g} s; asking again is safe") from None

    def _done(self, doing: "asyncio.Future[Any]") -> None:
        self.inside -= 1
        if not doing.cancelled():
            doing.exception()  # its caller may have gone: then nobody else asks

    def close(self) -> None:
        """Accept no further work."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def no_room() -> ProblemError:
    """What a caller is told who comes when too many wait."""
    return ProblemError(503, "too many requests are waiting")
