"""The analyst's desk over HTTP: from an alert to a case to a label to a changed decision, and two signatures."""

import itertools
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pyarrow.parquet as pq
import pytest
from served import Server, new_tokens, own_release, serve

from counterfoil.cli import main
from counterfoil.domain.tables import LABELS_TABLE
from counterfoil.service.access import new_token
from counterfoil.workspace.wiring import Workspace

pytestmark = pytest.mark.xdist_group("service")

_numbers = itertools.count(1)
STOLEN, OTHER = "411111", "520000"
"""The first digits of cards: no evidence, so that what is alike stays alike."""


def rules(name: str) -> str:
    return f"""
name = "{name}"
[[rule]]
id = "stolen"
when = "card_bin == '{STOLEN}'"
effect = "review"
owner = "desk"
reason = "a bank lost these cards"
"""


@pytest.fixture(scope="module")
def place(scoring_place: Any) -> Any:
    return scoring_place.open(service_release=own_release(scoring_place, block=0.92), feedback_acts=True)


@pytest.fixture(scope="module")
def server(scoring_place: Any, place: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    settings = {
        "service_release": place.settings.service_release, "feedback_acts": "true", "service_refresh_seconds": "0.3",
        "feedback_most_changed": "1",  # what other tests scored is among the last payments, and may be alike
    }  # fmt: skip
    log = tmp_path_factory.mktemp("log") / "service.log"
    running = serve(scoring_place, log, new_tokens(scoring_place, "desk"), **settings)
    yield running
    running.end()
    with psycopg.connect(place.dsn) as connection:  # a list is a policy, and other tests are without one
        connection.execute("DELETE FROM policy_entry")


@pytest.fixture
def client(server: Server) -> Iterator[httpx2.Client]:
    with server.client("analyst") as one:
        yield one


def payment(name: str, **changes: Any) -> dict[str, Any]:
    usual = {
        "transaction_id": name, "event_time": f"2024-02-20T03:{next(_numbers) % 60:02d}:00Z", "amount": "77.70",
        "currency": "EUR", "account": f"account of {name}", "merchant": "desk jewels", "category": "jewellery",
        "card_bin": STOLEN, "device": f"device of {name}",
    }  # fmt: skip
    return usual | changes


def score(client: httpx2.Client, one: dict[str, Any]) -> dict[str, Any]:
    answer = client.post("/v1/score", json={"payments": [one]})
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["scores"][0])


def ok(answer: httpx2.Response) -> Any:
    assert answer.status_code == 200, answer.text
    return answer.json()


