"""Every failure as problem details (RFC 9457). No value of a request is quoted: it may be personal."""

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from counterfoil.domain.intake.requests import Fault
from counterfoil.errors import (
    BusyError,
    ConflictError,
    CounterfoilError,
    MappingError,
    MissingEvidenceError,
    NotFoundError,
    StoreUnavailableError,
    UsageError,
)
from counterfoil.steps.scoring.score_one import ContentConflictError

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 1
MOST_ERRORS = 50

_TITLES = {
    400: "The request cannot be read",
    401: "Who are you?",
    403: "Not allowed",
    404: "Not found",
    405: "Not allowed here",
    409: "In conflict with what is kept",
    413: "Too large",
    415: "Not JSON",
    422: "The request cannot be used",
    429: "Too many requests",
    503: "Try again",
}
_STATUS: tuple[tuple[type[CounterfoilError], int], ...] = (
    (ContentConflictError, 409),
    (ConflictError, 409),
    (NotFoundError, 404),
    (StoreUnavailableError, 503),
    (BusyError, 503),
    (MissingEvidenceError, 422),
    (MappingError, 422),
    (UsageError, 422),
)


class ProblemError(Exception):
    """A failure that the service itself finds."""

    def __init__(self, status: int, detail: str, errors: Sequence[dict[str, str]] = ()) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = list(errors)


def problem(
    status: int, detail: str, request_id: str | None = None, errors: Sequence[dict[str, str]] = ()
) -> JSONResponse:
    """An answer of problem details."""
    title = _TITLES.get(status, "The service failed")
    body: dict[str, Any] = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    if request_id:
        body["request_id"] = request_id
    if errors:
        body["errors"] = list(errors)[:MOST_ERRORS]
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if status in (429, 503) else {}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(body, status, headers, MEDIA_TYPE)


def of_faults(faults: Sequence[Fault]) -> ProblemError:
    """The problem of payments that cannot be read."""
    errors = [{"where": f"payments[{f.index}]", "reason": f.reason, "message": f.message} for f in faults]
    return ProblemError(422, f"{len(faults)} payments cannot be read, so none was scored", errors)


def status_of(error: CounterfoilError) -> int:
    """The HTTP status that an error means."""
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def install(app: FastAPI) -> None:
    """Let the app answer every failure with problem details."""

    def of_problem(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, ProblemError)
        return problem(error.status, error.detail, _id(request), error.errors)

    def of_counterfoil(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, CounterfoilError)
        status = status_of(error)
        # What a store says names its address: that is for the log, not for the caller.
        hidden = isinstance(error, StoreUnavailableError)
        return problem(status, "a store is not available" if hidden else str(error), _id(request))

    def of_validation(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        errors = [
            {"where": ".".join(map(_plain, e["loc"])), "reason": str(e["type"]), "message": _message(e)}
            for e in error.errors()
        ]
        status = 400 if any(e["type"] == "json_invalid" for e in error.errors()) else 422
        return problem(status, "the request does not fit its schema (GET /openapi.json)", _id(request), errors)

    def of_http(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        answer = problem(error.status_code, str(error.detail), _id(request))
        answer.headers.update(error.headers or {})
        return answer

    def of_anything(request: Request, error: Exception) -> JSONResponse:
        return problem(500, f"{type(error).__name__}: see the service's log", _id(request))

    app.add_exception_handler(ProblemError, of_problem)
    app.add_exception_handler(CounterfoilError, of_counterfoil)
    app.add_exception_handler(RequestValidationError, of_validation)
    app.add_exception_handler(HTTPException, of_http)
    app.add_exception_handler(Exception, of_anything)


def _id(request: Request) -> str | None:
    return getattr(request.state, "request_id", None)


def _plain(part: Any) -> str:
    """A step of a path; a name that the caller made up is cut, and shown only if it looks like a name."""
    text = str(part)[:64]
    return text if text.replace("_", "").isalnum() and text.isascii() else "?"


def _message(error: dict[str, Any]) -> str:
    """Pydantic's words, which may hold the pattern or the limit and never the value."""
    return "unknown field" if error["type"] == "extra_forbidden" else str(error["msg"])
