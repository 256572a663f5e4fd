"""A workspace that is brought back to the state before a step as often as the step is killed."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from final_state import State
from psycopg.conninfo import make_conninfo

HERE = Path(__file__).parent
DATABASE = "walked"


class Zygote:
    """A process that forks a child for each command; see zygote.py."""

    def __init__(self, fits: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", str(HERE / "zygote.py"), str(fits)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        self._under_way: set[int] = set()
        self._answer()

    def ask(self, **command: Any) -> dict[str, Any]:
        """Let it do a command and return its answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        answer = self._answer()
        ended = answer.get("code") is not None or answer.get("signal") is not None
        (self._under_way.discard if ended else self._under_way.add)(answer["pid"])
        return answer

    def end(self) -> None:
        """End it, and the children that a failed test left stopped."""
        for pid in self._under_way:
            os.kill(pid, signal.SIGKILL)
        self._process.communicate()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the zygote died"
        found: dict[str, Any] = json.loads(line)
        return found


@dataclass(frozen=True)
class Done:
    """How a command ended or where it stopped, and the folder of what it said and which points it met."""

    code: int | None
    signal: int | None
    stopped: bool
    pid: int
    said: Path

    @property
    def out(self) -> str:
        """What it wrote to standard output until now."""
        return (self.said / "out").read_text()

    @property
    def err(self) -> str:
        """What it wrote to standard error until now."""
        return (self.said / "err").read_text()

    @property
    def points(self) -> tuple[str, ...]:
        """The points that it met until now."""
        return tuple((self.said / "points").read_text().splitlines())


class WalkedPlace:
    """A workspace, its database, and copies of both as they were at some moment, by name."""

    def __init__(self, folder: Path, zygote: Zygote, server: str) -> None:
        self._folder = folder
        self._server = server
        self.zygote = zygote
        self.root = folder / "workspace"
        self.raw = self.root / "raw"  # kept and brought back with the rest
        self._write("CREATE DATABASE {new}", DATABASE)
        self.root.mkdir()
        self.raw.mkdir()

    def run(self, arguments: Sequence[str], **fault: Any) -> Done:
        """Run a command of counterfoil: with a fault (`at`, `fault`, `limit`), or `start` it and do not wait."""
        said = self._said()
        answer = self.zygote.ask(arguments=list(arguments), environment=self.environment, said=str(said), **fault)
        return Done(answer.get("code"), answer.get("signal"), bool(answer.get("stopped")), answer["pid"], said)

    def look(self, *, releases: bool = True) -> State:
        """What others see."""
        said = self._said()
        answer = self.zygote.ask(look={"releases": releases}, environment=self.environment, said=str(said))
        assert answer["code"] == 0, (said / "err").read_text()
        found: State = json.loads((said / "state.json").read_text())
        return found

    def keep(self, name: str) -> None:
        """Keep a copy of the present state, in the place of an earlier one of that name."""
        shutil.rmtree(self._folder / name, ignore_errors=True)
        self._write("DROP DATABASE IF EXISTS {new}", _kept(name))
        shutil.copytree(self.root, self._folder / name, symlinks=True)
        self._write("CREATE DATABASE {new} TEMPLATE {old} STRATEGY FILE_COPY", _kept(name), DATABASE)

    def restore(self, name: str) -> None:
        """Bring back a state that was kept."""
        shutil.rmtree(self.root)
        shutil.copytree(self._folder / name, self.root, symlinks=True)
        self._write("DROP DATABASE {new} WITH (FORCE)", DATABASE)
        self._write("CREATE DATABASE {new} TEMPLATE {old} STRATEGY FILE_COPY", DATABASE, _kept(name))

    def files(self) -> Counter[str]:
        """All files of the workspace, without what is drawn by lot and the number of the attempt."""
        paths = (str(path.relative_to(self.root)) for path in self.root.rglob("*") if path.is_file())
        return Counter(re.sub(r"[0-9a-f]{32}|\.\d+-[0-9a-f]{8}\b|(?<=feedback-)\d+", "*", path) for path in paths)

    @property
    def environment(self) -> dict[str, str]:
        """What names this workspace to a process."""
        dsn = make_conninfo(self._server, dbname=DATABASE)
        return {"COUNTERFOIL_WORKSPACE": str(self.root), "COUNTERFOIL_DATABASE_URL": dsn}

    def _said(self) -> Path:
        return Path(tempfile.mkdtemp(dir=self._folder, prefix="said-"))

    def _write(self, statement: str, new: str, old: str = "") -> None:
        with psycopg.connect(self._server, autocommit=True) as connection:
            connection.execute(statement.format(new=new, old=old))


def _kept(name: str) -> str:
    return "kept_" + re.sub(r"\W", "_", name)
