"""The pool for what blocks."""

import asyncio
import threading
from datetime import timedelta

import pytest

from counterfoil.service.problems import ProblemError
from counterfoil.service.workers import Workers


def test_work_is_done_and_its_error_is_raised() -> None:
    async def go() -> None:
        workers = Workers(2, 2, timedelta(seconds=5))
        assert await workers.run(lambda a, b: a + b, 1, 2) == 3
        with pytest.raises(KeyError):
            await workers.run({}.__getitem__, "x")
        assert workers.inside == 0
        workers.close()

    asyncio.run(go())


def test_nobody_waits_longer_than_the_deadline_and_no_more_wait_than_may() -> None:
    free = threading.Event()

    async def go() -> None:
        workers = Workers(1, 1, timedelta(milliseconds=50))
        waiting = [asyncio.create_task(workers.run(free.wait, 5)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(ProblemError, match="too many"):
            await workers.run(lambda: None)
        for task in waiting:
            with pytest.raises(ProblemError, match="within") as late:
                await task
            assert late.value.status == 503
        assert workers.inside == 2  # their work goes on
        free.set()
        while workers.inside:
            await asyncio.sleep(0.01)
        assert await workers.run(lambda: "again") == "again"
        workers.close()

    asyncio.run(go())
