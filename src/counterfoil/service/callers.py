"""Who asks an endpoint, and whether the role lets them in."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request

from counterfoil.service.access import COOKIE, NOBODY, Access, Caller, Role, of_gateway
from counterfoil.service.problems import ProblemError
from counterfoil.service.workers import Workers


def allowed(role: Role) -> Callable[[Request], Awaitable[Caller]]:
    """A dependency that lets callers of a role in, and returns who they are."""

    async def caller(request: Request) -> Caller:
        access: Access = request.app.state.access
        if not access.required:
            return NOBODY
        scheme, _, secret = request.headers.get("authorization", "").partition(" ")
        session = request.cookies.get(COOKIE)
        workers: Workers = request.app.state.workers
        found = None
        # Behind a gateway Authorization is its own, with SigV4 or a JWT, unless a token of ours stands there.
        if scheme.lower() == "bearer" and secret and (not access.gateway or secret.strip().startswith("cf_")):
            found = await workers.run(access.of_token, secret.strip())
        elif session and request.method == "GET":  # forms of the page prove themselves; see `page`
            found = await workers.run(access.of_session, session)
        elif access.gateway:
            found = of_gateway(request.headers)
        if found is None:
            raise ProblemError(401, "send a token (Authorization: Bearer ...); 'counterfoil token new' makes one")
        if not found.role.includes(role):
            raise ProblemError(403, f"this needs the role {role.value}, the caller has {found.role.value}")
        return found

    return caller


Analyst = Annotated[Caller, Depends(allowed(Role.ANALYST))]
Operator = Annotated[Caller, Depends(allowed(Role.OPERATOR))]


def principal_of(caller: Caller, by: str) -> str:
    """Who says it, as far as the service knows: a token's holder, or on the loopback whom they say they are."""
    return by.strip() if caller is NOBODY else caller.name


def person_of(caller: Caller, by: str | None) -> str:
    """Who acts at the desk: a token's holder, or on the loopback whom they say they are, which they have to say then.

    Raises ProblemError (422) if nobody says it.
    """
    if caller is not NOBODY:
        return caller.name
    if by is None or not by.strip():
        raise ProblemError(422, "the service runs without tokens: say who you are (by)")
    return by.strip()
