"""The service as several processes that share one address: a core each, since Python's lock gives one to a process.

Each process has the release, its hot profiles and its threads; what they share stands in the stores, as with services
on several machines. The first process scores nothing: it binds the address, starts the others, and one that dies again.
"""

import multiprocessing
import os
import signal
import tempfile
import threading
from collections.abc import Mapping
from multiprocessing.connection import wait
from typing import Any

import structlog
import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from counterfoil.errors import CounterfoilError, StoreUnavailableError
from counterfoil.service.logs import log_as_json
from counterfoil.service.metrics import SHARED
from counterfoil.service.sockets import listening_socket
from counterfoil.service.warm import warm_app
from counterfoil.workspace.wiring import Workspace, open_workspace

AUTH = "COUNTERFOIL_SERVICE_AUTH"
"""How the processes are told whether callers need tokens."""
HUNG_SECONDS = 15
"""A process that answers nothing for so long is ended: loading models, or compiling, may take some seconds."""


def run_processes(place: Workspace, config: Mapping[str, Any], count: int, *, auth: bool) -> None:
    """Serve by `count` processes until a signal ends them; `config` is what uvicorn.Config is given beside the app.

    Raises StoreUnavailableError if they do not start.
    """
    with tempfile.TemporaryDirectory(prefix="counterfoil-metrics-") as metrics:
        os.environ |= {**place.settings.as_environment(), AUTH: str(auth).lower(), SHARED: metrics}
        shared = uvicorn.Config(
            "counterfoil.service.processes:app", factory=True, workers=count,
            timeout_worker_healthcheck=HUNG_SECONDS, **config,
        )  # fmt: skip
        with listening_socket(shared) as bound:
            told = {"host": config["host"], "auth": auth, "processes": count, "port": bound.getsockname()[1]}
            processes = _Announced(shared, [bound], told)
            processes.run()
    if not processes.announced:
        raise StoreUnavailableError(f"the service did not start on {config['host']}: its log says why")


def app() -> Any:
    """The app of one process, ready to score. Ends the process, and with it all others, where it cannot be."""
    log_as_json()
    threading.Thread(target=_end_with_the_first, daemon=True).start()
    try:
        return warm_app(open_workspace(), auth=os.environ[AUTH] == "true")
    except CounterfoilError as error:
        structlog.get_logger().error("not started", reason=str(error))
        raise SystemExit(STARTUP_FAILURE) from None


def _end_with_the_first() -> None:
    """End this process in order when the first one is gone: nobody would look after it any more."""
    first = multiprocessing.parent_process()
    if first is not None:
        wait([first.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)


class _Announced(Multiprocess):
    """Processes of which it is said once that all listen: a bound socket still refuses."""

    def __init__(self, config: uvicorn.Config, sockets: list[Any], told: Mapping[str, object]) -> None:
        super().__init__(config, sockets)
        self.announced = False
        self._told = told

    def keep_subprocess_alive(self) -> None:
        """Look after the processes, and tell when all have started."""
        super().keep_subprocess_alive()
        if not self.announced and not self.should_exit.is_set():
            self.announced = all(process.is_ready(HUNG_SECONDS) for process in self.processes)
            if self.announced:
                structlog.get_logger().info("listening", **self._told)
