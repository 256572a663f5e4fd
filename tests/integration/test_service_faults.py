"""What the service does when a store is slow, gone, or another release becomes champion; and its page."""

import json
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from counterfoil.domain.intake.requests import Arrivals, clean_requests
from counterfoil.domain.policy.thresholds import Thresholds
from counterfoil.errors import StoreUnavailableError
from counterfoil.service.access import new_token
from counterfoil.service.app import create_app
from counterfoil.service.problems import ProblemError
from counterfoil.service.score_sets import Asked
from counterfoil.service.serving import Serving
from counterfoil.steps.releases.registration import Candidate, load_release, register_candidate
from counterfoil.steps.scoring.score_one import ContentConflictError, OnlineScorer

pytestmark = pytest.mark.xdist_group("service")


class Failing:
    """A store that passes calls on unless it is told to be gone, or to be slow until it is freed."""

    def __init__(self, real: Any) -> None:
        self.real = real
        self.gone = False
        self.free = threading.Event()
        self.free.set()

    def __getattr__(self, name: str) -> Any:
        def call(*given: Any) -> Any:
            if self.gone:
                raise StoreUnavailableError("gone")
            self.free.wait(20)
            return getattr(self.real, name)(*given)

        return call


@pytest.fixture(scope="module")
def place(scoring_place: Any) -> Any:
    return scoring_place.open(service_profile_deadline_ms=20_000, service_deadline_ms=60_000)


def arrivals(place: Any, name: str, **changes: Any) -> Arrivals:
    usual = {
        "transaction_id": name, "event_time": "2024-02-13T03:00:00Z", "amount": "990.00", "currency": "EUR",
        "account": "of the faults", "merchant": "Harbour Gift Cards", "category": "gift cards",
    }  # fmt: skip
    in_use = place.champion.current()
    return clean_requests([usual | changes], in_use.canonical, key=place.pseudonym_key)


@pytest.mark.parametrize("how", ["slow", "gone"])
def test_without_profiles_a_score_says_so_and_they_catch_up(place: Any, how: str) -> None:
    profiles = Failing(place.profiles)
    scorer = OnlineScorer(place.champion, profiles, place.scores, timedelta(seconds=0.2))
    in_use = place.champion.current()
    scorer.catch_up()
    profiles.gone = how == "gone"
    if how == "slow":
        profiles.free.clear()
    begun = time.monotonic()
    [score] = scorer.score(arrivals(place, f"{how}-1", account=how), in_use)
    assert time.monotonic() - begun < 10
    assert "profile store" in score.answer["without_history"]
    assert scorer.counts.without_history == 1
    profiles.gone = False
    profiles.free.set()
    scorer.deadline = timedelta(seconds=20)
    assert scorer.catch_up() >= 1
    assert scorer.catch_up() == 0
    scorer._paused_until = 0.0
    [after] = scorer.score(arrivals(place, f"{how}-2", account=how, event_time="2024-02-13T03:01:00Z"), in_use)
    assert after.answer["without_history"] is None
    assert after.evidence["account_count_1h"] == 2


def test_a_score_that_cannot_be_kept_is_not_given(place: Any) -> None:
    scores = Failing(place.scores)
    scorer = OnlineScorer(place.champion, place.profiles, scores, timedelta(seconds=20))
    scores.gone = True
    with pytest.raises(StoreUnavailableError):
        scorer.score(arrivals(place, "unkept"), place.champion.current())
    scores.gone = False
    [score] = scorer.score(arrivals(place, "unkept"), place.champion.current())
    assert score.evidence["account_count_1h"] >= 1


def test_requests_that_are_scored_together_have_answers_of_their_own(place: Any) -> None:
    def asked(name: str, **changes: Any) -> Asked:
        usual = {"transaction_id": name, "event_time": "2024-02-13T04:00:00Z", "amount": "12.00", "currency": "EUR",
                 "account": name, "category": "grocery"}  # fmt: skip
        return Asked([usual | changes], False)

    serving = Serving(place)
    both = Asked([*asked("together-4").payments, *asked("together-5", account="together-1").payments], False)
    set_of = [asked("together-1"), asked("together-2", amount="much"), asked("together-3"), both]
    one, unreadable, other, pair = serving.score_all(set_of)
    assert isinstance(unreadable, ProblemError)
    assert unreadable.status == 422
    assert [error["where"] for error in unreadable.errors] == ["payments[0]"]
    names = [[score["transaction_id"] for score in json.loads(answer)["scores"]] for answer in (one, other, pair)]
    assert names == [["together-1"], ["together-3"], ["together-4", "together-5"]]
    kept = place.scores.find(["together-1", "together-2", "together-5"])
    assert kept.keys() == {"together-1", "together-5"}
    assert kept["together-5"].evidence["account_count_1h"] == 2, "it saw the payment of another request of the set"
    again, conflict = serving.score_all([asked("together-1"), asked("together-3", amount="13.00")])
    assert json.loads(again) == json.loads(one)
    assert isinstance(conflict, ContentConflictError)


