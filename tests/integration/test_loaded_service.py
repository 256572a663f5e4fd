"""The service under load while PostgreSQL is killed, locked or full, and while what it reads goes or changes.

The service is a process of its own, the load comes from threads here, and PostgreSQL's processes are the real ones.
"""

import itertools
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest
from served import Server, new_tokens, own_release, serve, until

from counterfoil.adapters.postgres import embedded as embedded_postgres
from counterfoil.domain.policy.verdicts import Verdict
from counterfoil.service.serving import Serving
from counterfoil.steps.scoring.feedback import feedback_on, label_of

pytestmark = pytest.mark.xdist_group("service")

_numbers = itertools.count(1)
DEADLINE = 8.0
"""Of the service here: nothing below waits for so long."""
BUSY = 4.0
"""How much longer than the deadline an answer may take to reach a test on a machine with other work."""
AT_ONCE = 4


@pytest.fixture(scope="module")
def scoring_place(own_scoring_place: Any) -> Any:
    return own_scoring_place


@pytest.fixture(scope="module")
def release_id(scoring_place: Any) -> str:
    return str(own_release(scoring_place, block=0.97))


@pytest.fixture(scope="module")
def server(scoring_place: Any, release_id: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    settings = {
        "service_release": release_id, "feedback_acts": "true", "service_deadline_ms": str(int(DEADLINE * 1000)),
        "service_profile_deadline_ms": "300", "service_refresh_seconds": "0.3", "service_threads": str(AT_ONCE),
        "service_waiting": str(AT_ONCE),
        "feedback_most_changed": "1",  # what other tests scored is among the last payments, and may be alike
    }  # fmt: skip
    log = tmp_path_factory.mktemp("log") / "service.log"
    running = serve(scoring_place, log, new_tokens(scoring_place, "load"), **settings)
    with running.client() as client:
        warm = payment("load-first", "warm")
        until(lambda: ask(client, warm).status_code == 200)
    yield running
    running.end()


def payment(name: str, account: str) -> dict[str, Any]:
    number = next(_numbers)
    return {
        "transaction_id": name, "event_time": f"2024-02-22T{3 + number // 3600:02d}:{number // 60 % 60:02d}:"
        f"{number % 60:02d}Z", "amount": "14.20", "currency": "EUR", "account": account, "category": "grocery",
    }  # fmt: skip


def ask(client: Any, one: dict[str, Any]) -> Any:
    return client.post("/v1/score", json={"payments": [one]})


@dataclass
class Answers:
    """What came of the load: payments and words that were answered with 200, refusals, and when."""

    scored: dict[str, str] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    refused: list[httpx2.Response] = field(default_factory=list)
    longest: float = 0.0
    last_scored: float = 0.0

    def patiently(self, send: Callable[[], httpx2.Response], ended: threading.Event) -> bool:
        """Ask again until it is answered, as a caller does who is told to; say whether it was."""
        while not ended.is_set():
            begun = time.monotonic()
            answer = send()
            self.longest = max(self.longest, time.monotonic() - begun)
            if answer.status_code == 200:
                return True
            self.refused.append(answer)
            ended.wait(0.05)
        return False


@contextmanager
def load(server: Server, callers: int) -> Iterator[Answers]:
    """Callers who score payment after payment; one says of every fifth that it was fraud."""
    answers, ended, name = Answers(), threading.Event(), f"loaded-{next(_numbers)}"

    def calls(caller: int) -> None:
        account = f"{name} {caller}"
        with server.client() as client:
            for number in itertools.count():
                one = payment(f"{name}-{caller}-{number}", account)
                if not answers.patiently(partial(ask, client, one), ended):
                    return
                answers.scored[one["transaction_id"]] = account
                answers.last_scored = time.monotonic()
                word = {"transaction_id": one["transaction_id"], "verdict": "fraud", "by": "ada", "reason": "a test"}
                if caller == 0 and number % 5 == 0:
                    if not answers.patiently(partial(client.post, "/v1/feedback", json=word), ended):
                        return
                    answers.said.append(one["transaction_id"])

    threads = [threading.Thread(target=calls, args=(caller,)) for caller in range(callers)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def postgres_processes(folder: Path) -> list[int]:
    """The processes of the server of a folder, its first one first."""
    first = int((folder / "postmaster.pid").read_text().split()[0])
    return [first, *map(int, Path(f"/proc/{first}/task/{first}/children").read_text().split())]


def in_profile(place: Any, names: dict[str, str]) -> list[str]:
    """The payments of these that are in the logs of their accounts, as often as they are."""
    accounts = {score.account_id for score in place.scores.find(names).values()}
    logs = place.profiles.read({f"account:{account}": 0 for account in accounts})
    ids = [entry.entry_id for part in logs.values() for entry in part.entries]
    return sorted(name.removeprefix("payment:") for name in ids if name.removeprefix("payment:") in names)


def test_postgresql_is_killed_under_load_and_nothing_is_lost(server: Server, scoring_place: Any) -> None:
    folder = scoring_place.root / "postgres"
    with load(server, 3) as answers:
        until(lambda: answers.said and len(answers.scored) > 10)
        first = postgres_processes(folder)[0]
        for process in postgres_processes(folder):
            os.kill(process, signal.SIGKILL)
        until(lambda: answers.refused and not Path(f"/proc/{first}").exists())
        embedded_postgres.start(folder)
        back = time.monotonic()
        until(lambda: answers.last_scored > back)
        assert answers.last_scored - back <= 2 + BUSY
    assert answers.longest < DEADLINE + BUSY
    assert {answer.status_code for answer in answers.refused} == {503}
    assert all(answer.headers["retry-after"] for answer in answers.refused)
    require_nothing_lost(scoring_place.open(), answers)


def require_nothing_lost(place: Any, answers: Answers) -> None:
    """Each answered payment was kept, is in its profile once, and what was said of it is its label."""
    assert set(place.scores.find(answers.scored)) == set(answers.scored)
    until(lambda: len(in_profile(place, answers.scored)) >= len(answers.scored))
    assert in_profile(place, answers.scored) == sorted(answers.scored)
    for name in answers.said:
        assert label_of(feedback_on(place.decisions, name)) == 1


@contextmanager
def frozen_postgres(folder: Path) -> Iterator[None]:
    """Stop PostgreSQL's processes where they are: connections stay open, and nothing answers."""
    first = postgres_processes(folder)[0]
    os.kill(first, signal.SIGSTOP)  # from now on it starts no others
    processes = postgres_processes(folder)
    for process in processes[1:]:
        os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            os.kill(process, signal.SIGCONT)


def test_postgresql_freezes_under_load_and_nothing_is_lost_or_doubled(server: Server, scoring_place: Any) -> None:
    begun = time.monotonic()
    with load(server, 3) as answers, server.client() as client:
        before = until(lambda: answers.said and len(answers.scored) > 10 and set(answers.scored))
        with frozen_postgres(scoring_place.root / "postgres"):
            until(lambda: len(answers.refused) >= 3)
            assert client.get("/healthz").elapsed.total_seconds() < BUSY
            assert set(not_ready(client)) >= {"scores", "profiles"}
        back = time.monotonic()
        until(lambda: answers.last_scored > back)
        assert answers.last_scored - back <= 2 + BUSY
        until(lambda: len(answers.scored) > len(before) + 10)
    assert {(answer.status_code, answer.headers["retry-after"]) for answer in answers.refused} == {(503, "1")}
    assert answers.longest < DEADLINE + BUSY, f"{time.monotonic() - begun:.0f} s in all"
    require_nothing_lost(scoring_place.open(), answers)


def test_a_slow_profile_store_costs_history_and_is_written_later(server: Server, scoring_place: Any) -> None:
    place = scoring_place.open()
    one = payment("load-slow", "slow")
    with server.client() as client, psycopg.connect(place.dsn) as lock:
        lock.execute("LOCK TABLE profile_entry IN ACCESS EXCLUSIVE MODE")
        begun = time.monotonic()
        answer = until(lambda: (found := ask(client, one)).status_code == 200 and found)
        assert time.monotonic() - begun < BUSY
        assert "profile store" in answer.json()["scores"][0]["without_history"]
        lock.rollback()
        until(lambda: in_profile(place, {"load-slow": "slow"}) == ["load-slow"])
        counted = client.get("/metrics").text
    assert "counterfoil_without_history 0.0" not in counted
    assert "counterfoil_profile_failures 0.0" not in counted


FULL = """
CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION USING ERRCODE = 'disk_full', MESSAGE = 'could not extend file: No space left on device'; END $$
"""


@contextmanager
def full_disk(dsn: str, table: str) -> Iterator[None]:
    """Let PostgreSQL refuse new rows of a table as it does where its disk is full."""
    with psycopg.connect(dsn, autocommit=True) as owner:
        owner.execute(FULL)
        owner.execute(f"CREATE TRIGGER full_disk BEFORE INSERT ON {table} EXECUTE FUNCTION full_disk()")
        try:
            yield
        finally:
            owner.execute("DROP FUNCTION full_disk CASCADE")


def test_a_full_disk_of_the_database_gives_no_score_that_is_not_kept(server: Server, scoring_place: Any) -> None:
    place = scoring_place.open()
    with server.client() as client:
        with full_disk(place.dsn, "service_score"):
            answer = ask(client, payment("full-1", "full"))
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
            assert client.get("/healthz").status_code == 200
        assert place.scores.find(["full-1"]) == {}
        with full_disk(place.dsn, "profile_entry"):
            until(lambda: ask(client, payment("full-2", "full")).status_code == 200)
            assert in_profile(place, {"full-2": "full"}) == []
        until(lambda: in_profile(place, {"full-2": "full"}) == ["full-2"])


def is_so_here(place: Any, name: str, is_fraud: bool) -> bool:
    """Whether a payment is a reference in this process if it is a fraud, and else is none."""
    overlay = place.champion.follow().detector.overlay
    return (name in {one.reference_id for one in overlay.references}) == is_fraud


def is_so_there(client: httpx2.Client, sequence: int) -> bool:
    """Whether the service scores with the overlay of this number."""
    return bool(client.get("/v1/releases/current").json()["overlay_seq"] == sequence)


def test_a_retraction_that_races_a_confirmation_has_one_result_everywhere(
    server: Server, scoring_place: Any, release_id: str
) -> None:
    place = scoring_place.open(
        service_release=release_id, feedback_acts=True, service_profile_deadline_ms=20_000, service_deadline_ms=60_000
    )
    here = Serving(place)
    with server.client() as client:
        for number in range(3):
            name = f"raced-{number}"
            one = payment(name, f"raced {number}") | {"amount": "61.30", "category": f"raced {number}"}
            ask(client, one).raise_for_status()
            here.say(name, Verdict.FRAUD, "ada", "a test", token=None, principal="ada")
            word = {"transaction_id": name, "verdict": "fraud", "by": "bob", "reason": "a test"}
            racing = threading.Thread(target=client.post, args=("/v1/feedback",), kwargs={"json": word})
            racing.start()
            here.say(name, Verdict.RETRACTED, "ada", "a test", token=None, principal="ada")
            racing.join()
            place.settling.settle()
            is_fraud = label_of(feedback_on(place.decisions, name)) == 1
            until(partial(is_so_here, place, name, is_fraud))
            sequence = place.champion.follow().detector.overlay.sequence
            until(partial(is_so_there, client, sequence))
    here.close()


def not_ready(client: httpx2.Client) -> dict[str, str]:
    """The stores that are not ready, and why."""
    answer = client.get("/readyz")
    assert answer.status_code == 503
    return {name: why for name, why in answer.json()["stores"].items() if why}


def test_references_that_do_not_match_or_vanish_are_not_ready(server: Server, scoring_place: Any) -> None:
    place = scoring_place.open()
    with server.client() as client:
        assert until(lambda: client.get("/readyz").json()["ready"]) is True
        release = client.get("/v1/releases/current").json()["release_id"]
        base = place.references.read_base(release)
        place.references.drop(release)
        assert not_ready(client) == {"references": "NotFoundError"}
        place.references.write_base(release, base.slice(1))  # one of them is lost
        assert not_ready(client) == {"references": "ReleaseMismatchError"}
        place.references.drop(release)
        assert client.get("/healthz").status_code == 200
