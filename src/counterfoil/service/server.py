"""The service as a process: uvicorn, JSON logs, an orderly end."""

import gc
import socket
from collections.abc import Mapping

import structlog
import uvicorn

from counterfoil.errors import StoreUnavailableError, UsageError
from counterfoil.service.app import LOOPBACK, create_app
from counterfoil.service.logs import log_as_json
from counterfoil.workspace.wiring import Workspace, open_workspace

GRACE_SECONDS = 10
COLLECTED_EVERY = 50_000
"""Garbage is looked for after so many more containers were made than let go: an answer has a hundred, and no cycle."""


def run_server(place: Workspace, host: str, port: int, *, auth: bool = True) -> None:
    """Serve until a signal ends it; requests under way are answered first.

    Raises UsageError for `auth=False` on an address that others can reach, NotFoundError without a release,
    StoreUnavailableError if the address cannot be had.
    """
    if not auth and host not in LOOPBACK:
        raise UsageError(f"--no-auth lets everybody in and {host} can be reached from outside: use --host 127.0.0.1")
    log_as_json()
    # A release that cannot score is reported before anything listens, and the first score waits for no model.
    place.online_scorer.warm_up(place.champion.current())
    look_for_garbage_rarely()
    app = create_app(place, auth=auth)
    config = uvicorn.Config(
        app, host=host, port=port, log_config=None, access_log=False, server_header=False, proxy_headers=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )  # fmt: skip
    server = _AnnouncedServer(config, {"host": host, "auth": auth})
    server.run([listening_socket(config)])
    if not server.started:
        raise StoreUnavailableError(f"the service did not start on {host}:{port}: its log says why")


def look_for_garbage_rarely() -> None:
    """Let the collector of cycles leave alone what is loaded by now, and look at what is new less often.

    Python's own thresholds are for programs that hold little: while the logs of new entities are read, it went through
    all that the process holds again and again, half of the time that the reading took.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECTED_EVERY, 10, 10)


def listening_socket(config: uvicorn.Config) -> socket.socket:
    """Bind the socket that uvicorn listens on; what it accepts sends small packets at once.

    asyncio sets TCP_NODELAY only on sockets that were made with the number of their protocol, and uvicorn 0.54 makes
    its own without. An answer is two packets: the second would wait 40 ms for the client's delayed acknowledgement.
    """
    bound = config.bind_socket()
    bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return bound


class _AnnouncedServer(uvicorn.Server):
    """A server that says "listening" once a client can connect, never before: a bound socket still refuses."""

    def __init__(self, config: uvicorn.Config, announced: Mapping[str, object]) -> None:
        super().__init__(config)
        self._announced = announced

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start as uvicorn does, then print the port, which the system chose where none was asked for."""
        await super().startup(sockets)
        if self.started and sockets:
            structlog.get_logger().info("listening", port=sockets[0].getsockname()[1], **self._announced)


def main() -> None:
    """Serve the workspace of the environment on all addresses of a container, with tokens."""
    run_server(open_workspace(), "0.0.0.0", 8080)
