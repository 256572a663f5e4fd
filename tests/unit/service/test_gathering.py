"""Requests that wait together are one set; each has its own answer."""

import asyncio
import threading
from collections.abc import Sequence
from datetime import timedelta

import pytest

from counterfoil.service.gathering import MOST_TOGETHER, TURNS, Gathering
from counterfoil.service.problems import ProblemError
from counterfoil.service.workers import Workers


def test_what_comes_while_others_are_worked_on_is_the_next_set() -> None:
    free, sets = threading.Event(), list[int]()

    def work(asked: Sequence[int]) -> list[str | Exception]:
        sets.append(len(asked))
        free.wait(10)
        return [ValueError(str(one)) if one == 3 else f"answer {one}" for one in asked]

    async def go() -> None:
        workers = Workers(8, 200, timedelta(seconds=20))
        gathering: Gathering[int, str] = Gathering(workers, work)
        asking = [asyncio.create_task(gathering.answer(number)) for number in range(TURNS + MOST_TOGETHER + 2)]
        while len(sets) < TURNS:
            await asyncio.sleep(0.001)
        free.set()
        found = await asyncio.gather(*asking, return_exceptions=True)
        assert sets == [1] * TURNS + [MOST_TOGETHER, 2]
        assert [str(one) for one in found] == [str(n) if n == 3 else f"answer {n}" for n in range(len(asking))]
        assert isinstance(found[3], ValueError)
        assert workers.inside == 0
        workers.close()

    asyncio.run(go())


def test_work_that_fails_fails_its_set_and_the_next_one_is_worked_on() -> None:
    def work(asked: Sequence[str]) -> list[str | Exception]:
        if "bad" in asked:
            raise KeyError("bad")
        return list(asked)

    async def go() -> None:
        workers = Workers(2, 2, timedelta(seconds=20))
        gathering: Gathering[str, str] = Gathering(workers, work)
        with pytest.raises(KeyError):
            await gathering.answer("bad")
        assert await gathering.answer("good") == "good"
        workers.close()

    asyncio.run(go())


def test_nobody_waits_longer_than_the_deadline_and_no_more_wait_than_may() -> None:
    free = threading.Event()

    def work(asked: Sequence[int]) -> list[int | Exception]:
        free.wait(10)
        return list(asked)

    async def go() -> None:
        workers = Workers(4, 0, timedelta(milliseconds=50))
        gathering: Gathering[int, int] = Gathering(workers, work)
        asking = [asyncio.create_task(gathering.answer(number)) for number in range(TURNS + workers.most)]
        await asyncio.sleep(0)
        with pytest.raises(ProblemError, match="too many"):
            await gathering.answer(0)
        for task in asking:
            with pytest.raises(ProblemError, match="within"):
                await task
        free.set()
        while workers.inside:
            await asyncio.sleep(0.01)
        assert await gathering.answer(7) == 7
        workers.close()

    asyncio.run(go())
