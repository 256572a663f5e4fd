"""The review page: a queue, and a payment beside its precedents. Plain forms, no script, nothing from elsewhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import FastAPI, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, PackageLoader, select_autoescape

from counterfoil.domain.policy.verdicts import awaits_another
from counterfoil.errors import CounterfoilError, NotFoundError, StoreUnavailableError
from counterfoil.ports.service import KeptScore
from counterfoil.service.access import COOKIE, NOBODY, SESSION_SECONDS, Access, Caller, Role
from counterfoil.service.problems import ProblemError
from counterfoil.service.serving import Serving, answer_of
from counterfoil.service.workers import Workers
from counterfoil.steps.scoring.confirm import State
from counterfoil.steps.scoring.feedback import HELD, Said, Verdict, feedback_on, scored, standing
from counterfoil.steps.scoring.overrule import RELEASED

QUEUE = 50
SHOWN_OF_A_SIDE = 3
MOST_MOVED = 50
"""So many of the payments that a word would change are listed."""
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
}
COMPARED = ("amount", "currency", "category", "merchant_id", "event_time")
"""The fields in which a payment and a precedent are shown side by side."""

_STYLE = files("counterfoil") / "service" / "static" / "page.css"
Word = Annotated[str, Form(max_length=1000)]


@dataclass(frozen=True)
class Bar:
    """A reason as a bar: `width` is in percent of the longest."""

    topic: str
    words: str
    contribution: float
    width: int


def bars(reasons: Sequence[Mapping[str, Any]]) -> list[Bar]:
    """Reasons as bars, as they come; those that add nothing are left out."""
    longest = max((abs(reason["contribution"]) for reason in reasons), default=0.0) or 1.0
    return [
        Bar(r["topic"], r["words"], r["contribution"], max(1, round(100 * abs(r["contribution"]) / longest)))
        for r in reasons
        if abs(r["contribution"]) >= 0.005 * longest
    ]


def add_page(app: FastAPI, serving: Serving, workers: Workers, access: Access) -> None:
    """Add the page's routes to the app."""
    templates = Environment(loader=PackageLoader("counterfoil.service"), autoescape=select_autoescape())
    templates.filters["moment"] = _moment
    style = _STYLE.read_text(encoding="utf-8")
    place = serving.place

    def shown(request: Request, template: str, status: int = 200, **given: Any) -> HTMLResponse:
        form = access.form_token(request.cookies)
        text = templates.get_template(template).render(form_token=form, auth=access.required, **given)
        return HTMLResponse(text, status, HEADERS)

    async def who(request: Request) -> Caller | None:
        """Who looks at the page, if he may."""
        if not access.required:
            return NOBODY
        session = request.cookies.get(COOKIE)
        caller = await workers.run(access.of_session, session) if session else None
        return caller if caller is not None and caller.role.includes(Role.ANALYST) else None

    def require_own(request: Request, form_token: str) -> None:
        if not access.is_own_form(request.cookies, form_token):
            raise ProblemError(403, "this form is not from a page of this session: load the page again")

    @app.get("/static/page.css", include_in_schema=False)
    async def page_style() -> Response:
        return Response(style, media_type="text/css", headers={"Cache-Control": "max-age=300"})

    @app.get("/", include_in_schema=False)
    async def review(request: Request, transaction: str | None = None, preview: Verdict | None = None) -> Response:
        caller = await who(request)
        if caller is None:
            return shown(request, "login.html", 401)
        try:
            queue = await workers.run(place.scores.queue, QUEUE)
            chosen = transaction or (queue[0].transaction_id if queue else None)
            person = "" if caller is NOBODY else caller.name
            case = None if chosen is None else await workers.run(_case, serving, chosen, preview, person)
        except StoreUnavailableError:
            return shown(request, "message.html", 503, message="A store is not available. Try again in a moment.")
        except NotFoundError:
            return shown(request, "message.html", 404, message="There is no such scored payment.")
        return shown(request, "review.html", queue=queue, case=case, caller=caller, most_moved=MOST_MOVED)

    @app.post("/review", include_in_schema=False)
    async def judge(
        request: Request,
        transaction_id: Annotated[str, Form(max_length=256)],
        verdict: Word,
        reason: Word,
        form_token: Word,
        by: Annotated[str, Form(max_length=256)] = "",
    ) -> Response:
        require_own(request, form_token)
        caller = await who(request)
        if caller is None:
            return shown(request, "login.html", 401)
        person = by if caller is NOBODY else caller.name
        try:
            _, effect = await workers.run(
                lambda: serving.say(
                    transaction_id, _verdict(verdict), _kept(person), _kept(reason), token=caller.token_id,
                    principal=person.strip(),
                )
            )  # fmt: skip
        except StoreUnavailableError:
            return shown(request, "message.html", 503, message="A store is not available. Nothing was kept; try again.")
        except CounterfoilError as error:
            return shown(request, "message.html", 422, message=str(error))
        waits = effect.state in (State.HELD, State.AWAITS)  # which the payment's own page explains
        return RedirectResponse(f"/?transaction={quote(transaction_id, safe='')}" if waits else "/", 303, HEADERS)

    @app.post("/login", include_in_schema=False)
    async def login(request: Request, token: Word, form_token: Word) -> Response:
        require_own(request, form_token)
        caller = await workers.run(access.of_token, token.strip())
        if caller is None or not caller.role.includes(Role.ANALYST):
            return shown(request, "login.html", 401, refused=True)
        answer = RedirectResponse("/", 303, HEADERS)
        answer.set_cookie(
            COOKIE, access.session_of(token.strip()), max_age=SESSION_SECONDS, httponly=True, samesite="strict",
            secure=request.url.scheme == "https" or request.headers.get("x-forwarded-proto") == "https",
        )  # fmt: skip
        return answer

    @app.post("/logout", include_in_schema=False)
    async def logout(request: Request, form_token: Word) -> Response:
        require_own(request, form_token)
        answer = RedirectResponse("/", 303, HEADERS)
        answer.delete_cookie(COOKIE)
        return answer


