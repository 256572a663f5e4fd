"""What a request may be before anything reads it: its size, and JSON without surprises."""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from counterfoil.service.problems import ProblemError, problem

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

MOST_DEPTH = 8
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


class BodyLimits:
    """Reads a body up to a size and refuses JSON that readers understand differently, or that no store can keep.

    That is: NaN and infinity, a name twice in one object, more than `MOST_DEPTH` levels, NUL, half a surrogate pair.
    """

    def __init__(self, app: App, most_bytes: int) -> None:
        self._app = app
        self._most = most_bytes

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer with a problem."""
        if scope["type"] != "http" or scope["method"] not in ("POST", "PUT", "PATCH", "DELETE"):
            await self._app(scope, receive, send)
            return
        try:
            kind = _content_type(scope)
            body = await _read(scope, receive, self._most)
            if body and kind == JSON:
                require_plain_json(body)
            elif kind != FORM and (body or kind != JSON):
                raise ProblemError(415, f"the body is {JSON}")
        except ProblemError as refused:
            request_id = scope.get("state", {}).get("request_id")
            await problem(refused.status, refused.detail, request_id)(scope, receive, send)
            return
        await self._app(scope, _replay(body, receive), send)


def require_plain_json(body: bytes) -> None:
    """Raise ProblemError unless the body is JSON that means the same to everybody."""
    try:
        value = json.loads(body, parse_constant=_no_constant, object_pairs_hook=_each_name_once)
    except (ValueError, RecursionError):
        raise ProblemError(
            400, "the body is no plain JSON (UTF-8, each name once in an object, no NaN or Infinity)"
        ) from None
    level = [value]
    for depth in range(MOST_DEPTH + 1):
        if not level:
            return
        if depth == MOST_DEPTH and any(isinstance(one, dict | list) for one in level):
            break
        level = [inner for one in level for inner in _inside(one)]
    else:
        return
    raise ProblemError(400, f"the body has more than {MOST_DEPTH} levels")


def _inside(value: Any) -> list[Any]:
    if isinstance(value, str):
        if "\0" in value or any("\ud800" <= sign <= "\udfff" for sign in value):
            raise ProblemError(400, "the body has a NUL or half a surrogate pair, which cannot be kept")
        return []
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    return value if isinstance(value, list) else []


def _no_constant(_: str) -> Any:
    raise ValueError


def _each_name_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found


def _content_type(scope: Message) -> str:
    header = dict(scope["headers"]).get(b"content-type", b"")
    return str(header.decode("latin-1").partition(";")[0].strip().lower())


async def _read(scope: Message, receive: Receive, most: int) -> bytes:
    told = dict(scope["headers"]).get(b"content-length", b"0")
    if told.isdigit() and int(told) > most:
        raise ProblemError(413, f"the body has more than {most} bytes")
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ProblemError(400, "the request broke off")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > most:
            raise ProblemError(413, f"the body has more than {most} bytes")
        if not message.get("more_body", False):
            return b"".join(parts)


def _replay(body: bytes, receive: Receive) -> Receive:
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
