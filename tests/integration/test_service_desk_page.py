"""The desk on the page, in a real browser: a case from its alert to its outcome, and a policy that two people sign."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest
from in_chromium import LOOKS, Look, faults, opened, overflows, picture
from served import listening, own_release

from counterfoil.domain.intake.requests import clean_requests
from counterfoil.ports.desk import CaseAlert
from counterfoil.service.access import new_token
from counterfoil.service.app import create_app
from counterfoil.steps.scoring.policies import rollback, standing

pytestmark = pytest.mark.xdist_group("service")

HOSTILE = "desk page <b>1</b>"
RULES = (
    'name = "page"\n[[rule]]\nid = "dear"\nwhen = "amount > 5000.0"\neffect = "review"\nowner = "desk"\n'
    'reason = "<i>seldom</i>"\n'
)


@pytest.fixture(scope="module")
def place(scoring_place: Any) -> Any:
    return scoring_place.open(
        service_release=own_release(scoring_place, block=0.93), feedback_acts=True, service_profile_deadline_ms=20_000,
        service_deadline_ms=60_000, feedback_most_changed=1.0,
    )  # fmt: skip


@pytest.fixture(scope="module")
def case_id(place: Any) -> str:
    """A case of two alerts; another account's payment was made with the same device."""
    in_use, alerts = place.champion.current(), []
    for name, account in ((HOSTILE, "of the desk page"), ("desk page 2", "of the desk page"), ("desk page 3", "other")):
        usual = {
            "transaction_id": name, "event_time": "2024-02-13T03:00:00Z", "amount": "54321.00", "currency": "EUR",
            "account": account, "merchant": "Harbour Gift Cards", "category": "gift cards", "device": "desk page",
        }  # fmt: skip
        [score] = place.online_scorer.score(clean_requests([usual], in_use.canonical, key=place.pseudonym_key), in_use)
        at = datetime(2024, 2, 13, 3, tzinfo=UTC)
        alerts.append(CaseAlert(name, score.account_id, at, "review", 0.9, "54321.00", "EUR", score.release_id, None))
    key_id = place.pseudonym_key.key_id
    place.cases.take(alerts[:2], key_id=key_id, due_in=timedelta(days=2))
    [case] = [one for one in place.cases.queue(500) if one.account_id == alerts[0].account_id]
    return str(case.case_id)


@pytest.fixture(scope="module")
def address(place: Any, case_id: str) -> Iterator[str]:
    assert case_id
    with listening(create_app(place)) as found:
        yield found
    with psycopg.connect(place.dsn) as connection:  # a list is a policy, and other tests are without one
        connection.execute("DELETE FROM policy_entry")


def log_in(page: Any, place: Any, role: str, name: str) -> None:
    page.get_by_label("Token").fill(new_token(place.tokens, role, name))
    with page.expect_navigation():
        page.keyboard.press("Enter")


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: look.name)
def test_cases_and_policies_read_well_for_everybody(
    browser: Any, place: Any, address: str, case_id: str, look: Look, tmp_path: Path
) -> None:
    with opened(browser, address, address, look) as (page, seen):
        log_in(page, place, "analyst", look.name)
        seen.errors.clear()  # a page that asks for a token is answered with 401, which a browser writes down
        page.get_by_role("link", name="Cases").click()
        page.goto(f"{address}/cases?case={case_id}")
        assert page.locator("h2").inner_text().startswith(f"Case {case_id}")
        assert page.locator("section[aria-labelledby=alerts] tbody tr").count() == 2
        assert page.get_by_role("link", name=HOSTILE, exact=True).count() == 1
        related = page.locator("section[aria-labelledby=related] tbody tr", has_text="desk page 3")
        assert "device" in related.inner_text()
        assert (overflows(page), faults(page)) == ([], [])
        picture(page, tmp_path / f"cases-{look.name}.png")
        page.get_by_role("link", name="Policy").click()
        assert page.get_by_role("heading", name="Propose rules").is_visible()
        assert (overflows(page), faults(page)) == ([], [])
        picture(page, tmp_path / f"policy-{look.name}.png")
        assert (seen.errors, seen.requests) == ([], [])


