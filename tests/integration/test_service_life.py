"""The service as its callers meet it: a process of its own, over HTTP, with tokens and real stores."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest
from served import START, Server, new_tokens, serve

from counterfoil.domain.scoring.compare import References

pytestmark = pytest.mark.xdist_group("service")


@pytest.fixture(scope="module")
def tokens(scoring_place: Any) -> dict[str, str]:
    return new_tokens(scoring_place)


@pytest.fixture(scope="module")
def server(scoring_place: Any, tokens: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    log = tmp_path_factory.mktemp("log") / "service.log"
    running = serve(scoring_place, log, tokens, alerts_per_day="100000")  # other tests' alerts count for the day too
    yield running
    assert running.end() in (0, -signal.SIGTERM)


@pytest.fixture
def client(server: Server) -> Iterator[httpx2.Client]:
    with server.client() as one:
        yield one


def payment(name: str, **changes: Any) -> dict[str, Any]:
    usual = {
        "transaction_id": name, "event_time": "2024-02-13T03:00:00Z", "amount": "990.00", "currency": "EUR",
        "account": "A000035", "merchant": "Harbour Gift Cards", "category": "gift cards",
    }  # fmt: skip
    return usual | changes


def score(client: httpx2.Client, *payments: dict[str, Any]) -> httpx2.Response:
    return client.post("/v1/score", json={"payments": payments})


def test_a_payment_is_scored_judged_and_told_again(client: httpx2.Client, scoring_place: Any) -> None:
    answer = score(client, payment("life-1", amount="990.1"))
    assert answer.status_code == 200, answer.text
    [scored] = answer.json()["scores"]
    assert scored["amount"] == "990.10"
    assert scored["release_id"] == scoring_place.release_id
    assert {cited["label"] for cited in scored["precedents"]} == {"fraud", "good"}
    assert scored["without_history"] is None
    said = {"transaction_id": "life-1", "verdict": "fraud", "by": "ada", "reason": "the holder called"}
    given = client.post("/v1/feedback", json=said)
    assert given.status_code == 200, given.text
    told = client.get("/v1/transactions/life-1").json()
    assert told["score"] == scored
    assert told["verdict"] == "fraud"
    assert [one["by"] for one in told["feedback"]] == ["ada"]
    assert client.post("/v1/feedback", json=said | {"verdict": "retracted"}).status_code == 200
    told = client.get("/v1/transactions/life-1").json()
    assert (told["verdict"], len(told["feedback"])) == (None, 2)
    assert "A000035" not in json.dumps(told)


def test_the_next_payment_sees_the_one_before(client: httpx2.Client) -> None:
    counts = []
    for number in range(3):
        score(client, payment(f"next-{number}", event_time=f"2024-02-14T04:0{number}:00Z", account="next")).json()
        told = client.get(f"/v1/transactions/next-{number}").json()
        counts.append(told["evidence"]["account_count_1h"])
    assert counts == [1, 2, 3]


def test_a_fraud_that_is_known_counts_for_its_merchant_after_the_delay(client: httpx2.Client) -> None:
    shop = {"merchant": "a shop of its own", "account": "first"}
    score(client, payment("delay-0", event_time="2024-02-14T04:00:00Z", **shop))
    said = {"transaction_id": "delay-0", "verdict": "fraud", "by": "ada", "reason": "the holder called"}
    client.post("/v1/feedback", json=said).raise_for_status()
    # Labels are known from when they were said, which is now; a clock may be a day ahead.
    later = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
    score(client, payment("delay-1", event_time=later, **shop)).raise_for_status()
    evidence = client.get("/v1/transactions/delay-1").json()["evidence"]
    assert evidence["merchant_fraud_rate_1d"] == 1.0


def test_the_same_payment_again_has_the_same_answer_and_another_content_is_refused(client: httpx2.Client) -> None:
    first, again = (score(client, payment("again")).json() for _ in range(2))
    assert first == again
    refused = score(client, payment("again", amount="1.00"))
    assert (refused.status_code, refused.headers["content-type"]) == (409, "application/problem+json")
    both = score(client, payment("twice"), payment("twice", amount="2.00"))
    assert both.status_code == 409
    assert client.get("/v1/transactions/twice").status_code == 404


def test_many_who_ask_at_once_for_one_payment_have_one_answer(client: httpx2.Client) -> None:
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: score(client, payment("race")).json()["scores"][0], range(12)))
    assert [answer == answers[0] for answer in answers] == [True] * 12
    told = client.get("/v1/transactions/race").json()
    score(client, payment("race-after", event_time="2024-02-13T03:00:01Z")).raise_for_status()
    after = client.get("/v1/transactions/race-after").json()
    assert after["evidence"]["account_count_1h"] == told["evidence"]["account_count_1h"] + 1


def test_a_batch_in_the_layout_of_the_files(client: httpx2.Client, scoring_place: Any) -> None:
    rows = scoring_place.newer[1000:1500]
    answer = client.post("/v1/score", json={"layout": "source", "payments": rows})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert [one["transaction_id"] for one in found["scores"]] == [row["payment_id"] for row in rows]
    assert found["ignored_fields"] == ["is_fraud", "labelled_at"]
    assert {one["decision"] for one in found["scores"]} == {"allow", "review"}
    alarming = [one for one in found["scores"] if one["decision"] != "allow"]
    assert all(one["reasons"] for one in alarming)
    page = client.get("/", headers={"Cookie": ""})
    assert page.status_code == 401
    too_many = client.post("/v1/score", json={"layout": "source", "payments": [*rows, rows[0]]})
    assert too_many.status_code == 422


def test_nobody_gets_in_without_a_token_of_the_role(server: Server) -> None:
    with server.client(None) as nobody, server.client("score") as machine:
        assert nobody.get("/healthz").status_code == 200
        assert nobody.get("/readyz").status_code == 200
        for method, path in (
            ("GET", "/metrics"), ("GET", "/v1/releases/current"), ("GET", "/v1/transactions/x"), ("GET", "/"),
            ("POST", "/v1/score"), ("POST", "/v1/feedback"),
        ):  # fmt: skip
            assert nobody.request(method, path, json={} if method == "POST" else None).status_code in (401, 422)
            wrong = nobody.request(method, path, headers={"Authorization": "Bearer cf_guess"}, content=None)
            assert wrong.status_code in (401, 415), path
        assert score(nobody, payment("nobody")).status_code == 401
        said = {"transaction_id": "life-1", "verdict": "good", "by": "eve", "reason": "me"}
        assert machine.post("/v1/feedback", json=said).status_code == 403
        assert machine.get("/metrics").status_code == 403
        assert machine.get("/v1/releases/current").status_code == 200


def test_metrics_count_what_happened(client: httpx2.Client) -> None:
    score(client, payment("counted")).raise_for_status()
    text = client.get("/metrics").text
    assert 'counterfoil_scores_total{decision="allow"}' in text
    assert 'counterfoil_requests_total{route="/v1/score",status="200"}' in text
    assert "A000035" not in text


def test_what_was_scored_survives_a_restart_and_a_new_champion_needs_none(
    scoring_place: Any, tokens: dict[str, str], client: httpx2.Client, tmp_path: Any
) -> None:
    before = score(client, payment("restart")).json()
    other = serve(scoring_place, tmp_path / "other.log", tokens, service_refresh_seconds="0.2")
    try:
        with other.client() as second:
            assert score(second, payment("restart")).json() == before
            assert second.get("/readyz").json()["ready"] is True
    finally:
        other.end()


def test_the_log_has_no_value_of_a_payment(server: Server, client: httpx2.Client) -> None:
    score(client, payment("logged", email="somebody@example.com", account="secret-account"))
    score(client, payment("logged", email="somebody@example.com", amount="secret"))
    text = server.log.read_text()
    assert "somebody" not in text
    assert "secret" not in text
    lines = [json.loads(line) for line in text.splitlines()]
    assert {"request_id", "route", "status", "milliseconds"} <= lines[-1].keys()


def test_an_alert_is_told_within_a_second_or_two_once_an_account(
    server: Server, client: httpx2.Client, scoring_place: Any
) -> None:
    rows = scoring_place.newer[1000:1500]  # some of them are alarming; whoever scored them before had the same answer
    client.post("/v1/score", json={"layout": "source", "payments": rows}).raise_for_status()
    text = ""
    deadline = time.monotonic() + 10
    while '"event": "alert"' not in text and time.monotonic() < deadline:
        time.sleep(0.05)
        text = server.log.read_text()
    alerts = [json.loads(line) for line in text.splitlines() if '"event": "alert"' in line]
    assert alerts
    assert {alert["decision"] for alert in alerts} <= {"review", "block"}
    accounts = [alert["account_id"] for alert in alerts]
    assert len(accounts) == len(set(accounts))
    told = client.get(f"/v1/transactions/{alerts[0]['transaction_id']}").json()
    assert told["score"]["decision"] == alerts[0]["decision"]


def test_serve_without_tokens_stays_on_the_loopback(scoring_place: Any) -> None:
    command = [sys.executable, "-c", START, "serve", "--no-auth", "--host", "0.0.0.0"]
    done = subprocess.run(command, env=scoring_place.environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--host 127.0.0.1" in done.stderr


def test_the_references_of_a_release_are_made_ready_before_it_is_used(
    scoring_place: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready, prepare = list[References](), References.prepare

    def noted(references: References) -> None:
        ready.append(references)
        prepare(references)

    monkeypatch.setattr(References, "prepare", noted)
    assert scoring_place.open().champion.current().detector.base in ready
    assert len(ready) == 1
