"""The lines of the service's README, run as they stand there."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from served import Server, own_release, serve

import counterfoil.service
from counterfoil.workspace.settings import Settings

pytestmark = pytest.mark.xdist_group("service")
README = Path(counterfoil.service.__file__).with_name("README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def server(scoring_place: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Serve as the README says, with a release of its own, since its feedback acts; the log is where it says."""
    settings = {
        "service_release": own_release(scoring_place, block=0.95), "feedback_acts": "true", "alerts_per_day": "100000",
    }  # fmt: skip
    running = serve(scoring_place, tmp_path_factory.mktemp("readme") / "service.log", {}, "--no-auth", **settings)
    yield running
    running.end()


def test_the_lines_do_what_the_readme_says(server: Server) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL)
    answers = []
    for block in blocks:
        script = block.replace("http://127.0.0.1:8080", server.address)
        done = subprocess.run(
            ["bash", "-euc", script], cwd=server.log.parent, capture_output=True, text=True, check=True, timeout=60
        )
        answers.append(done.stdout)
    scored, said, told, seen, *acting = answers
    assert json.loads(scored)["scores"][0]["transaction_id"] == "readme-1"
    assert json.loads(said)["verdict"] == "fraud"
    for words, answer in (('"verdict":"fraud"', told), ('"account_count_1h":2.0', seen)):
        assert words in answer
        assert words in README
    _feedback_acts(*acting)


def _feedback_acts(confirmed: str, stopped: str, taken_back: str) -> None:
    for words, answer in (
        ('"decision":"allow"', confirmed), ('"state":"acts"', confirmed), ('"reference_id":"readme-3"', stopped),
    ):  # fmt: skip
        assert words in answer
        assert words in README
    score, alert = json.JSONDecoder().raw_decode(stopped)
    [after] = score["scores"]
    assert after["decision"] in ("review", "block")
    assert after["precedents"][0]["reference_id"] == "readme-3"
    told = json.loads(stopped[alert:])
    assert (told["event"], told["decision"]) == ("alert", after["decision"])
    assert "readme-3" in [one["reference_id"] for one in told["precedents"]]
    _, end = json.JSONDecoder().raw_decode(taken_back)
    assert json.loads(taken_back[end:])["scores"][0]["decision"] == "allow"


def test_settings_that_the_readme_names_are_there() -> None:
    named = set(re.findall(r"`(?:COUNTERFOIL_)?((?:SERVICE|ALERTS)_[A-Z_]+)`", README))
    assert len(named) >= 6
    assert {name.lower() for name in named} <= Settings.model_fields.keys()
