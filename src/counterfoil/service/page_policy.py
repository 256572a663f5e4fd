"""Policies on the page: what is in force, what waits for a second person, the lists, and the forms to sign."""

from typing import Annotated

from fastapi import FastAPI, Form, Request, Response

from counterfoil.errors import NotFoundError, StoreUnavailableError
from counterfoil.service.access import Role
from counterfoil.service.desk_models import RULES_BYTES
from counterfoil.service.page_cases import Author, Who, Word, acted, said
from counterfoil.service.page_frame import PageFrame
from counterfoil.service.policy import Version, propose_as, whole_policy, whole_shadow
from counterfoil.service.problems import ProblemError
from counterfoil.service.serving import Serving
from counterfoil.steps.scoring import policies

Rules = Annotated[str, Form(max_length=RULES_BYTES)]


def add_policy_page(app: FastAPI, serving: Serving, frame: PageFrame) -> None:
    """Add the page of policies to the app."""
    log = serving.place.decisions

    @app.get("/policy", include_in_schema=False)
    async def policy(request: Request) -> Response:
        caller = await frame.who(request)
        if caller is None:
            return frame.shown(request, "login.html", 401)
        try:
            found = await frame.workers.run(whole_policy, serving)
        except StoreUnavailableError:
            return frame.unavailable(request)
        may_sign = caller.role.includes(Role.OPERATOR)
        own = [one.version for one in found.waiting if policies.person(one.maker) == policies.person(caller.name)]
        return frame.shown(request, "policy.html", policy=found, caller=caller, may_sign=may_sign, own=own)

    @app.get("/policy/shadow/{version}", include_in_schema=False)
    async def shadow(request: Request, version: Version) -> Response:
        caller = await frame.who(request)
        if caller is None:
            return frame.shown(request, "login.html", 401)
        try:
            found = await frame.workers.run(whole_shadow, serving, version)
        except StoreUnavailableError:
            return frame.unavailable(request)
        except NotFoundError as error:
            return frame.message(request, 404, str(error))
        return frame.shown(request, "shadow.html", shadow=found, caller=caller)

    @app.post("/policy/propose", include_in_schema=False)
    async def propose(request: Request, rules: Rules, reason: Word, form_token: Word, by: Who = "") -> Response:
        def act(who: Author) -> None:
            # A browser ends lines with CR LF: the same rules are the same version as in a file.
            text = said(rules).replace("\r\n", "\n") + "\n"
            propose_as(serving, text, who.person, said(reason))

        return await acted(frame, request, form_token, by, "/policy", act)

    @app.post("/policy/approve/{version}", include_in_schema=False)
    async def approve(request: Request, version: Version, reason: Word, form_token: Word, by: Who = "") -> Response:
        def act(who: Author) -> None:
            _require_operator(who)
            policies.approve(log, version, who.person, said(reason))

        return await acted(frame, request, form_token, by, "/policy", act)

    @app.post("/policy/rollback", include_in_schema=False)
    async def rollback(request: Request, reason: Word, form_token: Word, by: Who = "") -> Response:
        def act(who: Author) -> None:
            _require_operator(who)
            policies.rollback(log, who.person, said(reason))

        return await acted(frame, request, form_token, by, "/policy", act)


def _require_operator(who: Author) -> None:
    if not who.caller.role.includes(Role.OPERATOR):
        raise ProblemError(403, "A second signature and a way back are an operator's. Ask one.")
