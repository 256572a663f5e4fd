"""Feedback that acts at once: over HTTP, in all processes, after a restart, taken back, and never too much."""

import itertools
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx2
import pyarrow.parquet as pq
import pytest
from served import Server, new_tokens, serve

from counterfoil.domain.policy.thresholds import Thresholds
from counterfoil.domain.policy.verdicts import Verdict
from counterfoil.service.serving import Serving
from counterfoil.steps.releases.registration import Candidate, load_release, register_candidate

pytestmark = pytest.mark.xdist_group("service")

_numbers = itertools.count(1)
KINDS = (("grocery", "Seven Oaks Supermarket"), ("transport", "Kestrel Taxi"), ("pharmacy", "Nordlys Chemist"))


@pytest.fixture(scope="module")
def release_id(scoring_place: Any) -> str:
    """A release of this module's own, so that no other test sees its overlay; it blocks what it is sure of."""
    place = scoring_place.open()
    release = load_release(place.registry, scoring_place.release_id)
    own = replace(release, thresholds=Thresholds(review=release.thresholds.review, block=0.9, alert_budget=0.004))
    references = place.references.read_base(scoring_place.release_id)
    register_candidate(Candidate(own, references), place.references, place.registry)
    return own.release_id


@pytest.fixture(scope="module")
def place(scoring_place: Any, release_id: str) -> Any:
    return scoring_place.open(
        service_release=release_id, feedback_acts=True, service_profile_deadline_ms=20_000, service_deadline_ms=60_000
    )


@pytest.fixture(scope="module")
def serving(place: Any) -> Serving:
    return Serving(place)


@pytest.fixture(scope="module")
def server(scoring_place: Any, release_id: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    settings = {
        "service_release": release_id, "feedback_acts": "true", "service_profile_deadline_ms": "20000",
        "service_deadline_ms": "60000", "service_refresh_seconds": "0.5",
    }  # fmt: skip
    log = tmp_path_factory.mktemp("log") / "service.log"
    running = serve(scoring_place, log, new_tokens(scoring_place, "feedback"), **settings)
    yield running
    running.end()


def payment(name: str, kind: int = 0, **changes: Any) -> dict[str, Any]:
    category, merchant = KINDS[kind]
    usual = {
        "transaction_id": name, "event_time": f"2024-02-21T03:{next(_numbers) % 60:02d}:00Z", "amount": "14.20",
        "currency": "EUR", "account": f"account of {name}", "merchant": merchant, "category": category,
    }  # fmt: skip
    return usual | changes


def scored(client: httpx2.Client, one: dict[str, Any]) -> dict[str, Any]:
    answer = client.post("/v1/score", json={"payments": [one]})
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["scores"][0])


def say(client: httpx2.Client, name: str, verdict: str, by: str = "ada", **query: str) -> dict[str, Any]:
    body = {"transaction_id": name, "verdict": verdict, "by": by, "reason": "a test"}
    answer = client.post("/v1/feedback", json=body, params=query)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_a_confirmed_fraud_changes_the_next_alike_payment_in_every_process(server: Server, serving: Serving) -> None:
    with server.client() as client:
        for kind in range(len(KINDS)):
            before = scored(client, payment(f"alike-{kind}-0", kind))
            assert before["decision"] == "allow"
            preview = say(client, f"alike-{kind}-0", "fraud", preview="true")["effect"]
            assert preview["state"] == "acts"
            effect = say(client, f"alike-{kind}-0", "fraud")["effect"]
            assert effect["state"] == "acts"
            assert effect["checked"] >= 1
            after = scored(client, payment(f"alike-{kind}-1", kind))
            assert after["decision"] in ("review", "block"), after
            assert after["overlay_seq"] == effect["overlay_seq"] > before["overlay_seq"]
            cited = after["precedents"][0]
            assert (cited["reference_id"], cited["label"], cited["category"]) == (
                f"alike-{kind}-0", "fraud", KINDS[kind][0],
            )  # fmt: skip
    # Another process: this one. And one that starts now.
    assert serving.place.champion.follow().detector.overlay.sequence == effect["overlay_seq"]
    [here] = serving.score([payment("alike-2-2", 2)], source_layout=False)["scores"]
    assert here["decision"] in ("review", "block")


