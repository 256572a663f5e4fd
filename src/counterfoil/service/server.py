"""The service as a process: uvicorn, JSON logs, an orderly end."""

import socket
from collections.abc import Mapping
from typing import Any

import structlog
import uvicorn

from counterfoil.errors import StoreUnavailableError, UsageError
from counterfoil.service.app import LOOPBACK
from counterfoil.service.logs import log_as_json
from counterfoil.service.processes import run_processes
from counterfoil.service.sockets import listening_socket
from counterfoil.service.warm import warm_app
from counterfoil.workspace.wiring import Workspace, open_workspace

GRACE_SECONDS = 10


def run_server(place: Workspace, host: str, port: int, *, auth: bool = True, processes: int | None = None) -> None:
    """Serve until a signal ends it; requests under way are answered first.

    Raises UsageError for `auth=False` on an address that others can reach, NotFoundError without a release,
    StoreUnavailableError if the address cannot be had. Without `processes` the settings say by how many.
    """
    if not auth and host not in LOOPBACK:
        raise UsageError(f"--no-auth lets everybody in and {host} can be reached from outside: use --host 127.0.0.1")
    log_as_json()
    given: dict[str, Any] = {
        "host": host, "port": port, "log_config": None, "access_log": False, "server_header": False,
        "proxy_headers": False, "timeout_graceful_shutdown": GRACE_SECONDS,
    }  # fmt: skip
    count = place.settings.service_processes if processes is None else processes
    if count > 1:
        run_processes(place, given, count, auth=auth)
        return
    # A release that cannot score is reported before anything listens, and the first score waits for no model.
    config = uvicorn.Config(warm_app(place, auth=auth), **given)
    server = _AnnouncedServer(config, {"host": host, "auth": auth})
    server.run([listening_socket(config)])
    if not server.started:
        raise StoreUnavailableError(f"the service did not start on {host}:{port}: its log says why")


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
