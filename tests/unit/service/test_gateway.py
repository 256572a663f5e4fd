"""Caller and role as a gateway tells them: they count only where the gateway is trusted."""

from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from starlette.requests import Request

from counterfoil.service.access import CALLER_HEADER, ROLE_HEADER, Access, Caller, Role
from counterfoil.service.app import allowed
from counterfoil.service.problems import ProblemError

TELLS = {CALLER_HEADER: "arn:aws:iam::1:role/shop", ROLE_HEADER: "analyst"}


class NoTokens:
    """A TokenStore without tokens."""

    def find(self, digest: str) -> None:  # noqa: ARG002
        return None


async def _run(work: Any, *given: Any) -> Any:
    return work(*given)


def ask(role: Role, headers: dict[str, str], *, gateway: bool) -> Caller:
    access = Access(NoTokens(), b"0123456789abcdef", gateway=gateway)  # type: ignore[arg-type]
    app = SimpleNamespace(state=SimpleNamespace(access=access, workers=SimpleNamespace(run=_run)))
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    return anyio.run(allowed(role), Request({"type": "http", "method": "POST", "headers": raw, "app": app}))


def test_headers_count_behind_a_trusted_gateway() -> None:
    for signed in ({}, {"authorization": "AWS4-HMAC-SHA256 Credential=x"}, {"authorization": "Bearer eyJhbGciOi.x.y"}):
        assert ask(Role.ANALYST, TELLS | signed, gateway=True) == Caller(TELLS[CALLER_HEADER], Role.ANALYST, None)
    with pytest.raises(ProblemError) as refused:
        ask(Role.OPERATOR, TELLS, gateway=True)
    assert refused.value.status == 403


@pytest.mark.parametrize("role", ["none", "", "admin", "ANALYST"])
def test_another_role_opens_nothing(role: str) -> None:
    with pytest.raises(ProblemError) as refused:
        ask(Role.SCORE, TELLS | {ROLE_HEADER: role}, gateway=True)
    assert refused.value.status == 401


def test_headers_are_ignored_without_the_setting() -> None:
    with pytest.raises(ProblemError) as refused:
        ask(Role.SCORE, TELLS, gateway=False)
    assert refused.value.status == 401


def test_a_token_that_is_unknown_opens_nothing_whatever_the_headers_say() -> None:
    with pytest.raises(ProblemError):
        ask(Role.SCORE, TELLS | {"authorization": "Bearer cf_unknown"}, gateway=True)
