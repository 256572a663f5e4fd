"""Feedback that acts at once: over HTTP, in all processes, after a restart, taken back, and never too much."""

import itertools
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx2
import pyarrow.parquet as pq
import pytest
from served import Server, new_tokens, own_release, serve

from counterfoil.cli import main
from counterfoil.domain.policy.verdicts import Verdict
from counterfoil.domain.scoring.overlay import NEAR
from counterfoil.errors import NotFoundError, UsageError
from counterfoil.service.serving import Serving
from counterfoil.steps.scoring import overrule
from counterfoil.steps.scoring.feedback import feedback_on, give_feedback, label_of
from counterfoil.workspace.wiring import Workspace

pytestmark = pytest.mark.xdist_group("service")

_numbers = itertools.count(1)
KINDS = (("grocery", "Seven Oaks Supermarket"), ("transport", "Kestrel Taxi"), ("pharmacy", "Nordlys Chemist"))


@pytest.fixture(scope="module")
def scoring_place(own_scoring_place: Any) -> Any:
    """A workspace of this module's own: the server's rounds would take in what other tests have said."""
    return own_scoring_place


@pytest.fixture(scope="module")
def release_id(scoring_place: Any) -> str:
    """A release that blocks what it is sure of."""
    return own_release(scoring_place, block=0.9)


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


def references(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, place: Any, *arguments: str
) -> dict[str, tuple[str, ...]]:
    """Run `counterfoil references` here, and return the rows of its table by payment: said, state, references, by."""
    monkeypatch.setenv("COUNTERFOIL_WORKSPACE", str(place.root))
    monkeypatch.setenv("COUNTERFOIL_SERVICE_RELEASE", str(place.settings.service_release))
    monkeypatch.setattr(Workspace, "embedder", place.embedder)
    with pytest.raises(SystemExit) as stop:
        main(["references", *arguments])
    printed = capsys.readouterr()
    assert stop.value.code in (0, None), printed.err
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in printed.out.splitlines() if "│" in line]
    return {row[0]: tuple(row[1:5]) for row in rows}


def test_an_operator_takes_a_reference_out_and_lets_it_act_again(
    serving: Serving, place: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def decision(name: str) -> str:
        changes = {"category": "books", "amount": "21.40", "merchant": "undone"}
        [found] = serving.score([payment(name, **changes)], source_layout=False)["scores"]
        return str(found["decision"])

    def told(*arguments: str) -> dict[str, tuple[str, ...]]:
        found = references(capsys, monkeypatch, place, *arguments)
        place.champion.follow()
        return found

    decision("undone-0")
    serving.say("undone-0", Verdict.FRAUD, "ada", "a test", token=None, principal="ada")
    assert decision("undone-1") != "allow"
    row = told("list")["undone-0"]
    assert (row[0], row[1], row[3]) == ("fraud", "acts", "ada")
    assert int(row[2]) >= 1
    told("undo", "undone-0", "--operator", "eve", "--reason", "the case is open again")
    assert decision("undone-2") == "allow"
    assert told("list")["undone-0"] == ("fraud", "undone", "0", "eve")
    [entry] = place.decisions.entries("feedback_undone", "undone-0")
    assert (entry.actor, entry.reason) == ("eve", "the case is open again")
    # What was said stays, and neither settling nor a confirmation that comes late lets it act.
    assert label_of(feedback_on(place.decisions, "undone-0")) == 1
    place.settling.settle()
    place.confirmations.apply("undone-0")
    assert decision("undone-3") == "allow"
    with pytest.raises(NotFoundError, match="'undone-0' is not in the overlay of release"):
        overrule.undo(place.confirmations, "undone-0", "eve", "again")
    monkeypatch.setenv("COUNTERFOIL_FEEDBACK_ACTS", "true")
    told("release", "undone-0", "--operator", "eve", "--reason", "it was fraud")
    assert decision("undone-4") != "allow"
    serving.say("undone-0", Verdict.RETRACTED, "ada", "a test", token=None, principal="ada")
    assert decision("undone-5") == "allow"
    assert "undone-0" not in told("list")


def test_a_word_that_would_change_too_many_decisions_is_held(
    serving: Serving, place: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
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
    assert references(capsys, monkeypatch, place, "list")["many-11"] == ("fraud", "held", "0", "counterfoil")
    monkeypatch.setenv("COUNTERFOIL_FEEDBACK_ACTS", "true")
    with pytest.raises(UsageError, match="give --operator and --reason"):
        overrule.release(place.confirmations, "many-11", "", " ")
    said = overrule.release(place.confirmations, "many-11", "eve", "I have seen them")
    assert (said.state, len(said.moved)) == ("acts", len(effect.moved))
    [entry] = place.decisions.entries("feedback_released", "many-11")
    assert (entry.actor, entry.reason, entry.details["was"]) == ("eve", "I have seen them", "held")
    assert references(capsys, monkeypatch, place, "list")["many-11"][1] == "acts"
    with pytest.raises(NotFoundError, match="nothing that was said of transaction 'many-11' is held or undone"):
        overrule.release(place.confirmations, "many-11", "eve", "again")
    serving.say("many-11", Verdict.RETRACTED, "ada", "a test", token=None, principal="ada")


def test_a_fraud_that_looks_ordinary_reaches_only_its_closest_copies(serving: Serving, place: Any) -> None:
    usual = {"category": "fuel", "merchant": "ordinary"}
    many = [payment(f"usual-{n}", amount=f"{47 + n}.00", account=f"u{n}", **usual) for n in range(12)]
    for one in many:
        serving.score([one], source_layout=False)
    give_feedback(place.decisions, place.scores, place.profiles, "usual-6", Verdict.FRAUD, "ada", "a test")
    lenient = replace(place.confirmations, most_moved=1.0)
    effect = lenient.apply("usual-6")
    assert effect.state == "acts"
    [kept] = place.champion.follow().detector.overlay.changes["usual-6"].references
    assert NEAR < kept.reach < 1
    number = feedback_on(place.decisions, "usual-6")[-1].sequence
    ordered = lenient.apply("usual-6", order=number + 1)
    [kept] = place.champion.follow().detector.overlay.changes["usual-6"].references
    assert kept.reach == NEAR
    assert len(ordered.moved) > len(effect.moved)
    serving.say("usual-6", Verdict.RETRACTED, "ada", "a test", token=None, principal="ada")


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


def test_a_word_that_is_sent_again_is_kept_once(serving: Serving, place: Any) -> None:
    serving.score([payment("again-0", 1)], source_layout=False)

    def say_it(verdict: Verdict, by: str = "ada", reason: str = "a test") -> tuple[int, int]:
        said, _ = serving.say("again-0", verdict, by, reason, token=None, principal=by)
        return said.sequence, len(feedback_on(place.decisions, "again-0"))

    first, _ = say_it(Verdict.FRAUD)
    assert say_it(Verdict.FRAUD) == (first, 1)
    assert say_it(Verdict.FRAUD, "bob")[1] == 2  # another person's word
    assert say_it(Verdict.FRAUD) == (first, 2)
    assert say_it(Verdict.FRAUD, reason="the holder called")[1] == 3  # something new
    assert [say_it(Verdict.RETRACTED)[1] for _ in range(2)] == [4, 4]
    assert say_it(Verdict.FRAUD)[1] == 5  # after a word that took it back
    overrule.undo(place.confirmations, "again-0", "eve", "the case is open again")
    assert say_it(Verdict.FRAUD)[1] == 6  # after an operator's order
    say_it(Verdict.RETRACTED)


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
