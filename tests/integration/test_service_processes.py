"""A service of several processes at one address: they answer alike, count together, and outlive one of them."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from served import PATIENT, START, Server, new_tokens, until
from service_process import start_service

pytestmark = pytest.mark.xdist_group("service")

PROCESSES = 2
GUARDED = START.replace("main(sys.argv[1:])", 'if __name__ == "__main__":\n    main(sys.argv[1:])')
"""Each process runs the file that the first one was started with."""


@pytest.fixture(scope="module")
def scoring_place(own_scoring_place: Any) -> Any:
    return own_scoring_place


@pytest.fixture
def server(scoring_place: Any, tmp_path: Path) -> Iterator[Server]:
    start = tmp_path / "start.py"
    start.write_text(GUARDED)
    settings = {**PATIENT, "service_refresh_seconds": "0.3"}
    environment = scoring_place.environment | {f"COUNTERFOIL_{name.upper()}": value for name, value in settings.items()}
    log = tmp_path / "service.log"
    process, address = start_service((str(start),), ["--processes", str(PROCESSES)], environment, log)
    yield Server(process, address, new_tokens(scoring_place, "processes"), log)
    process.kill()
    process.wait(20)


def payment(number: int) -> dict[str, Any]:
    return {
        "transaction_id": f"processes-{number}", "event_time": f"2024-02-23T10:{number // 60:02d}:{number % 60:02d}Z",
        "amount": "14.20", "currency": "EUR", "account": f"processes {number % 3}", "category": "grocery",
    }  # fmt: skip


def score(server: Server, number: int) -> Any:
    """Score by a connection of its own, which any of the processes may accept."""
    with server.client() as client:
        answer = client.post("/v1/score", json={"payments": [payment(number)]})
    assert answer.status_code == 200, answer.text
    return answer.json()["scores"][0]


def scoring(server: Server) -> list[int]:
    """The processes that score: the first one's children that have its start file."""
    first = server.process.pid
    children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
    return [int(one) for one in children if b"spawn_main" in Path(f"/proc/{one}/cmdline").read_bytes()]


def is_there(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


def test_they_answer_alike_count_together_and_outlive_one(server: Server) -> None:
    assert len(scoring(server)) == PROCESSES
    first = [score(server, number) for number in range(20)]
    assert [score(server, number) for number in range(20)] == first
    assert [one["without_history"] for one in first] == [None] * 20
    with server.client() as client:
        counted = client.get("/metrics").text
    total = sum(
        float(line.split()[-1]) for line in counted.splitlines() if line.startswith("counterfoil_scores_total{")
    )
    assert total == 40
    killed, left = scoring(server)
    os.kill(killed, signal.SIGKILL)
    assert [score(server, number) for number in range(20, 30)]
    new = until(lambda: {*scoring(server)} - {killed, left}, 120)
    assert len(scoring(server)) == PROCESSES
    assert server.end() == 0
    until(lambda: not any(map(is_there, [left, *new])))


def test_the_others_end_with_the_first(server: Server) -> None:
    others = scoring(server)
    server.process.kill()
    until(lambda: not any(map(is_there, others)))


def test_what_cannot_be_served_is_told(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "counterfoil.cli", "serve", "--port", "0", "--processes", "2"]
    environment = os.environ | {"COUNTERFOIL_WORKSPACE": str(tmp_path)}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)
    assert ended.returncode == 1
    assert "the service did not start on 127.0.0.1: its log says why" in ended.stderr
    assert '"event": "not started"' in ended.stderr
    assert "Traceback" not in ended.stderr
