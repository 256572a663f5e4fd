"""The lines of the service's README, run as they stand there."""

import json
import re
import subprocess
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import pytest
from quick_embedder import QuickEmbedder
from served import Server, own_release, serve

import counterfoil.service
from counterfoil.cli import main
from counterfoil.ports.service import Entry
from counterfoil.steps.releases.registration import load_release
from counterfoil.steps.scoring.scorer import Detector
from counterfoil.workspace.settings import Settings

pytestmark = pytest.mark.xdist_group("service")
README = Path(counterfoil.service.__file__).with_name("README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def server(scoring_place: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Serve as the README says, with a release of its own, since its feedback acts; the log is where it says."""
    settings = {
        "service_release": own_release(scoring_place, block=0.95), "feedback_acts": "true", "alerts_per_day": "100000",
        "feedback_most_changed": "1",  # what other tests scored is among the last payments, and may be alike
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


def test_building_profiles_removes_what_left_every_window(
    scoring_place: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted from the newest collected payment, of February 2024, not from today."""
    store, entity = scoring_place.open().profiles, "account:long ago"
    times = {"old": datetime(2022, 12, 1, tzinfo=UTC), "kept": datetime(2023, 2, 1, tzinfo=UTC)}
    store.append([Entry(entity, name, at, {"transaction_id": name}) for name, at in times.items()])
    monkeypatch.setenv("COUNTERFOIL_WORKSPACE", str(scoring_place.root))
    with pytest.raises(SystemExit) as stop:
        main(["profiles", "build"])
    assert not stop.value.code, capsys.readouterr().err
    assert [one.entry_id for one in store.read({entity: 0})[entity].entries] == ["kept"]
    store.forget([entity], [])


def test_the_text_encoder_is_loaded_before_the_first_score(scoring_place: Any) -> None:
    class Counting(QuickEmbedder):
        asked: ClassVar[list[str]] = []

        def embed(self, texts: Sequence[str]) -> Any:
            self.asked.extend(texts)
            return super().embed(texts)

    place = scoring_place.open()
    release = load_release(place.registry, scoring_place.release_id)
    Detector.load(release, place.references_for_scoring, Counting()).warm_up()
    first, *texts = Counting.asked
    assert first == "warm up"
    assert texts, "those of the references"
    assert all("category: " in text for text in texts)


def test_settings_that_the_readme_names_are_there() -> None:
    named = set(re.findall(r"`(?:COUNTERFOIL_)?((?:SERVICE|ALERTS)_[A-Z_]+)`", README))
    assert len(named) >= 6
    assert {name.lower() for name in named} <= Settings.model_fields.keys()
