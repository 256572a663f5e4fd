"""The process of the step that comes next, started while another step runs.

A step spends seconds on imports before it does anything, and most steps leave a core idle. The process imports
what its step needs (`counterfoil.processing.ahead`) and waits; when the step's turn comes it is told what to run.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipelines.local.contract import ML_ROOT_VARIABLE
from pipelines.local.processes import Command, end, tied

_AHEAD = "counterfoil.processing.ahead"


@dataclass(frozen=True)
class Next:
    """The step that most likely follows: the folder of its container, and the command that it will be given."""

    container: Path
    command: str


class Standby:
    """At most one process that waits. It is good for one step with the environment that it was started with."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._program: list[str] = []
        self._environment: Mapping[str, str] = {}

    def prepare(self, following: Next, environment: Mapping[str, str], folder: Path) -> None:
        """Start a process for a step, in place of one that waits for another."""
        program, shared = [str(following.container / "main.py"), following.command], _shared(environment)
        if self._process is not None and (program, shared) == (self._program, self._environment):
            return
        self.end()
        self._program, self._environment = program, shared
        self._process = subprocess.Popen(
            tied([sys.executable, "-P", "-m", _AHEAD, following.command]),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=dict(environment),
            cwd=folder,
            start_new_session=True,
        )

    def take(self, command: Command) -> subprocess.Popen[bytes] | None:
        """Let the waiting process run the command; None if it was made for another one, or is gone."""
        process, python, *program = self._process, *command.arguments
        fits = python == sys.executable and program[:2] == self._program and command.cpu is None
        if process is None or process.stdin is None or not fits or _shared(command.environment) != self._environment:
            return None
        told = {
            "arguments": program, "environment": dict(command.environment), "folder": str(command.folder),
            "log": str(command.log),
        }  # fmt: skip
        try:
            with process.stdin as line:
                line.write(f"{json.dumps(told)}\n".encode())
        except BrokenPipeError:
            return None
        self._process = None
        return process

    def end(self) -> None:
        """End the process that waits, if there is one."""
        process, self._process = self._process, None
        if process is not None:
            end(process)


def _shared(environment: Mapping[str, str]) -> dict[str, str]:
    """What two steps must have in common: what an import looks at."""
    return {name: value for name, value in environment.items() if name != ML_ROOT_VARIABLE}
