"""A challenger in shadow: it scores beside the champion, changes no answer, and is compared with it."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from served import own_release

from counterfoil.cli import main
from counterfoil.domain.intake.requests import clean_requests
from counterfoil.domain.policy.verdicts import Verdict
from counterfoil.errors import NotFoundError
from counterfoil.service.serving import Serving
from counterfoil.steps.scoring.recent import evidence_table
from counterfoil.steps.scoring.shadow import ShadowScorer
from counterfoil.workspace.shadow import open_shadow, shadow_log

pytestmark = pytest.mark.xdist_group("service")

BLOCK = 0.12
"""Some of the payments below have signals on either side of it."""
NAMES = [f"shadowed-{number:02d}" for number in range(24)]


@pytest.fixture(scope="module")
def scoring_place(own_scoring_place: Any) -> Any:
    """A workspace of this module's own: all that was scored and judged there is compared."""
    return own_scoring_place


@pytest.fixture(scope="module")
def challenger(scoring_place: Any) -> Iterator[str]:
    """A challenger that reviews from another signal on; nobody is challenger after this module."""
    here = scoring_place.open()
    release_id = own_release(scoring_place, block=BLOCK)
    here.registry.set_alias("challenger", release_id)
    yield release_id
    here.registry.set_alias("challenger", None)


@pytest.fixture(scope="module")
def serving(scoring_place: Any, challenger: str) -> Iterator[Serving]:
    assert challenger
    one = Serving(scoring_place.open(service_profile_deadline_ms=20_000, service_refresh_seconds=0.2))
    one.open()
    yield one
    one.close()


def payment(name: str, number: int) -> dict[str, Any]:
    return {
        "transaction_id": name, "event_time": f"2024-02-23T03:{number:02d}:00Z", "amount": f"{3 + 37 * number}.00",
        "currency": "EUR", "account": f"shadow {number % 12}", "category": "gift cards" if number % 2 else "grocery",
        **({"merchant": "Harbour Gift Cards"} if number % 2 else {}),
    }  # fmt: skip


def test_it_scores_beside_the_champion_and_nothing_acts_on_it(
    serving: Serving, challenger: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    place, log = serving.place, shadow_log(serving.place)
    answers = serving.score([payment(name, number) for number, name in enumerate(NAMES)], source_layout=False)
    assert answers["release_id"] != challenger
    beside: list[Any] = []
    until = time.monotonic() + 60
    while len(beside) < len(NAMES):
        assert time.monotonic() < until
        time.sleep(0.05)
        beside = [one for one in log.beside(challenger, None, None) if one.transaction_id in NAMES]
    assert {one.champion for one in beside} == {answers["release_id"]}
    # The same model with another threshold: the signals are those of the champion, decisions are its own.
    np.testing.assert_allclose(
        [one.shadow_signal for one in beside], [one.champion_signal for one in beside], atol=1e-6
    )
    own = {one.transaction_id: one.shadow_decision for one in beside}
    assert any(decision == "block" for decision in own.values())
    assert all((own[one.transaction_id] == "block") == (one.champion_signal >= BLOCK) for one in beside)
    kept = place.scores.find(NAMES)
    assert {score.release_id for score in kept.values()} == {answers["release_id"]}
    assert [one["decision"] for one in answers["scores"]] == [kept[name].decision for name in NAMES]
    assert b'counterfoil_shadow_scores_total{decision="block"}' in serving.metrics.text()
    for number, name in enumerate(NAMES):
        verdict = Verdict.FRAUD if number % 2 else Verdict.GOOD
        serving.say(name, verdict, "ada", "a test", token=None, principal="ada", at_once=False)
    figures = tmp_path / "shadow.json"
    with pytest.raises(SystemExit) as end:
        main(["shadow", "--workspace", str(place.root), "--json", str(figures)])
    assert end.value.code == 0
    told = capsys.readouterr().out
    assert f"challenger {challenger} beside" in told
    found = json.loads(figures.read_text())
    assert found["payments"] >= len(NAMES)
    assert found["other"] >= 1
    assert found["labelled"] >= len(NAMES)
    assert found["average_precision"]["value"] == pytest.approx(0, abs=1e-6)  # the same ranking
    assert found["alerts"]["difference"]["low"] <= found["alerts"]["difference"]["value"]


def test_a_second_process_scores_nothing_twice(serving: Serving, challenger: str) -> None:
    again = open_shadow(serving.place)
    again.work()
    assert again.work() == []
    others = [one for one in shadow_log(serving.place).beside(challenger, None, None) if one.transaction_id in NAMES]
    assert len(others) == len(NAMES)


def test_without_a_challenger_there_is_nothing_to_do(scoring_place: Any) -> None:
    class Nobody:
        def refresh(self) -> Any:
            raise NotFoundError("no release is challenger")

    here = scoring_place.open()
    assert ShadowScorer(Nobody(), shadow_log(here)).work() == []  # type: ignore[arg-type]


def test_a_release_that_scored_nothing_in_shadow_is_named(
    scoring_place: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    release = scoring_place.release_id
    with pytest.raises(SystemExit) as end:
        main(["shadow", "--release", release, "--workspace", str(scoring_place.root)])
    assert end.value.code == 1
    assert f"release {release} has scored no payment in shadow" in capsys.readouterr().err


@pytest.mark.usefixtures("challenger")
def test_payments_without_the_challengers_evidence_are_counted(serving: Serving) -> None:
    """What another release did not keep of a payment is nothing that the challenger could guess."""
    place = serving.place
    in_use = place.champion.current()
    arrivals = clean_requests([payment("shadow-lacking", 0)], in_use.canonical, key=place.pseudonym_key)
    [score] = place.online_scorer.score(arrivals, in_use)
    column = in_use.detector.release.encoder.schema.columns[0]
    lacking = {name: value for name, value in score.evidence.items() if name != column}

    class Log:
        def waiting(self, *_: Any) -> list[Any]:
            answer = {**score.answer, "missing_evidence": []}
            return [replace(score, evidence=lacking, release_id="older", answer=answer)]

        def append(self, scores: list[Any]) -> int:
            assert scores == []
            return 0

    shadow = ShadowScorer(open_shadow(place).challenger, Log())  # type: ignore[arg-type]
    assert shadow.work() == []
    assert shadow.lacking == 1
    assert evidence_table([score], in_use.detector.release).num_rows == 1