def case_of(client: httpx2.Client, name: str) -> str:
    """The case of a payment's alert, once the service has made it."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for case in ok(client.get("/v1/cases", params={"limit": 500}))["cases"]:
            whole = ok(client.get(f"/v1/cases/{case['case_id']}"))
            if name in [alert["transaction_id"] for alert in whole["alerts"]]:
                return str(case["case_id"])
        time.sleep(0.1)
    raise AssertionError(f"no case of {name}")


def until_policy(client: httpx2.Client, version: str | None) -> None:
    """Wait until the service decides by a policy."""
    deadline = time.monotonic() + 30
    while score(client, payment(f"probe-{next(_numbers)}", category="grocery"))["policy_version"] != version:
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture(scope="module")
def version(server: Server, place: Any) -> Iterator[str]:
    """A policy that two people signed: it has some cards reviewed."""
    second = {"Authorization": f"Bearer {new_token(place.tokens, 'operator', 'desk second')}"}
    with server.client() as operator:
        made = ok(operator.post("/v1/policy/proposals", json={"rules": rules("desk"), "reason": "a ring"}))["version"]
        path = f"/v1/policy/proposals/{made}/approval"
        ok(operator.post(path, json={"reason": "looks right"}, headers=second))
        until_policy(operator, made)
        yield made
        assert ok(operator.post("/v1/policy/rollback", json={"reason": "the tests are over"}))["in_force"] is None


def test_an_alert_becomes_a_case_a_label_and_another_decision(client: httpx2.Client, place: Any, version: str) -> None:
    with_device = {"device": "device of a ring"}
    score(client, payment("desk-shares", merchant="another", category="grocery", **with_device))
    before = score(client, payment("desk-0", card_bin=OTHER))
    assert before["decision"] == "allow"
    alert = score(client, payment("desk-1", **with_device))
    assert (alert["decision"], alert["policy_version"]) == ("review", version)
    assert alert["policy_hits"] == ["review: rule stolen"]
    case_id = case_of(client, "desk-1")
    whole = ok(client.get(f"/v1/cases/{case_id}"))
    related = {one["transaction_id"]: one["shared"] for one in whole["related"]}
    assert "device" in related["desk-shares"]
    assert whole["case"]["expected_loss"] == pytest.approx(alert["anomaly_signal"] * 77.7)
    assert whole["case"]["state"] == "open"
    assert "account of desk-1" not in json.dumps(whole)
    assert ok(client.post(f"/v1/cases/{case_id}/assignment", json={"to": "ada"}))["assignee"] == "ada"
    ok(client.post(f"/v1/cases/{case_id}/notes", json={"words": "the holder called"}))
    # The outcome is a word on each payment, which acts: what is alike is decided otherwise.
    queue = ok(client.get("/v1/cases"))["cases"]
    assert [one["expected_loss"] for one in queue] == sorted((c["expected_loss"] for c in queue), reverse=True)
    closed = ok(client.post(f"/v1/cases/{case_id}/close", json={"outcome": "fraud", "reason": "the holder says so"}))
    assert (closed["case"]["outcome"], closed["said"], closed["labels"]) == ("fraud", 1, 0)
    told = ok(client.get("/v1/transactions/desk-1"))
    assert (told["verdict"], told["feedback"][0]["by"]) == ("fraud", "desk analyst")
    after = score(client, payment("desk-2", card_bin=OTHER))
    assert (after["decision"] != "allow", after["policy_hits"]) == (True, [])
    assert after["overlay_seq"] > before["overlay_seq"]
    assert after["precedents"][0]["reference_id"] == "desk-1"
    assert after["anomaly_signal"] > before["anomaly_signal"]
    notes = ok(client.get(f"/v1/cases/{case_id}"))["notes"]
    assert [one["what"] for one in notes] == ["assigned", "note", "closed as fraud"]
    assert {one["said_by"] for one in notes} == {"desk analyst"}
    again = client.post(f"/v1/cases/{case_id}/close", json={"outcome": "good", "reason": "no"})
    assert (again.status_code, "was closed as fraud" in again.json()["detail"]) == (409, True)
    deadline = time.monotonic() + 30
    while "desk-1" not in _labelled(place):  # the service settles words into the lake in rounds of its own
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_case_that_is_closed_on_the_command_line_acts_at_once(
    client: httpx2.Client, place: Any, version: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    alike = {"merchant": "desk optician", "category": "transport", "amount": "31.40"}
    before = score(client, payment("hand-0", card_bin=OTHER, **alike))
    alert = score(client, payment("hand-1", **alike))
    assert (before["decision"], alert["decision"], alert["policy_version"]) == ("allow", "review", version)
    case_id = case_of(client, "hand-1")
    release = place.settings.service_release
    for name, value in (("WORKSPACE", place.root), ("SERVICE_RELEASE", release), ("FEEDBACK_MOST_CHANGED", "1")):
        monkeypatch.setenv(f"COUNTERFOIL_{name}", str(value))
    monkeypatch.setattr(Workspace, "embedder", place.embedder)
    with pytest.raises(SystemExit) as stop:
        main(["cases", "close", case_id, "--outcome", "fraud", "--operator", "Ann", "--reason", "the holder says so"])
    printed = capsys.readouterr()
    told = f"case {case_id} is closed as fraud: 0 labels and 1 words of feedback on 1 alerts\n"
    assert (stop.value.code or 0, printed.out) == (0, told), printed.err
    [said] = ok(client.get("/v1/transactions/hand-1"))["feedback"]
    assert (said["verdict"], said["by"]) == ("fraud", "Ann")
    # In this process it acts already; the service follows within a second.
    assert "hand-1" in {one.reference_id for one in place.champion.follow().detector.overlay.references}
    deadline = time.monotonic() + 30
    while score(client, payment(f"hand-{next(_numbers)}-after", card_bin=OTHER, **alike))["decision"] == "allow":
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _labelled(place: Any) -> set[str]:
    """The payments with a label in the lake, once the service has settled what was said."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        rows = [row for path in place.tables.files(LABELS_TABLE) for row in pq.read_table(path).to_pylist()]
        if found := {row["transaction_id"] for row in rows if row["label"] == 1}:
            return found
        time.sleep(0.1)
    raise AssertionError("no label")


def test_of_two_who_close_at_once_one_is_told(client: httpx2.Client, server: Server, version: str) -> None:
    assert score(client, payment("desk-race"))["policy_version"] == version
    case_id = case_of(client, "desk-race")

    def close(outcome: str) -> tuple[int, str]:
        with server.client("operator") as mine:
            answer = mine.post(f"/v1/cases/{case_id}/close", json={"outcome": outcome, "reason": "looked at"})
        return answer.status_code, outcome

    with ThreadPoolExecutor(2) as both:
        done = dict(both.map(close, ("fraud", "unsure")))
    assert sorted(done) == [200, 409]
    told = ok(client.get("/v1/transactions/desk-race"))["feedback"]
    assert [one["verdict"] for one in told] == [done[200]]


