"""What the process of the service tells about itself."""

import gc
import socket
from collections.abc import MutableMapping
from types import SimpleNamespace
from typing import Any

import pytest
import structlog
import uvicorn

from counterfoil.service import warm
from counterfoil.service.server import _AnnouncedServer
from counterfoil.service.sockets import listening_socket
from counterfoil.service.warm import COLLECTED_EVERY, look_for_garbage_rarely


async def _nothing(scope: Any, receive: Any, send: Any) -> None:
    """Answer nobody."""


def test_listening_is_said_only_when_a_client_can_connect() -> None:
    connected = []

    def connect(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        with socket.create_connection(("127.0.0.1", event["port"]), timeout=5):
            connected.append(event["event"])
        server.should_exit = True
        raise structlog.DropEvent

    config = uvicorn.Config(_nothing, port=0, lifespan="off", log_config=None)
    server = _AnnouncedServer(config, {"host": "127.0.0.1", "auth": True})
    before = structlog.get_config()
    structlog.configure(processors=[connect])
    try:
        server.run([config.bind_socket()])
    finally:
        structlog.configure(**before)
    assert connected == ["listening"]


def test_an_accepted_connection_waits_for_no_acknowledgement() -> None:
    """Without it each answer came 40 ms late to a client that acknowledges late: seen with uvicorn 0.54."""
    config = uvicorn.Config(_nothing, host="127.0.0.1", port=0, log_config=None)
    with listening_socket(config) as listening:
        listening.listen()
        with socket.create_connection(listening.getsockname()), listening.accept()[0] as accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1


def test_what_is_loaded_is_not_looked_through_for_garbage_again() -> None:
    before = gc.get_threshold()
    try:
        look_for_garbage_rarely()
        assert gc.get_freeze_count() > 10_000
        assert gc.get_threshold()[0] == COLLECTED_EVERY
        assert gc.isenabled()
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)


def test_an_app_is_warm_and_its_garbage_settled_before_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    scorer = SimpleNamespace(warm_up=lambda in_use: done.append(f"warmed up with {in_use}"))
    place: Any = SimpleNamespace(online_scorer=scorer, champion=SimpleNamespace(current=lambda: "the release"))
    monkeypatch.setattr(warm, "look_for_garbage_rarely", lambda: done.append("garbage"))
    monkeypatch.setattr(warm, "create_app", lambda _, auth: done.append(f"app, auth {auth}"))
    warm.warm_app(place, auth=False)
    assert done == ["warmed up with the release", "garbage", "app, auth False"]
