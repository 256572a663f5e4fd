"""A workspace works wherever it lies; what is done in a copy leaves the original as it is."""

import hashlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.adapters.postgres import embedded
from counterfoil.ports.releases import LoggedDecision
from counterfoil.workspace.settings import Settings
from counterfoil.workspace.wiring import Workspace

FIELDS = '[fields]\ntransaction_id = "id"\nevent_time = "t"\naccount = "a"\n'
WHY = ("--operator", "ada", "--reason", "asked for it")


@pytest.fixture
def home() -> Iterator[Path]:
    """Return a folder whose path is short, as a socket's must be."""
    folder = Path(tempfile.mkdtemp(prefix="cf-", dir="/tmp"))
    yield folder
    for place in ("work", "copy", "moved"):
        embedded.stop(folder / place / "postgres")
    shutil.rmtree(folder)


def run(workspace: Path, *arguments: str) -> str:
    program = "import sys; from counterfoil.cli import main; main(sys.argv[1:])"
    command = [sys.executable, "-c", program, *arguments, "--workspace", str(workspace)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def contents(folder: Path) -> dict[str, str]:
    """The files of a workspace but those of its running database, by their SHA-256."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and "postgres" not in path.relative_to(folder).parts
    }


def register(place: Workspace, folder: Path, release_id: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "release.json").write_text(f'{{"id": "{release_id}"}}')
    place.registry.register(release_id, folder, parameters={}, metrics={}, tags={})


def test_a_copy_of_a_workspace_at_work_is_one_of_its_own(home: Path) -> None:
    work, copy = home / "work", home / "copy"
    (home / "m.toml").write_text(FIELDS)
    (home / "in.csv").write_text("id,t,a\np1,2024-01-01,Ann\np2,2024-01-02,Bob\n")
    run(work, "collect", str(home / "in.csv"), "-m", str(home / "m.toml"))
    original = Workspace(Settings(workspace=work))
    register(original, home / "files", "r1")
    original.decisions.append(LoggedDecision("promote", "r1", "ada", "the first", {}))  # its database is running
    shutil.copytree(work, copy, ignore=shutil.ignore_patterns(".s.*"))
    before = contents(work)

    there = Workspace(Settings(workspace=copy))
    assert there.registry.fetch("r1").is_relative_to(copy)
    register(there, home / "files", "r2")
    assert there.registry.fetch("r2").is_relative_to(copy)
    there.decisions.append(LoggedDecision("promote", "r2", "ada", "the second", {}))
    run(copy, "forget", "Ann", *WHY)
    run(copy, "rotate-key", *WHY)
    assert "r2" in run(copy, "release", "list")

    assert contents(work) == before
    assert [entry.subject for entry in original.decisions.entries()] == ["r1"]
    assert len(original.ledger.entries()) == 1
    ids = [
        row["transaction_id"]
        for path in FolderTables(copy / "lake").files("transactions")
        for row in pq.ParquetFile(path).read().to_pylist()
    ]
    assert ids == ["p2"]


def test_a_workspace_that_was_moved_has_its_releases(home: Path) -> None:
    register(Workspace(Settings(workspace=home / "work")), home / "files", "r1")
    (home / "work").rename(home / "moved")
    moved = Workspace(Settings(workspace=home / "moved"))
    assert (moved.registry.fetch("r1") / "release.json").read_text() == '{"id": "r1"}'
    register(moved, home / "files", "r2")
    assert [release.release_id for release in moved.registry.releases()] == ["r2", "r1"]
    assert not (home / "work").exists()
