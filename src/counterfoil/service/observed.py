"""Every request has an id, is counted, timed and logged; no failure gets past without an answer."""

import time
import traceback
import uuid

import structlog
from starlette.datastructures import MutableHeaders

from counterfoil.service import problems
from counterfoil.service.limits import App, Message, Receive, Send
from counterfoil.service.serving import Serving

log = structlog.get_logger()


class Observed:
    """Gives each request an id; counts it, times it and logs it, with no value of it.

    No middleware of functions (`app.middleware("http")`): those cost a task and two streams a request.
    """

    def __init__(self, app: App, serving: Serving) -> None:
        self._app = app
        self._serving = serving

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass the request on, and answer with a problem where that fails."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = scope.setdefault("state", {})["request_id"] = uuid.uuid4().hex
        begun, status = time.perf_counter(), 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(raw=message.setdefault("headers", []))
                headers["X-Request-ID"] = request_id
                headers["X-Content-Type-Options"] = "nosniff"
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            await self._app(scope, receive, answer)
        except Exception as error:  # noqa: BLE001 a traceback may quote a payment: the place says enough
            log.error("failed", request_id=request_id, where=_place(error), reason=type(error).__name__)
            if not status:
                failed = problems.problem(500, "the service failed: its log says where", request_id)
                await failed(scope, receive, answer)
        finally:
            self._record(scope, request_id, status or 500, time.perf_counter() - begun)

    def _record(self, scope: Message, request_id: str, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "none")
        self._serving.observe(route, status, seconds)
        if status >= 400 or route != "/healthz":
            log.info(
                "request", request_id=request_id, method=scope["method"], route=route, status=status,
                milliseconds=round(seconds * 1000, 1),
            )  # fmt: skip


def _place(error: Exception) -> str:
    """File and line of the innermost frame of ours, or of all if none is."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "counterfoil" in frame.filename]
    last = (ours or frames)[-1]
    return f"{last.filename}:{last.lineno}"
