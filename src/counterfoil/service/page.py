"""The review page: a queue, and a payment beside its precedents. Plain forms, no script, nothing from elsewhere."""

from importlib.resources import files
from typing import Annotated
from urllib.parse import quote

from fastapi import FastAPI, Form, Request, Response
from fastapi.responses import RedirectResponse

from counterfoil.errors import CounterfoilError, NotFoundError, StoreUnavailableError
from counterfoil.service.access import COOKIE, NOBODY, SESSION_SECONDS, Access, Role
from counterfoil.service.page_case import case_of
from counterfoil.service.page_cases import add_cases_page
from counterfoil.service.page_frame import HEADERS, PageFrame
from counterfoil.service.page_policy import add_policy_page
from counterfoil.service.problems import ProblemError
from counterfoil.service.serving import Serving
from counterfoil.service.workers import Workers
from counterfoil.steps.scoring.confirm import State
from counterfoil.steps.scoring.feedback import Verdict

QUEUE = 50
MOST_MOVED = 50
"""So many of the payments that a word would change are listed."""

_STYLE = files("counterfoil") / "service" / "static" / "page.css"
Word = Annotated[str, Form(max_length=1000)]


def add_page(app: FastAPI, serving: Serving, workers: Workers, access: Access) -> None:
    """Add the page's routes to the app."""
    frame = PageFrame(workers, access)
    _add_style(app)
    _add_queue(app, serving, frame)
    _add_verdicts(app, serving, frame)
    _add_sessions(app, frame)
    add_cases_page(app, serving, frame)
    add_policy_page(app, serving, frame)


def _add_style(app: FastAPI) -> None:
    style = _STYLE.read_text(encoding="utf-8")

    @app.get("/static/page.css", include_in_schema=False)
    async def page_style() -> Response:
        return Response(style, media_type="text/css", headers={"Cache-Control": "max-age=300"})


def _add_queue(app: FastAPI, serving: Serving, frame: PageFrame) -> None:
    run = frame.workers.run

    @app.get("/", include_in_schema=False)
    async def review(request: Request, transaction: str | None = None, preview: Verdict | None = None) -> Response:
        caller = await frame.who(request)
        if caller is None:
            return frame.shown(request, "login.html", 401)
        try:
            queue = await run(serving.place.scores.queue, QUEUE)
            chosen = transaction or (queue[0].transaction_id if queue else None)
            person = "" if caller is NOBODY else caller.name
            case = None if chosen is None else await run(case_of, serving, chosen, preview, person)
        except StoreUnavailableError:
            return frame.unavailable(request)
        except NotFoundError:
            return frame.message(request, 404, "There is no such scored payment.")
        return frame.shown(request, "review.html", queue=queue, case=case, caller=caller, most_moved=MOST_MOVED)


def _add_verdicts(app: FastAPI, serving: Serving, frame: PageFrame) -> None:
    @app.post("/review", include_in_schema=False)
    async def judge(
        request: Request,
        transaction_id: Annotated[str, Form(max_length=256)],
        verdict: Word,
        reason: Word,
        form_token: Word,
        by: Annotated[str, Form(max_length=256)] = "",
    ) -> Response:
        frame.require_own(request, form_token)
        caller = await frame.who(request)
        if caller is None:
            return frame.shown(request, "login.html", 401)
        person = by if caller is NOBODY else caller.name
        try:
            _, effect = await frame.workers.run(
                lambda: serving.say(
                    transaction_id, _verdict(verdict), _kept(person), _kept(reason), token=caller.token_id,
                    principal=person.strip(),
                )
            )  # fmt: skip
        except StoreUnavailableError:
            return frame.message(request, 503, "A store is not available. Nothing was kept; try again.")
        except CounterfoilError as error:
            return frame.message(request, 422, str(error))
        waits = effect.state in (State.HELD, State.AWAITS)  # which the payment's own page explains
        return RedirectResponse(f"/?transaction={quote(transaction_id, safe='')}" if waits else "/", 303, HEADERS)


def _add_sessions(app: FastAPI, frame: PageFrame) -> None:
    access = frame.access

    @app.post("/login", include_in_schema=False)
    async def login(request: Request, token: Word, form_token: Word) -> Response:
        frame.require_own(request, form_token)
        caller = await frame.workers.run(access.of_token, token.strip())
        if caller is None or not caller.role.includes(Role.ANALYST):
            return frame.shown(request, "login.html", 401, refused=True)
        answer = RedirectResponse("/", 303, HEADERS)
        answer.set_cookie(
            COOKIE, access.session_of(token.strip()), max_age=SESSION_SECONDS, httponly=True, samesite="strict",
            secure=request.url.scheme == "https" or request.headers.get("x-forwarded-proto") == "https",
        )  # fmt: skip
        return answer

    @app.post("/logout", include_in_schema=False)
    async def logout(request: Request, form_token: Word) -> Response:
        frame.require_own(request, form_token)
        answer = RedirectResponse("/", 303, HEADERS)
        answer.delete_cookie(COOKIE)
        return answer


def _verdict(text: str) -> Verdict:
    if text not in list(Verdict):
        raise ProblemError(422, f"a verdict is one of {', '.join(Verdict)}")
    return Verdict(text)


def _kept(text: str) -> str:
    if "\0" in text:
        raise ProblemError(400, "the form has a NUL, which cannot be kept")
    return text
