"""Load over HTTP on the loopback that costs little itself: what is measured is the service, not its client."""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import numpy as np

PATIENCE = 30.0
"""Seconds after which a request is given up."""
GRACE = 5.0
"""Requests of a rate that are not answered so long after the last one was due are given up: the service fell behind."""


class Client:
    """Keeps connections open and sends each request on one that is free; there are `most` at once at most."""

    def __init__(self, address: str, most: int = 64) -> None:
        place = urlsplit(address)
        self._host, self._port = str(place.hostname), int(place.port or 80)
        self._free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._room = asyncio.Semaphore(most)

    async def post(self, path: str, body: Any) -> tuple[int, bytes]:
        """Send JSON; return the status and what was answered. Raises OSError or TimeoutError."""
        content = json.dumps(body).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: {self._host}\r\nContent-Type: application/json\r\n"
        asked = f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content
        async with self._room:
            while self._free and self._free[-1][0].at_eof():  # the service closes those that were idle for long
                self._free.pop()[1].close()
            reader, writer = self._free.pop() if self._free else await asyncio.open_connection(self._host, self._port)
            try:
                writer.write(asked)
                answer = await asyncio.wait_for(_answer(reader), PATIENCE)
            except BaseException:
                writer.close()
                raise
            self._free.append((reader, writer))
            return answer

    def close(self) -> None:
        """Close the connections."""
        for _, writer in self._free:
            writer.close()


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
    return int(lines[0].split()[1]), await reader.readexactly(int(headers["content-length"]))


@dataclass
class Load:
    """What came of requests: seconds of those that were answered with 200, and the status of the others."""

    took: list[float] = field(default_factory=list)
    errors: dict[str, int] = field(default_factory=dict)
    without_history: int = 0

    async def ask(self, client: Client, payments: list[dict[str, Any]], due: float) -> None:
        """Score payments; what it took counts from when the request was due."""
        try:
            status, answer = await client.post("/v1/score", {"payments": payments})
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            self._failed(type(error).__name__)
            return
        if status != 200:
            self._failed(str(status))
            return
        self.took.append(time.perf_counter() - due)
        self.without_history += b'"without_history":null' not in answer

    def _failed(self, how: str) -> None:
        self.errors[how] = self.errors.get(how, 0) + 1

    def figures(self, seconds: float, payments: int = 1) -> dict[str, Any]:
        """Quantiles in milliseconds, and how many payments were scored a second."""
        found: dict[str, Any] = {"requests": len(self.took), "errors": self.errors}
        if self.took:
            levels = np.quantile(np.array(self.took) * 1000, [0.5, 0.9, 0.99, 0.999, 1])
            names = ("p50_ms", "p90_ms", "p99_ms", "p999_ms", "max_ms")
            found |= dict(zip(names, levels.round(2).tolist(), strict=True))
            found["payments_per_second"] = round(len(self.took) * payments / seconds, 1)
            found["requests_without_history"] = self.without_history
        return found


async def at_a_rate(client: Client, draw: Callable[[], dict[str, Any]], rate: float, seconds: float) -> dict[str, Any]:
    """Single scores, sent when they are due whatever became of those before: a service that falls behind is seen."""
    load, begun, asked = Load(), time.perf_counter(), []
    for number in range(int(rate * seconds)):
        due = begun + number / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        asked.append(asyncio.create_task(load.ask(client, [draw()], due)))
    _, unanswered = await asyncio.wait(asked, timeout=GRACE)
    for one in unanswered:
        one.cancel()
    if unanswered:
        await asyncio.wait(unanswered)
        load.errors["unanswered"] = len(unanswered)
    return {"rate": rate, "seconds": seconds, **load.figures(time.perf_counter() - begun)}


async def one_after_another(
    client: Client, draw: Callable[[], dict[str, Any]], count: int, size: int
) -> dict[str, Any]:
    """Requests of some payments each, the next when the one before is answered."""
    load, begun = Load(), time.perf_counter()
    for _ in range(count):
        await load.ask(client, [draw() for _ in range(size)], time.perf_counter())
    return load.figures(time.perf_counter() - begun, size)


async def at_once(client: Client, draw: Callable[[], dict[str, Any]], callers: int, count: int) -> dict[str, Any]:
    """Some callers, each of whom asks again as soon as it is answered: the most that the service can do."""
    load, begun = Load(), time.perf_counter()

    async def calls() -> None:
        for _ in range(count // callers):
            await load.ask(client, [draw()], time.perf_counter())

    await asyncio.gather(*(calls() for _ in range(callers)))
    return {"callers": callers, **load.figures(time.perf_counter() - begun)}