def test_a_case_is_worked_on_from_alert_to_outcome(browser: Any, place: Any, address: str, case_id: str) -> None:
    with opened(browser, address, address, LOOKS[0]) as (page, _):
        log_in(page, place, "analyst", "Ada")
        page.goto(f"{address}/cases?case={case_id}")

        def send(name: str) -> None:
            with page.expect_navigation():
                page.get_by_role("button", name=name, exact=True).click()

        page.get_by_label("Note").fill("<script>called</script>")
        send("Keep the note")
        send("Assign")  # to whoever is logged in, unless another name is written
        page.locator("section[aria-labelledby=snooze]").get_by_label("Why").fill("a known customer")
        send("Snooze")
        page.locator("section[aria-labelledby=close]").get_by_label("Why").fill("the holder says so")
        send("Fraud")
        assert page.locator("h2 .tag").inner_text() == "fraud"
        words = page.locator(".said").inner_text()
        for said in ("<script>called</script>", "assigned by Ada", "account snoozed until", "closed as fraud by Ada"):
            assert said in words
        assert page.get_by_role("button", name="Good", exact=True).count() == 0
        page.get_by_role("link", name=HOSTILE, exact=True).click()
        assert "It stands as fraud" in page.locator("main").inner_text()
    assert place.cases.find(case_id).assignee == "Ada"


def test_the_maker_is_not_offered_the_second_signature(browser: Any, place: Any, address: str) -> None:
    with opened(browser, address, address, LOOKS[0]) as (page, _):
        log_in(page, place, "operator", "Ann")
        page.goto(f"{address}/policy")
        page.get_by_label("Rules", exact=True).fill(RULES)
        page.locator("section[aria-labelledby=propose]").get_by_label("Why").fill("to be seen")
        with page.expect_navigation():
            page.get_by_role("button", name="Propose").click()
        [version] = [name for name, entry in standing(place.decisions).waiting.items() if entry.actor == "Ann"]
        assert standing(place.decisions).proposals[version].details["text"] == RULES  # as in a file: no CR LF
        assert page.get_by_text("You proposed it").is_visible()
        assert page.get_by_role("button", name=f"Approve {version}").count() == 0
        page.get_by_role("link", name=f"What {version} would have decided since").click()
        assert page.get_by_role("heading", name="In shadow").is_visible()
        assert page.get_by_role("link", name="Cases").is_visible()  # the way back to the other pages
        assert (overflows(page), faults(page)) == ([], [])
    with opened(browser, address, address, LOOKS[0]) as (page, _):
        log_in(page, place, "operator", "Bob")
        page.goto(f"{address}/policy")
        section = page.locator("section[aria-labelledby=waiting]")
        section.locator("form", has=page.get_by_role("button", name=version)).get_by_label("Why").fill("looks right")
        with page.expect_navigation():
            page.get_by_role("button", name=f"Approve {version}").click()
        assert page.locator("section[aria-labelledby=force] code").inner_text() == version
        assert faults(page) == []
    assert rollback(place.decisions, "Ann", "the test is over").in_force is None


def test_a_form_of_elsewhere_is_refused(place: Any, address: str, case_id: str) -> None:
    token = new_token(place.tokens, "operator", "elsewhere")
    with httpx2.Client(base_url=address, trust_env=False) as client:
        client.headers["Authorization"] = f"Bearer {token}"
        for path, fields in (
            (f"/cases/{case_id}/close", {"outcome": "good", "reason": "x"}), (f"/cases/{case_id}/note", {"words": "x"}),
            (f"/cases/{case_id}/assign", {"to": "x"}), (f"/cases/{case_id}/snooze", {"days": "1", "reason": "x"}),
            ("/policy/propose", {"rules": RULES, "reason": "x"}), ("/policy/rollback", {"reason": "x"}),
            ("/policy/approve/p0000000000000000", {"reason": "x"}),
        ):  # fmt: skip
            assert client.post(path, data={**fields, "form_token": "made up"}).status_code == 403, path
        for path in ("/cases", "/policy"):
            assert client.get(path).status_code == 401  # the page takes a session's cookie, no token
