"""One server, one zygote and one workspace for all fault tests of a worker."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from undisturbed import Walks
from walked_place import WalkedPlace, Zygote

from counterfoil.adapters.postgres import embedded as embedded_postgres


@pytest.fixture(scope="session")
def short_folder() -> Iterator[Path]:
    """Return a folder whose path is short, as a socket's must be."""
    folder = Path(tempfile.mkdtemp(prefix="cf-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def quick_server(short_folder: Path) -> Iterator[str]:
    """Return the DSN of a server that does not wait for its disk: nobody pulls this machine's plug."""
    dsn = embedded_postgres.start(short_folder / "pg")
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("SELECT pg_reload_conf()")
    yield dsn
    embedded_postgres.stop(short_folder / "pg")


@pytest.fixture(scope="session")
def zygote(short_folder: Path) -> Iterator[Zygote]:
    """Return the process that forks the commands."""
    process = Zygote(short_folder)
    yield process
    process.end()


@pytest.fixture(scope="session")
def walks(short_folder: Path, quick_server: str, zygote: Zygote) -> Walks:
    """Return the steps of a workspace's life."""
    folder = short_folder / "walk"
    folder.mkdir()
    return Walks(WalkedPlace(folder, zygote, quick_server))
