"""The service under load: single scores at a rate, batches, feedback that acts, and the published way beside it.

    python tests/benchmarks/bench_service.py [WORKSPACE] [--rate 250] [--seconds 60] [--json FILE]

WORKSPACE (else .counterfoil) has a champion, and profiles (`counterfoil profiles build`); its service is started here
as a process of its own, and the load comes from this one, over the loopback. The payments are drawn from the last ones
that were collected, with ids of their own and times that follow them. Latency is from the moment at which a request was
due, not from when it could be sent: a service that falls behind is not excused.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import numpy as np

from counterfoil.steps.lake.engine import engine, parquet_source
from counterfoil.steps.scoring.recent import evidence_table
from counterfoil.workspace.wiring import Workspace, open_workspace

sys.path.append(str(Path(__file__).parents[1] / "planted"))
from service_process import start_service

FIELDS = "merchant_id AS merchant, category, currency, amount::VARCHAR AS amount, event_time, account_id AS account"
BATCH = 500
CLI = ("-m", "counterfoil.cli")
WARM_UP = 50


@dataclass
class Load:
    """What came of requests: seconds of those that were answered with 200, and the status of the others."""

    took: list[float] = field(default_factory=list)
    errors: dict[str, int] = field(default_factory=dict)

    def figures(self, seconds: float, payments: int = 1) -> dict[str, Any]:
        """Quantiles in milliseconds, and how many payments were scored a second."""
        found: dict[str, Any] = {"requests": len(self.took), "errors": self.errors}
        if self.took:
            levels = np.quantile(np.array(self.took) * 1000, [0.5, 0.9, 0.99, 0.999])
            found |= dict(zip(("p50_ms", "p90_ms", "p99_ms", "p999_ms"), levels.round(2).tolist(), strict=True))
            found["payments_per_second"] = round(len(self.took) * payments / seconds, 1)
        return found


class Payments:
    """Payments like the last that were collected, each newer than the one before."""

    def __init__(self, place: Workspace, most: int = 20_000) -> None:
        source = parquet_source(place.tables.files("transactions"))
        with engine() as database:
            found = database.sql(
                f"SELECT {FIELDS} FROM {source} ORDER BY event_time DESC LIMIT {most}"
            ).to_arrow_table()
        self._rows = found.to_pylist()[::-1]
        self._last = self._rows[-1]["event_time"]
        self._number = 0

    def next(self) -> dict[str, Any]:
        """The next payment, in the canonical layout."""
        row = self._rows[self._number % len(self._rows)]
        self._number += 1
        moment = self._last + timedelta(seconds=self._number)
        told = {name: value for name, value in row.items() if value is not None}
        return told | {"transaction_id": uuid.uuid4().hex, "event_time": moment.isoformat()}


async def ask(client: httpx2.AsyncClient, payments: list[dict[str, Any]], due: float, load: Load) -> None:
    """Score payments; what it took counts from when the request was due."""
    try:
        answer = await client.post("/v1/score", json={"payments": payments})
        status = str(answer.status_code)
    except httpx2.HTTPError as error:
        status = type(error).__name__
    if status == "200":
        load.took.append(time.perf_counter() - due)
    else:
        load.errors[status] = load.errors.get(status, 0) + 1


async def at_a_rate(client: httpx2.AsyncClient, payments: Payments, rate: float, seconds: float) -> dict[str, Any]:
    """Single scores, sent when they are due whatever became of those before."""
    load, begun, asked = Load(), time.perf_counter(), []
    for number in range(int(rate * seconds)):
        due = begun + number / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        asked.append(asyncio.create_task(ask(client, [payments.next()], due, load)))
    await asyncio.gather(*asked)
    return {"rate": rate, **load.figures(time.perf_counter() - begun)}


async def one_after_another(client: httpx2.AsyncClient, payments: Payments, count: int, size: int) -> dict[str, Any]:
    """Requests of some payments each, the next when the one before is answered."""
    load, begun = Load(), time.perf_counter()
    for _ in range(count):
        await ask(client, [payments.next() for _ in range(size)], time.perf_counter(), load)
    return load.figures(time.perf_counter() - begun, size)


async def feedback_acts(client: httpx2.AsyncClient, payments: Payments, times: int) -> dict[str, Any]:
    """How long after a fraud was reported the next payment that is its copy is decided otherwise, again and again."""
    took, changed = [], 0
    for number in range(times):
        one = payments.next()
        alike = {
            **payments.next(),
            **{n: v for n, v in one.items() if n not in ("transaction_id", "event_time", "account")},
        }
        pair = [{**p, "account": f"feedback {number} {p['transaction_id']}"} for p in (one, alike)]
        before = (await client.post("/v1/score", json={"payments": pair[:1]})).json()["scores"][0]
        said = {"transaction_id": pair[0]["transaction_id"], "verdict": "fraud", "by": "bench", "reason": "measured"}
        begun = time.perf_counter()
        effect = (await client.post("/v1/feedback", json=said)).json()["effect"]
        after = (await client.post("/v1/score", json={"payments": pair[1:]})).json()["scores"][0]
        took.append(time.perf_counter() - begun)
        changed += effect["state"] == "acts" and after["decision"] != before["decision"]
        await client.post("/v1/feedback", json={**said, "verdict": "retracted"})
    return {"times": times, "changed": changed, "longest_seconds": round(max(took), 3)}


def published_way(place: Workspace, count: int) -> dict[str, Any]:
    """The same release scored as the published system does: encode a payment, then one full scan of its references."""
    in_use = place.champion.current()
    detector = in_use.detector
    kept = place.scores.latest(count)
    vectors = np.stack([row.as_py() for row in detector.references.column("vector").combine_chunks()])
    took = []
    for score in kept:
        begun = time.perf_counter()
        asked = detector.vectors(evidence_table([score], detector.release))
        float((vectors @ asked[0]).max())
        took.append(time.perf_counter() - begun)
    levels = np.quantile(np.array(took) * 1000, [0.5, 0.99]).round(3).tolist()
    own = []
    for score in kept:
        evidence = evidence_table([score], detector.release)
        begun = time.perf_counter()
        detector.score(evidence)
        own.append(time.perf_counter() - begun)
    ours = np.quantile(np.array(own) * 1000, [0.5, 0.99]).round(3).tolist()
    return {"references": len(vectors), "peer_p50_p99_ms": levels, "ours_in_process_p50_p99_ms": ours}


async def measured(place: Workspace, rate: float, seconds: float, start: Sequence[str] = CLI) -> dict[str, Any]:
    """All figures of one run; `start` is what Python is given to be the command line."""
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        environment = {**os.environ, "COUNTERFOIL_WORKSPACE": str(place.root)}
        process, address = start_service(start, ["--no-auth"], environment, Path(folder) / "service.log")
        try:
            limits = httpx2.Limits(max_connections=64)
            async with httpx2.AsyncClient(base_url=address, timeout=30, limits=limits, trust_env=False) as client:
                payments, first = Payments(place), Load()
                await ask(client, [payments.next()], begun, first)
                cold = first.figures(1)
                await one_after_another(client, payments, WARM_UP, 1)
                return {
                    "cold_start_seconds": round(first.took[0], 2) if first.took else cold,
                    "alone": await one_after_another(client, payments, 200, 1),
                    "at_rate": await at_a_rate(client, payments, rate, seconds),
                    "batches_of_500": await one_after_another(client, payments, 6, BATCH),
                    "feedback": await feedback_acts(client, payments, 10),
                    "peer": published_way(place, 200),
                }
        finally:
            process.terminate()
            process.wait(20)


def main() -> None:
    """Measure, print and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("workspace", type=Path, nargs="?", default=Path(".counterfoil"))
    parser.add_argument("--rate", type=float, default=250)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    figures = asyncio.run(measured(open_workspace(given.workspace), given.rate, given.seconds))
    figures["load_average"] = os.getloadavg()[0]
    text = json.dumps(figures, indent=1)
    print(text)
    if given.json is not None:
        given.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