def test_what_is_taken_back_acts_no_more(server: Server, place: Any) -> None:
    with server.client() as client:
        changes = {"category": "jewellery", "amount": "77.70", "merchant": "back"}
        first = scored(client, payment("back-0", **changes))
        say(client, "back-0", "fraud")
        flagged = scored(client, payment("back-1", **changes))
        taken = say(client, "back-0", "retracted")["effect"]
        again = scored(client, payment("back-2", **changes))
    assert first["decision"] == again["decision"] == "allow"
    assert flagged["decision"] != "allow"
    assert again["overlay_seq"] == taken["overlay_seq"]
    held = place.champion.follow().detector.overlay
    assert "back-0" not in {one.reference_id for one in held.references}
    # A confirmation that comes late, of before the retraction, changes nothing: the last word holds.
    late = place.confirmations.apply("back-0")
    assert "back-0" not in {one.reference_id for one in place.champion.follow().detector.overlay.references}
    assert late.why == "what was said of this payment does not act any more"


def test_a_word_that_would_change_too_many_decisions_is_held(serving: Serving, place: Any) -> None:
    many = [payment(f"many-{n}", category="fuel", amount="61.00", merchant="many", account=f"m{n}") for n in range(12)]
    for one in many:
        [found] = serving.score([one], source_layout=False)["scores"]
        assert found["decision"] == "allow"
    _, effect = serving.say("many-11", Verdict.FRAUD, "ada", "a test", token=None, principal="ada")
    assert effect.state == "held"
    assert len(effect.moved) > effect.allowed
    assert {one.transaction_id for one in effect.moved} <= {one["transaction_id"] for one in many}
    assert "many-11" not in place.champion.follow().detector.overlay.changes
    [entry] = place.decisions.entries("feedback_held", "many-11")
    assert entry.details["would_change"] == len(effect.moved)
    # Settling feedback lets it wait too; an operator who has seen it lets it act.
    place.settling.settle()
    assert "many-11" not in place.champion.follow().detector.overlay.changes
    assert place.confirmations.apply("many-11", operator="eve").state == "acts"
    serving.say("many-11", Verdict.RETRACTED, "ada", "a test", token=None, principal="ada")


def test_a_blocked_payment_is_good_when_a_second_person_says_so(serving: Serving) -> None:
    changes = {"category": "pharmacy", "amount": "33.30", "merchant": "blocked"}

    def decision(name: str) -> str:
        [found] = serving.score([payment(name, **changes)], source_layout=False)["scores"]
        return str(found["decision"])

    def say_good(name: str, by: str) -> str:
        _, effect = serving.say(name, Verdict.GOOD, by, "a test", token=None, principal=by)
        return str(effect.state)

    decision("blocked-0")
    serving.say("blocked-0", Verdict.FRAUD, "ada", "a test", token=None, principal="ada")
    assert decision("blocked-1") == "block"
    assert [say_good("blocked-1", by) for by in ("ada", "ada", "bob")] == [
        "awaits_second_person", "awaits_second_person", "acts",
    ]  # fmt: skip
    serving.say("blocked-0", Verdict.RETRACTED, "ada", "a test", token=None, principal="ada")


def test_feedback_is_in_the_lake_once_whoever_settles_it(serving: Serving, place: Any, scoring_place: Any) -> None:
    serving.score([payment("lake-0", 1), payment("lake-1", 1)], source_layout=False)
    for name, verdict in (("lake-0", Verdict.FRAUD), ("lake-1", Verdict.FRAUD), ("lake-0", Verdict.RETRACTED)):
        serving.say(name, verdict, "ada", "a test", token=None, principal="ada")
    other = scoring_place.open()
    deadline = time.monotonic() + 30
    while not (rows := _labels(place)) or len(rows) < 3:
        place.settling.settle()  # the server of this module settles too: whose turn it is does it
        other.settling.settle()
        assert time.monotonic() < deadline, rows
    assert rows == [("lake-0", 1, "ada"), ("lake-1", 1, "ada"), ("lake-0", None, "ada")]


def _labels(place: Any) -> list[tuple[Any, ...]]:
    rows = [row for path in place.tables.files("labels") for row in pq.read_table(path).to_pylist()]
    ordered = sorted(rows, key=lambda row: row["sequence"])
    names = ("transaction_id", "label", "said_by")
    return [tuple(row[name] for name in names) for row in ordered if row["transaction_id"].startswith("lake-")]
