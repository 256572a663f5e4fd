"""A real pgbouncer between tests and their PostgreSQL, in the mode that is asked for."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

DIRECT, TRANSACTION, SESSION = "direct", "transaction", "session"
WAYS = (DIRECT, TRANSACTION, SESSION)
"""Ways to PostgreSQL: without a pooler, or by one in either of its modes that keep transactions whole."""

_CONFIG = """
[databases]
* = host={host} port={port}
[pgbouncer]
listen_addr =
unix_socket_dir = {folder}
listen_port = 6432
auth_type = trust
auth_file = {folder}/users.txt
pool_mode = {mode}
default_pool_size = 30
max_client_conn = 400
logfile = {folder}/log
pidfile = {folder}/pid
"""


class Poolers:
    """The poolers of one server, each started when it is first asked for."""

    def __init__(self, server: str) -> None:
        self._server = conninfo_to_dict(server)
        self._running: dict[str, tuple[subprocess.Popen[bytes], Path]] = {}

    def reach(self, dsn: str, way: str) -> str:
        """Return a DSN of the same database by another way. Skips the test where there is no pgbouncer."""
        return dsn if way == DIRECT else make_conninfo(dsn, host=str(self._folder(way)), port=6432)

    def _folder(self, mode: str) -> Path:
        if mode not in self._running:
            self._running[mode] = self._start(mode)
        return self._running[mode][1]

    def _start(self, mode: str) -> tuple[subprocess.Popen[bytes], Path]:
        program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
        if program is None:
            pytest.skip("no pgbouncer on this machine: apt-get install pgbouncer")
        folder = Path(tempfile.mkdtemp(prefix="cf-", dir="/tmp"))
        config = folder / "pgbouncer.ini"
        host, port = self._server["host"], self._server["port"]
        config.write_text(_CONFIG.format(host=host, port=port, folder=folder, mode=mode))
        (folder / "users.txt").write_text(f'"{self._server["user"]}" ""\n')
        command = [program, str(config)]
        if os.getuid() == 0:  # which pgbouncer refuses to be
            user = pwd.getpwnam("nobody")
            os.chown(folder, user.pw_uid, user.pw_gid)
            command[1:1] = ["-u", user.pw_name]
            # The server's folder is its own; its socket is one that anybody may write to.
            Path(str(host)).chmod(0o711)
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _wait(process, make_conninfo(**{**self._server, "host": str(folder), "port": 6432}), folder / "log")
        return process, folder

    def stop(self) -> None:
        """Stop those that run."""
        for process, folder in self._running.values():
            process.terminate()
            process.wait(10)
            shutil.rmtree(folder)


def _wait(process: subprocess.Popen[bytes], dsn: str, log: Path) -> None:
    until = time.monotonic() + 10
    while True:
        try:
            psycopg.connect(dsn).close()
            return
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(log.read_text() if log.exists() else "pgbouncer did not start") from None
            time.sleep(0.05)
