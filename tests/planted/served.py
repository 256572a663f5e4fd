"""A service as a process of its own, over HTTP, with tokens and real stores."""

import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import httpx2
import uvicorn
from service_process import start_service

from counterfoil.service.access import new_token
from counterfoil.steps.releases.registration import Candidate, load_release, register_candidate

START = """
import sys
from quick_embedder import QuickEmbedder
from counterfoil.workspace.wiring import Workspace
Workspace.embedder = QuickEmbedder()
from counterfoil.cli import main
main(sys.argv[1:])
"""
ROLES = ("score", "analyst", "operator")


@dataclass
class Server:
    """A running service: its process, address, tokens by role, and log."""

    process: subprocess.Popen[str]
    address: str
    tokens: dict[str, str]
    log: Any

    def client(self, role: str | None = "operator") -> httpx2.Client:
        headers = {"Authorization": f"Bearer {self.tokens[role]}"} if role else {}
        return httpx2.Client(base_url=self.address, headers=headers, timeout=30, trust_env=False)

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)


PATIENT = {"service_deadline_ms": "60000", "service_profile_deadline_ms": "20000"}
"""What the service waits for here: a busy machine is no reason to answer without history, or not at all."""


def serve(place: Any, log: Any, tokens: dict[str, str], *options: str, **settings: str) -> Server:
    """Start `counterfoil serve` and wait until it listens."""
    given = PATIENT | settings
    environment = place.environment | {f"COUNTERFOIL_{name.upper()}": value for name, value in given.items()}
    process, address = start_service(("-c", START), options, environment, log)
    server = Server(process, address, tokens, log)
    with server.client(None) as client:
        client.get("/healthz").raise_for_status()
    return server


def own_release(place: Any, block: float | None = None) -> str:
    """Register the champion once more under an id of its own, so that no other test sees its overlay.

    It blocks from the signal `block` on: give each module another one, which makes another id.
    """
    here = place.open()
    release = load_release(here.registry, place.release_id)
    own = replace(release, thresholds=replace(release.thresholds, block=block))
    register_candidate(Candidate(own, here.references.read_base(place.release_id)), here.references, here.registry)
    return str(own.release_id)


def new_tokens(place: Any, whose: str = "test") -> dict[str, str]:
    """A token of each role."""
    store = place.open().tokens
    return {role: new_token(store, role, f"{whose} {role}") for role in ROLES}


def until(found: Callable[[], Any], seconds: float = 30) -> Any:
    """Wait for something to be so."""
    deadline = time.monotonic() + seconds
    while not (is_so := found()):
        assert time.monotonic() < deadline, "it did not come to be so"
        time.sleep(0.02)
    return is_so


@contextmanager
def listening(app: Any) -> Iterator[str]:
    """Yield the address of an app that a thread of this process serves on the loopback."""
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, server_header=False))
    socket = uvicorn.Config(app, port=0).bind_socket()
    thread = threading.Thread(target=server.run, args=([socket],))
    thread.start()
    while not server.started:  # until then the bound port refuses who comes
        assert thread.is_alive()
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{socket.getsockname()[1]}"
    finally:  # else a test that fails never ends
        server.should_exit = True
        thread.join(20)
    assert not thread.is_alive()