def _case(serving: Serving, transaction_id: str, preview: Verdict | None, person: str) -> dict[str, Any]:
    """What the page shows of a payment; with `preview` also what that word would do if `person` said it now."""
    kept: KeptScore = scored(serving.place.scores, transaction_id)
    said = feedback_on(serving.place.decisions, transaction_id)
    answer = answer_of(kept)
    fields = {name: kept.payment.get(name) for name in COMPARED}
    return {
        "kept": kept,
        "answer": answer,
        "fields": fields,
        "bars": bars(answer["reasons"]),
        "precedents": [
            {**cited, "same": [name for name in COMPARED if cited[name] is not None and cited[name] == fields[name]]}
            for cited in _nearest(answer["precedents"])
        ],
        "said": said,
        "standing": standing(said),
        "awaits": awaits_another([one.word for one in said]),
        "held": _held(serving, said),
        "preview": preview,
        "effect": None if preview is None else serving.confirmations.preview(transaction_id, preview, person),
        "link": quote(transaction_id, safe=""),
    }


def _held(serving: Serving, said: Sequence[Said]) -> str | None:
    """Why the last word on a payment does not act, if it is held."""
    if not said:
        return None
    log, last = serving.place.decisions, said[-1]
    held = log.entries(HELD, last.transaction_id, after=last.sequence)
    released = log.entries(RELEASED, last.transaction_id, after=last.sequence)
    return held[-1].reason if held and not released else None


def _nearest(cited: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The first few of each side, frauds first, as they come."""
    sides = ([one for one in cited if one["label"] == label] for label in ("fraud", "good"))
    return [one for side in sides for one in side[:SHOWN_OF_A_SIDE]]


def _verdict(text: str) -> Verdict:
    if text not in list(Verdict):
        raise ProblemError(422, f"a verdict is one of {', '.join(Verdict)}")
    return Verdict(text)


def _kept(text: str) -> str:
    if "\0" in text:
        raise ProblemError(400, "the form has a NUL, which cannot be kept")
    return text


def _moment(text: str | None) -> str:
    """A time as people read it, to the minute."""
    return "" if not text else datetime.fromisoformat(text).strftime("%d %b %Y %H:%M")