def test_alerts_that_cannot_be_delivered_are_sent_later(place: Any) -> None:
    """Before the application below is there, whose own desk would send what this one must."""
    sent: list[str] = []
    desk = place.alert_desk(lambda alert: sent.append(alert.transaction_id))
    desk.per_day = 10_000
    desk.work()
    scored = place.online_scorer.score(arrivals(place, "alert-base"), place.champion.current())[0]
    alarming = replace(scored, transaction_id="alert-1", decision="block", account_id="of the alert", signal=0.99)
    place.scores.append([alarming])
    sink, desk.sink = desk.sink, Failing(desk.sink)
    desk.sink.gone = True
    with pytest.raises(StoreUnavailableError):
        desk.work()
    desk.sink = sink
    desk.work()
    assert "alert-1" in sent
    assert place.alert_log.pending(10) == []
    assert datetime.now(UTC) > scored.scored_at


@pytest.fixture(scope="module")
def client(place: Any) -> Iterator[TestClient]:
    with TestClient(create_app(place), raise_server_exceptions=False) as one:
        yield one


def test_stores_that_are_gone_are_503_with_retry_after(
    place: Any, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = {"Authorization": f"Bearer {new_token(place.tokens, 'operator', 'faults')}"}
    body = {"payments": [{"transaction_id": "f", "event_time": "2024-02-13T03:00:00Z", "amount": "1.00"}]}
    assert client.get("/v1/releases/current", headers=headers).status_code == 200
    scores = Failing(place.scores)
    scores.gone = True
    monkeypatch.setattr(place.online_scorer, "scores", scores)
    answer = client.post("/v1/score", json=body, headers=headers)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert client.get("/healthz").status_code == 200
    monkeypatch.undo()
    assert client.post("/v1/score", json=body, headers=headers).status_code == 200


def test_the_page_takes_a_token_shows_the_queue_and_keeps_a_word(place: Any, client: TestClient) -> None:
    secret = new_token(place.tokens, "analyst", "ada")
    scored = place.online_scorer.score(arrivals(place, "page-1"), place.champion.current())[0]
    shown = replace(scored, transaction_id="page<1>", decision="review", answer={**scored.answer,
                    "transaction_id": "page<1>", "decision": "review", "reasons": [
                        {"topic": "amount", "words": "<b>large</b>", "contribution": 1.0}]})  # fmt: skip
    place.scores.append([shown])
    first = client.get("/")
    assert first.status_code == 401
    assert "default-src 'none'" in first.headers["content-security-policy"]
    form = {"form_token": form_token(first.text)}
    assert client.post("/login", data=form | {"token": "cf_wrong"}).status_code == 401
    assert client.post("/login", data={"token": secret, "form_token": "x"}).status_code == 403
    page = client.post("/login", data=form | {"token": secret})
    assert page.status_code == 200
    page = client.get("/", params={"transaction": "page<1>"})
    assert "page&lt;1&gt;" in page.text
    assert "&lt;b&gt;large" in page.text
    assert "page<1>" not in page.text
    word = {"transaction_id": "page<1>", "verdict": "fraud", "reason": "the holder called"}
    assert client.post("/review", data=word | form).status_code == 403  # the form of no session
    kept = client.post("/review", data=word | {"form_token": form_token(page.text)}, follow_redirects=False)
    assert (kept.status_code, kept.headers["location"]) == (303, "/")
    assert "page&lt;1&gt;" not in client.get("/").text
    again = client.get("/", params={"transaction": "page<1>"})
    assert "the holder called" in again.text
    client.post("/logout", data={"form_token": form_token(again.text)})
    assert client.get("/").status_code == 401


def form_token(text: str) -> str:
    found = re.search(r'name="form_token" value="([0-9a-f]{64})"', text)
    assert found
    return found[1]


def test_a_new_champion_is_taken_up_and_the_old_one_finishes_its_request(place: Any, scoring_place: Any) -> None:
    champion = place.champion
    old = champion.current()
    release = replace(load_release(place.registry, scoring_place.release_id), thresholds=Thresholds(review=0.0))
    register_candidate(Candidate(release, old.detector.references), place.references, place.registry)
    place.registry.set_alias("champion", release.release_id)
    try:
        assert champion.current() is old
        champion.refresh()
        new = champion.current()
        assert new.release_id == release.release_id != old.release_id
        scorer = place.online_scorer
        [by_old] = scorer.score(arrivals(place, "by-old", amount="3.00"), old)
        [by_new] = scorer.score(arrivals(place, "by-new", amount="3.00"), new)
        assert (by_old.release_id, by_old.decision) == (old.release_id, "allow")
        assert (by_new.release_id, by_new.decision) == (new.release_id, "review")
        assert by_new.answer["reasons"]
    finally:
        place.registry.set_alias("champion", scoring_place.release_id)
        champion.refresh()
    assert champion.current().release_id == scoring_place.release_id