def test_two_signatures_cannot_be_given_by_one_person(
    client: httpx2.Client, server: Server, place: Any, version: str
) -> None:
    text = rules("signed-once")
    with server.client("operator") as operator:
        made = ok(operator.post("/v1/policy/proposals", json={"rules": text, "reason": "a ring"}))
        assert (made["effect"], made["in_force"]) == (False, version)
        path = f"/v1/policy/proposals/{made['version']}/approval"
        for by in ({}, {"by": "somebody else"}):  # who it is the token says, not the caller
            alone = operator.post(path, json={"reason": "my own", **by})
            assert alone.status_code == 409, alone.text
            assert "cannot sign it twice" in alone.json()["detail"]
        assert client.post(path, json={"reason": "me too"}).status_code == 403  # an analyst approves nothing
        for name in (" Desk  OPERATOR ", "desk\u200b operator", "\uff44esk\u00a0operat\u00ador"):  # as nobody can see
            same = {"Authorization": f"Bearer {new_token(place.tokens, 'operator', name)}"}
            assert operator.post(path, json={"reason": "another token"}, headers=same).status_code == 409, name
        now = ok(client.get("/v1/policy"))
        assert (now["in_force"], now["rules"]) == (version, rules("desk"))
        assert made["version"] in [one["version"] for one in now["waiting"]]
        beside = ok(client.get(path.replace("approval", "shadow")))
        assert (beside["version"], beside["since"] > now["waiting"][0]["at"][:10]) == (made["version"], True)
        other = {"Authorization": f"Bearer {new_token(place.tokens, 'operator', 'desk third')}"}
        signed = ok(operator.post(path, json={"reason": "looks right"}, headers=other))
        assert (signed["effect"], signed["in_force"]) == (True, made["version"])
        assert operator.post(path, json={"reason": "again"}, headers=other).status_code == 404
        assert client.get(path.replace("approval", "shadow")).status_code == 404  # it waits no more
        assert ok(operator.post("/v1/policy/rollback", json={"reason": "back"}))["in_force"] == version


def test_a_snoozed_account_is_not_reviewed(client: httpx2.Client, version: str) -> None:
    until_policy(client, version)
    score(client, payment("desk-snooze"))
    case_id = case_of(client, "desk-snooze")
    until = ok(client.post(f"/v1/cases/{case_id}/snooze", json={"days": 3, "reason": "a known customer"}))["until"]
    deadline = time.monotonic() + 30
    quiet: dict[str, Any] = {"decision": "review"}
    while quiet["decision"] != "allow":
        assert time.monotonic() < deadline
        number = next(_numbers)
        quiet = score(client, payment(f"quiet-{number}", category="grocery", account="account of desk-snooze"))
    assert quiet["policy_hits"] == ["review: rule stolen", "snooze: list snoozed"]
    note = ok(client.get(f"/v1/cases/{case_id}"))["notes"][-1]["words"]
    assert note == f"account snoozed until {until}: a known customer"
    lists = {one["name"]: one for one in ok(client.get("/v1/policy"))["lists"]}
    assert (lists["snoozed"]["effect"], lists["snoozed"]["active"]) == ("snooze", 1)


def test_what_cannot_be_done_is_told(client: httpx2.Client, server: Server) -> None:
    wrong = client.post("/v1/policy/proposals", json={"rules": rules("x").replace("card_bin", "card"), "reason": "x"})
    assert wrong.status_code == 422
    assert "rule stolen: line 1" in wrong.json()["detail"]
    assert client.get("/v1/cases/c000000000000").status_code == 404
    assert client.get("/v1/cases/anything").status_code == 422
    assert client.post("/v1/policy/snoozes", json={"entity": "device", "value": "x", "reason": "x"}).status_code == 422
    blank = {"entity": "merchant", "value": "x", "reason": "  "}
    assert client.post("/v1/policy/snoozes", json=blank).status_code == 422
    with server.client("score") as machine:
        for path in ("/v1/cases", "/v1/policy"):
            assert machine.get(path).status_code == 403
    with server.client(None) as nobody:
        assert nobody.get("/v1/cases").status_code == 401


def test_no_raw_account_is_in_the_log(server: Server) -> None:
    assert "account of desk" not in Path(server.log).read_text()
