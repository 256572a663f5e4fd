"""The service under load: scores at a rate, batches, feedback that acts, growth, and the published way beside it.

    python tests/benchmarks/bench_service.py [WORKSPACE] [--parts at_rate batches ...] [--seconds 60] [--json FILE]

WORKSPACE (else .counterfoil) has a champion, and profiles (`counterfoil profiles build`); its service is started here
as a process of its own, and the load comes from this one, over the loopback. The payments are drawn from the last ones
that were collected, with ids of their own and times that follow them. Latency is from the moment at which a request was
due, not from when it could be sent: a service that falls behind is not excused. COUNTERFOIL_SERVICE_PROCESSES says by
how many processes. Take a fresh copy of a workspace for each run: in a used one every payment is late.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
from grown_references import growth_with_references
from http_load import Client, Load, at_a_rate, at_once, one_after_another

from counterfoil.domain.intake.requests import clean_requests
from counterfoil.steps.lake.engine import engine, parquet_source
from counterfoil.steps.scoring.profiles import Logs
from counterfoil.workspace.wiring import Workspace, open_workspace

sys.path.append(str(Path(__file__).parents[1] / "planted"))
from service_process import start_service

FIELDS = "merchant_id AS merchant, category, currency, amount::VARCHAR AS amount, event_time, account_id AS account"
BATCH = 500
CLI = ("-m", "counterfoil.cli")
WARM_UP = 200
RATES = (10.0, 25.0, 50.0, 100.0, 150.0)
HISTORIES = (0, 100, 1_000, 10_000)


class Payments:
    """Payments like the last that were collected, each newer than the one before."""

    def __init__(self, place: Workspace, most: int = 20_000) -> None:
        source = parquet_source(place.tables.files("transactions"))
        with engine() as database:
            found = database.sql(
                f"SELECT {FIELDS} FROM {source} ORDER BY event_time DESC LIMIT {most}"
            ).to_arrow_table()
        self._rows = found.to_pylist()[::-1]
        self.last = self._rows[-1]["event_time"]
        self._number = 0

    def next(self) -> dict[str, Any]:
        """The next payment, in the canonical layout."""
        row = self._rows[self._number % len(self._rows)]
        self._number += 1
        moment = self.last + timedelta(seconds=self._number)
        told = {name: value for name, value in row.items() if value is not None}
        return told | {"transaction_id": uuid.uuid4().hex, "event_time": moment.isoformat()}


@dataclass
class Bench:
    """A running service of a workspace, and who loads it."""

    place: Workspace
    client: Client
    payments: Payments
    rate: float
    seconds: float

    async def alone(self) -> dict[str, Any]:
        """One caller who asks one thing at a time, and several who do."""
        draw = self.payments.next
        return {
            "one caller": await one_after_another(self.client, draw, 200, 1),
            "callers": [await at_once(self.client, draw, callers, 200) for callers in (2, 4, 8, 16)],
        }

    async def at_rate(self) -> dict[str, Any]:
        """Single scores at the rate that is the target."""
        return await at_a_rate(self.client, self.payments.next, self.rate, self.seconds)

    async def load(self) -> list[dict[str, Any]]:
        """The same at lower rates."""
        return [await at_a_rate(self.client, self.payments.next, rate, self.seconds / 6) for rate in RATES]

    async def batches(self) -> dict[str, Any]:
        """Requests of 500 payments."""
        return await one_after_another(self.client, self.payments.next, 5, BATCH)

    async def feedback(self, times: int = 10) -> dict[str, Any]:
        """How long after a fraud was told the next payment that is its copy is decided otherwise, again and again."""
        took, changed = [], 0
        for number in range(times):
            one, own = self.payments.next(), ("transaction_id", "event_time", "account")
            alike = self.payments.next() | {name: value for name, value in one.items() if name not in own}
            first, second = ({**p, "account": f"feedback {number} {p['transaction_id']}"} for p in (one, alike))
            before = await self._decision(first)
            said = {"transaction_id": first["transaction_id"], "verdict": "fraud", "by": "bench", "reason": "measured"}
            begun = time.perf_counter()
            _, told = await self.client.post("/v1/feedback", said)
            after = await self._decision(second)
            took.append(time.perf_counter() - begun)
            changed += json.loads(told)["effect"]["state"] == "acts" and after != before
            await self.client.post("/v1/feedback", {**said, "verdict": "retracted"})
        return {"times": times, "changed": changed, "seconds": [round(one, 3) for one in took]}

    async def _decision(self, payment: dict[str, Any]) -> str:
        _, answer = await self.client.post("/v1/score", {"payments": [payment]})
        return str(json.loads(answer)["scores"][0]["decision"])

    async def profiles(self) -> list[dict[str, Any]]:
        """Scores of an account that did much: the first reads it all, the others only what is new."""
        found = []
        for payments in HISTORIES:
            account = uuid.uuid4().hex
            # In a thread: meanwhile the loop sees which connections the service closes, since they are idle.
            await asyncio.to_thread(self._live, account, payments)
            first = Load()
            await first.ask(self.client, [self._of(account)], time.perf_counter())
            later = await one_after_another(self.client, lambda account=account: self._of(account), 100, 1)
            found.append({"payments": payments, "first": first.figures(1), "later": later})
        return found

    def _of(self, account: str) -> dict[str, Any]:
        return {**self.payments.next(), "account": account}

    def _live(self, account: str, payments: int) -> None:
        """Let an account have a past of so many payments, one every half hour."""
        in_use, last = self.place.champion.current(), self.payments.last
        canonical, logs = in_use.canonical, Logs.of(in_use.detector.release.specs)
        arrivals = clean_requests([self._of(account)], canonical, key=self.place.pseudonym_key)
        named = arrivals.payments["account_id"][0].as_py()
        rows = [
            {"transaction_id": uuid.uuid4().hex, "event_time": last - timedelta(minutes=30 * number), "amount": "9.99",
             "currency": "EUR", "account_id": named, "category": "grocery"}
            for number in range(payments)
        ]  # fmt: skip
        self.place.profiles.append([entry for row in rows for entry in logs.payment_entries(row)])

    async def slow_store(self) -> dict[str, Any]:
        """Scores while the profiles are locked for half the time: late by the deadline, or without history at once."""
        asking = asyncio.create_task(at_a_rate(self.client, self.payments.next, 25, 10))
        await asyncio.sleep(2)
        with psycopg.connect(self.place.dsn) as lock:
            lock.execute("LOCK TABLE profile_entry IN ACCESS EXCLUSIVE MODE")
            await asyncio.sleep(5)
            lock.rollback()
        return await asking

    async def references(self) -> list[dict[str, Any]]:
        """In process: the same release with more references, and the published way beside it."""
        return growth_with_references(self.place)

    @property
    def parts(self) -> dict[str, Callable[[], Awaitable[Any]]]:
        """What can be measured, by its name."""
        of_rate = (self.alone, self.at_rate, self.load, self.batches, self.feedback, self.profiles, self.slow_store)
        return {part.__name__: part for part in (*of_rate, self.references)}


async def measured(place: Workspace, given: argparse.Namespace, start: Sequence[str] = CLI) -> dict[str, Any]:
    """The figures of the parts that are asked for; `start` is what Python is given to be the command line."""
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        # A word on a payment like many others would be held, since it changes many decisions: here it is to act.
        environment = {
            **os.environ, "COUNTERFOIL_WORKSPACE": str(place.root), "COUNTERFOIL_FEEDBACK_MOST_CHANGED": "1",
        }  # fmt: skip
        log = Path(folder) / "service.log"
        process, address = start_service(start, ["--no-auth", *given.serve], environment, log)
        client = Client(address)
        try:
            payments, first = Payments(place), Load()
            while (
                not first.took and sum(first.errors.values()) < 10
            ):  # on a busy machine the very first score may be late
                await first.ask(client, [payments.next()], begun)
            bench = Bench(place, client, payments, given.rate, given.seconds)
            found: dict[str, Any] = {"cold_start_seconds": round(first.took[0], 2), "refused_at_first": first.errors}
            await one_after_another(client, payments.next, WARM_UP, 1)
            for name in given.parts or bench.parts:
                before, used = os.getloadavg()[0], _cpu(process.pid)
                clock = time.perf_counter()
                found[name] = await bench.parts[name]()
                seconds = time.perf_counter() - clock
                busy = round((_cpu(process.pid) - used) / seconds, 2)
                found[f"{name}: load, service's cores"] = [before, busy]
                print(json.dumps({name: found[name]}), flush=True)  # what is known if a later part fails
            return found
        finally:
            client.close()
            process.terminate()
            process.wait(20)


def _cpu(process: int) -> float:
    """CPU seconds of a process and its children until now."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") + sum(_cpu(int(child)) for child in children)


def main() -> None:
    """Measure, print and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("workspace", type=Path, nargs="?", default=Path(".counterfoil"))
    parser.add_argument("--parts", nargs="*", help="what to measure; all if none is named")
    parser.add_argument("--rate", type=float, default=250)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--serve", nargs="*", default=[], help="further options of 'counterfoil serve'")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    figures = asyncio.run(measured(open_workspace(given.workspace), given))
    text = json.dumps(figures, indent=1)
    print(text)
    if given.json is not None:
        given.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
