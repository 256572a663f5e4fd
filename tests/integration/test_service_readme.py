"""The lines of the service's README, run as they stand there."""

import json
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

import counterfoil.service
from counterfoil.service.app import create_app
from counterfoil.workspace.settings import Settings

pytestmark = pytest.mark.xdist_group("service")
README = Path(counterfoil.service.__file__).with_name("README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def address(scoring_place: Any) -> Iterator[str]:
    place = scoring_place.open(service_deadline_ms=60_000, service_profile_deadline_ms=20_000)
    server = uvicorn.Server(uvicorn.Config(create_app(place, auth=False), port=0, log_config=None))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 60
    while not server.started:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(20)


def test_the_lines_do_what_the_readme_says(address: str) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL)
    answers = []
    for block in blocks:
        script = block.replace("http://127.0.0.1:8080", address)
        done = subprocess.run(["bash", "-euc", script], capture_output=True, text=True, check=True)
        answers.append(done.stdout)
    scored, said, told, seen = answers
    assert json.loads(scored)["scores"][0]["transaction_id"] == "readme-1"
    assert json.loads(said)["verdict"] == "fraud"
    assert '"verdict":"fraud"' in told
    assert '"account_count_1h":2.0' in seen
    for words in ('"verdict":"fraud"', '"account_count_1h":2.0'):
        assert words in README


def test_settings_that_the_readme_names_are_there() -> None:
    named = set(re.findall(r"`(?:COUNTERFOIL_)?((?:SERVICE|ALERTS)_[A-Z_]+)`", README))
    assert len(named) >= 6
    assert {name.lower() for name in named} <= Settings.model_fields.keys()
