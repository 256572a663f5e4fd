"""The review page in a real browser: a queue, a payment beside its precedents, a word with the keyboard alone."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from in_chromium import LOOKS, Look, faults, opened, overflows, picture
from served import listening, own_release

from counterfoil.domain.intake.requests import clean_requests
from counterfoil.service.access import new_token
from counterfoil.service.app import create_app

pytestmark = pytest.mark.xdist_group("service")

HOSTILE = "page <b>in</b> a browser"


@pytest.fixture(scope="module")
def place(scoring_place: Any) -> Any:
    return scoring_place.open(
        service_release=own_release(scoring_place, block=0.91), feedback_acts=True, service_profile_deadline_ms=20_000,
        service_deadline_ms=60_000,
        # What other tests scored is among the last 10,000 payments, and may be alike.
        feedback_most_changed=1.0,
    )  # fmt: skip


@pytest.fixture(scope="module")
def address(place: Any) -> Iterator[str]:
    """Return where the page is served, on the loopback; two payments wait for a word, and a blocked one.

    All have the evidence of one payment, whatever payments of other tests its merchant had: a word on one moves all.
    """
    in_use = place.champion.current()
    usual = {
        "transaction_id": HOSTILE, "event_time": "2024-02-13T03:00:00Z", "amount": "990.00", "currency": "EUR",
        "account": "of the browser", "merchant": "Harbour Gift Cards", "category": "gift cards",
    }  # fmt: skip
    [score] = place.online_scorer.score(clean_requests([usual], in_use.canonical, key=place.pseudonym_key), in_use)
    for name, decision in ((f"{HOSTILE} shown", "review"), ("in a browser", "allow"), ("in a browser shown", "review")):
        shown = {**score.answer, "transaction_id": name, "decision": decision}
        place.scores.append([replace(score, transaction_id=name, decision=decision, answer=shown)])
    blocked = {**shown, "transaction_id": "blocked", "decision": "block"}
    place.scores.append([replace(score, transaction_id="blocked", decision="block", answer=blocked)])
    with listening(create_app(place)) as where:
        yield where


def log_in(page: Any, place: Any, name: str) -> None:
    page.get_by_label("Token").fill(new_token(place.tokens, "analyst", name))
    page.keyboard.press("Enter")
    page.wait_for_selector(".queue")


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: look.name)
def test_it_reads_well_for_everybody(browser: Any, place: Any, address: str, look: Look, tmp_path: Path) -> None:
    with opened(browser, address, address, look) as (page, seen):
        assert faults(page) == []
        seen.errors.clear()  # a page that asks for a token is answered with 401, which a browser writes down
        log_in(page, place, look.name)
        page.goto(f"{address}/?transaction={HOSTILE} shown")
        assert page.locator("h2").inner_text().startswith(f"{HOSTILE} shown")
        assert page.locator("table.precedents th .tag").count() >= 2
        assert overflows(page) == []
        assert faults(page) == []
        page.get_by_role("link", name='what "fraud" would change').click()
        assert "it would act at once: " in page.locator("#effect").inner_text()
        moved = page.locator("table.moved tbody tr").all_inner_texts()
        assert any(row.split()[-1] == "block" and "in a browser" in row for row in moved), moved
        assert page.locator("table.moved").get_by_text(f"{HOSTILE} shown", exact=True).count() == 0
        assert overflows(page) == []
        assert faults(page) == []
        picture(page, tmp_path / f"{look.name}.png")
        assert (seen.errors, seen.requests) == ([], [])


def test_good_of_a_blocked_payment_waits_for_a_second_person(browser: Any, place: Any, address: str) -> None:
    for person, seen in (("first", "It waits for a second person"), ("second", "It stands as good")):
        with opened(browser, address, address, LOOKS[0]) as (page, _):
            log_in(page, place, person)
            page.goto(f"{address}/?transaction=blocked&preview=good")
            told = page.locator("#effect").inner_text()
            assert ("a blocked payment is good when a second person says so" in told) == (person == "first")
            page.get_by_role("textbox", name="Why").fill("the holder confirms")
            with page.expect_navigation():
                page.get_by_role("button", name="Good").click()
            if person == "second":
                page.goto(f"{address}/?transaction=blocked")
            assert seen in page.locator("main").inner_text()
            waiting = page.locator(".queue .id").get_by_text("blocked", exact=True).count()
            assert waiting == (1 if person == "first" else 0)
            assert faults(page) == []


def test_a_word_is_given_with_the_keyboard_alone(browser: Any, place: Any, address: str) -> None:
    with opened(browser, address, address, LOOKS[0]) as (page, _):
        log_in(page, place, "keyboard")
        page.goto(f"{address}/?transaction=in a browser shown")
        page.get_by_role("textbox", name="Why").focus()
        page.keyboard.type("the holder called")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.tagName") == "BUTTON"
        said = page.evaluate("document.activeElement.innerText")
        with page.expect_navigation():
            page.keyboard.press("Enter")
        assert page.locator(".queue .id").get_by_text("in a browser shown", exact=True).count() == 0
        assert page.locator(".queue a", has_text=f"{HOSTILE} shown").count() == 1
        page.goto(f"{address}/?transaction=in a browser shown")
        assert page.get_by_text("the holder called").is_visible()
        assert page.locator("section .tag", has_text=said.lower()).count() >= 1
