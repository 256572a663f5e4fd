"""Cases on the page: the queue, a case with its alerts and related payments, the forms of what people do with it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import FastAPI, Form, Request, Response
from fastapi.responses import RedirectResponse

from counterfoil.domain.policy.desk_words import Outcome
from counterfoil.errors import CounterfoilError, NotFoundError, StoreUnavailableError
from counterfoil.service.access import NOBODY, Caller
from counterfoil.service.cases import CaseId, close_as, snooze_case, whole_case
from counterfoil.service.page_frame import HEADERS, PageFrame
from counterfoil.service.problems import ProblemError
from counterfoil.service.serving import Serving

QUEUE = 50
Word = Annotated[str, Form(max_length=1000)]
Who = Annotated[str, Form(max_length=256)]


@dataclass(frozen=True)
class Author:
    """Who sent a form: as the service knows them, or on the loopback as they say."""

    caller: Caller
    person: str


def add_cases_page(app: FastAPI, serving: Serving, frame: PageFrame) -> None:
    """Add the page of cases to the app."""
    _add_queue(app, serving, frame)
    _add_words(app, serving, frame)
    _add_rings(app, serving, frame)
    _add_acts(app, serving, frame)


def _add_queue(app: FastAPI, serving: Serving, frame: PageFrame) -> None:
    run = frame.workers.run

    @app.get("/cases", include_in_schema=False)
    async def cases(request: Request, case: str | None = None, closed: bool = False) -> Response:
        caller = await frame.who(request)
        if caller is None:
            return frame.shown(request, "login.html", 401)
        try:
            queue = await run(lambda: serving.place.cases.queue(QUEUE, closed=closed))
            chosen = case or (queue[0].case_id if queue else None)
            whole = None if chosen is None else await run(whole_case, serving, chosen)
        except StoreUnavailableError:
            return frame.unavailable(request)
        except NotFoundError:
            return frame.message(request, 404, "There is no such case.")
        return frame.shown(
            request, "cases.html", queue=queue, whole=whole, caller=caller, closed=closed, now=datetime.now(UTC)
        )


def _add_words(app: FastAPI, serving: Serving, frame: PageFrame) -> None:
    store = serving.place.cases

    @app.post("/cases/{case_id}/note", include_in_schema=False)
    async def note(request: Request, case_id: CaseId, words: Word, form_token: Word, by: Who = "") -> Response:
        return await acted(
            frame, request, form_token, by, _page_of(case_id), lambda who: store.note(case_id, who.person, said(words))
        )

    @app.post("/cases/{case_id}/assign", include_in_schema=False)
    async def assign(request: Request, case_id: CaseId, to: Who, form_token: Word, by: Who = "") -> Response:
        return await acted(
            frame, request, form_token, by, _page_of(case_id), lambda who: store.assign(case_id, said(to), who.person)
        )


def _add_rings(app: FastAPI, serving: Serving, frame: PageFrame) -> None:
    store = serving.place.cases

    @app.post("/cases/{case_id}/link", include_in_schema=False)
    async def link(
        request: Request, case_id: CaseId, other: Word, reason: Word, form_token: Word, by: Who = ""
    ) -> Response:
        # The one that is looked at leads.
        return await acted(
            frame, request, form_token, by, _page_of(case_id),
            lambda who: store.link(said(other), case_id, who.person, said(reason)),
        )  # fmt: skip

    @app.post("/cases/{case_id}/unlink", include_in_schema=False)
    async def unlink(request: Request, case_id: CaseId, reason: Word, form_token: Word, by: Who = "") -> Response:
        return await acted(
            frame, request, form_token, by, _page_of(case_id),
            lambda who: store.unlink(case_id, who.person, said(reason)),
        )  # fmt: skip


def _add_acts(app: FastAPI, serving: Serving, frame: PageFrame) -> None:
    @app.post("/cases/{case_id}/close", include_in_schema=False)
    async def close(
        request: Request, case_id: CaseId, outcome: Word, reason: Word, form_token: Word, by: Who = ""
    ) -> Response:
        def act(who: Author) -> None:
            if outcome not in list(Outcome):
                raise ProblemError(422, f"an outcome is one of {', '.join(Outcome)}")
            close_as(serving, case_id, Outcome(outcome), who.person, said(reason), who.caller.token_id)

        return await acted(frame, request, form_token, by, _page_of(case_id), act)

    @app.post("/cases/{case_id}/snooze", include_in_schema=False)
    async def snooze(
        request: Request,
        case_id: CaseId,
        days: Annotated[int, Form(ge=1, le=366)],
        reason: Word,
        form_token: Word,
        by: Who = "",
    ) -> Response:
        return await acted(
            frame, request, form_token, by, _page_of(case_id),
            lambda who: snooze_case(serving, case_id, days, who.person, said(reason)),
        )  # fmt: skip


async def acted(
    frame: PageFrame, request: Request, form_token: str, by: str, then: str, act: Callable[[Author], Any]
) -> Response:
    """Do what a form of the page asks for, and go on to `then`; or show the log-in, or why it cannot be done."""
    frame.require_own(request, form_token)
    caller = await frame.who(request)
    if caller is None:
        return frame.shown(request, "login.html", 401)
    try:
        person = said(by) if caller is NOBODY else caller.name
        await frame.workers.run(act, Author(caller, person))
    except StoreUnavailableError:
        return frame.unavailable(request)
    except ProblemError as problem:
        return frame.message(request, problem.status, problem.detail)
    except CounterfoilError as error:
        return frame.message(request, 422, str(error))
    return RedirectResponse(then, 303, HEADERS)


def said(text: str) -> str:
    """What a field says. Raises ProblemError if it says nothing, or what no store can keep."""
    if "\0" in text or not text.strip():
        raise ProblemError(422, "A field of the form is blank, or has a NUL. Fill it in.")
    return text.strip()


def _page_of(case_id: str) -> str:
    return f"/cases?case={quote(case_id, safe='')}"
