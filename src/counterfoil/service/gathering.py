"""Small requests that wait together are worked on as one set: ten payments take little longer than one."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Generic, TypeVar

from counterfoil.service.workers import Workers, no_room

A = TypeVar("A")
R = TypeVar("R")

TURNS = 2
"""So many sets are worked on at once: while one waits for the database, the other reckons."""
MOST_TOGETHER = 64
"""Requests of one set."""


class Gathering(Generic[A, R]):
    """Lets `work` answer what is asked, in sets: the next set has all that came while the sets before were worked on.

    `work` returns for each of a set what it is answered, or the error that it raises.
    """

    def __init__(self, workers: Workers, work: Callable[[Sequence[A]], Sequence[R | Exception]]) -> None:
        self._workers = workers
        self._work = work
        self._waiting: list[tuple[A, asyncio.Future[R]]] = []
        self._under_way = 0

    async def answer(self, asked: A) -> R:
        """Return the answer. Raises what `work` says of it, ProblemError (503) where there is no room or no time."""
        if len(self._waiting) >= self._workers.most:
            raise no_room()
        answer: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        answer.add_done_callback(_look_at)
        self._waiting.append((asked, answer))
        self._begin()
        return await self._workers.in_time(answer)

    def _begin(self) -> None:
        while self._waiting and self._under_way < TURNS:
            taken, self._waiting = self._waiting[:MOST_TOGETHER], self._waiting[MOST_TOGETHER:]
            try:
                doing = self._workers.start(self._work, [asked for asked, _ in taken])
            except Exception as error:  # noqa: BLE001 each of them is told
                _tell(taken, [error] * len(taken))
                continue
            self._under_way += 1
            doing.add_done_callback(partial(self._end, taken))

    def _end(self, taken: Sequence[tuple[A, "asyncio.Future[R]"]], doing: "asyncio.Future[Any]") -> None:
        self._under_way -= 1
        if doing.cancelled():
            for _, answer in taken:
                answer.cancel()
            return
        error = doing.exception()
        _tell(taken, doing.result() if error is None else [error] * len(taken))
        self._begin()


def _tell(taken: Sequence[tuple[A, "asyncio.Future[R]"]], found: Sequence[Any]) -> None:
    for (_, answer), one in zip(taken, found, strict=True):
        if answer.done():
            continue
        if isinstance(one, BaseException):
            answer.set_exception(one)
        else:
            answer.set_result(one)


def _look_at(answer: "asyncio.Future[Any]") -> None:
    """Ask for the error, since its caller may have gone: then nobody else does."""
    if not answer.cancelled():
        answer.exception()
