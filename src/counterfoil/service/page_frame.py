"""What every page shares: the templates, the headers, who looks at it, and forms that only its own session can send."""

from datetime import datetime
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, select_autoescape

from counterfoil.service.access import COOKIE, NOBODY, Access, Caller, Role
from counterfoil.service.problems import ProblemError
from counterfoil.service.workers import Workers

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class PageFrame:
    """Shows templates to the people whom `access` lets in."""

    def __init__(self, workers: Workers, access: Access) -> None:
        self.workers = workers
        self.access = access
        self._templates = Environment(loader=PackageLoader("counterfoil.service"), autoescape=select_autoescape())
        self._templates.filters["moment"] = _moment
        self._templates.filters["figure"] = _figure
        self._templates.filters["money"] = _money

    def shown(self, request: Request, template: str, status: int = 200, **given: Any) -> HTMLResponse:
        """A template as an answer; it is given the session's form token, and whether people must log in."""
        form = self.access.form_token(request.cookies)
        text = self._templates.get_template(template).render(form_token=form, auth=self.access.required, **given)
        return HTMLResponse(text, status, HEADERS)

    def message(self, request: Request, status: int, message: str) -> HTMLResponse:
        """A page of one sentence."""
        return self.shown(request, "message.html", status, message=message)

    def unavailable(self, request: Request) -> HTMLResponse:
        """The page while a store does not answer."""
        return self.message(request, 503, "A store is not available. Try again in a moment.")

    async def who(self, request: Request) -> Caller | None:
        """Who looks at the page, if an analyst; None for everybody else. Raises StoreUnavailableError."""
        if not self.access.required:
            return NOBODY
        session = request.cookies.get(COOKIE)
        caller = await self.workers.run(self.access.of_session, session) if session else None
        return caller if caller is not None and caller.role.includes(Role.ANALYST) else None

    def require_own(self, request: Request, form_token: str) -> None:
        """Refuse a form that another site may have sent. Raises ProblemError."""
        if not self.access.is_own_form(request.cookies, form_token):
            raise ProblemError(403, "this form is not from a page of this session: load the page again")


def _moment(text: str | None) -> str:
    """A time as people read it, to the minute."""
    return "" if not text else datetime.fromisoformat(text).strftime("%d %b %Y %H:%M")


def _money(text: str | None) -> str:
    """An amount with two signs behind the point, or more where it has them; '?' if it is not known."""
    if not text:
        return "?"
    whole, _, rest = text.partition(".")
    return f"{whole}.{rest.rstrip('0').ljust(2, '0')}"


def _figure(value: float | None) -> str:
    """A figure with three signs behind the point if it is small; nothing if it is not known."""
    return "" if value is None else f"{value:,.3f}" if abs(value) < 10 else f"{value:,.0f}"
