"""The processes of one job: started together, ended together, logged line by line."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

LAUNCHER = Path(__file__).with_name("launcher.py")
TAIL_LINES = 20
_TAIL_BYTES = 64 * 1024
_LOOK_EVERY_SECONDS = 0.02

Line = Callable[[str, str], None]


@dataclass(frozen=True)
class Command:
    """What one instance runs. `log` receives its standard output and error; `cpu` pins it to one processor."""

    host: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    log: Path
    cpu: int | None = None


@dataclass(frozen=True)
class Ended:
    """How the job's processes ended: the first that failed with its exit code (negative: a signal), or none."""

    failed: str | None = None
    code: int = 0
    timed_out: bool = False


Begin = Callable[[Command], "subprocess.Popen[bytes]"]


@dataclass
class _Running:
    command: Command
    process: subprocess.Popen[bytes]
    read: int = 0
    rest: bytes = field(default=b"")


def tied(arguments: Sequence[str], cpu: int | None = None) -> list[str]:
    """The command that runs `arguments` and ends with this process."""
    where = "-" if cpu is None else str(cpu)
    return [sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid()), where, *arguments]


def start(command: Command) -> "subprocess.Popen[bytes]":
    """Start a command's process, whose output goes to its log."""
    with command.log.open("ab") as log:
        return subprocess.Popen(
            tied(command.arguments, command.cpu),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=dict(command.environment),
            cwd=command.folder,
            start_new_session=True,
        )


def run_together(
    commands: Sequence[Command],
    limit_seconds: float,
    on_line: Line,
    grace_seconds: float,
    begin: Begin = start,
) -> Ended:
    """Run the commands at the same time; when one fails or time is up, the others are ended.

    Nothing that they started is left in their process groups afterwards, whatever happens here. `on_line` is given
    host and line of what they print. A group is asked to end (SIGTERM) and killed after `grace_seconds`. `begin` gives
    a command its process, which leads a group.
    """
    running: list[_Running] = []
    try:
        for command in commands:
            command.log.parent.mkdir(parents=True, exist_ok=True)
            command.log.touch()
            running.append(_Running(command, begin(command)))
        return _wait(running, time.monotonic() + limit_seconds, on_line)
    finally:
        _end([item.process for item in running], grace_seconds)
        for item in running:
            _report_lines(item, on_line, last=True)


def tail(log: Path) -> tuple[str, ...]:
    """Return the last lines of a log."""
    if not log.is_file():
        return ()
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
        return tuple(file.read().decode("utf-8", "replace").splitlines()[-TAIL_LINES:])


def describe_code(code: int) -> str:
    """Say how a process ended: 'exit code 3', or 'killed by signal SIGKILL'."""
    if code >= 0:
        return f"exit code {code}"
    with suppress(ValueError):
        return f"killed by signal {signal.Signals(-code).name}"
    return f"killed by signal {-code}"


def _wait(running: Sequence[_Running], deadline: float, on_line: Line) -> Ended:
    while True:
        codes = [_code(item.process) for item in running]
        for item in running:
            _report_lines(item, on_line)
        for item, code in zip(running, codes, strict=True):
            if code:
                return Ended(item.command.host, code)
        if None not in codes:
            return Ended()
        if time.monotonic() > deadline:
            late = next(item for item, code in zip(running, codes, strict=True) if code is None)
            return Ended(late.command.host, -signal.SIGTERM, timed_out=True)
        time.sleep(_LOOK_EVERY_SECONDS)


def _report_lines(item: _Running, on_line: Line, *, last: bool = False) -> None:
    """Report the whole lines that came into the log since the last look; at the end also an unfinished one."""
    with item.command.log.open("rb") as file:
        file.seek(item.read)
        new = file.read()
    item.read += len(new)
    *lines, item.rest = (item.rest + new).split(b"\n")
    if last and item.rest:
        lines.append(item.rest)
    for line in lines:
        on_line(item.command.host, line.decode("utf-8", "replace").rstrip("\r"))


def _code(process: subprocess.Popen[bytes]) -> int | None:
    """Return how a process ended, or None. Nobody waits for it yet, so that no other gets its group's number."""
    ended = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    if ended is None:
        return None
    return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status


def _end(processes: Sequence[subprocess.Popen[bytes]], grace_seconds: float) -> None:
    alive = [process for process in processes if _code(process) is None]
    for process in alive:
        _signal(process, signal.SIGTERM)
    deadline = time.monotonic() + grace_seconds
    while time.monotonic() < deadline and None in [_code(process) for process in alive]:
        time.sleep(_LOOK_EVERY_SECONDS)
    for process in processes:
        # A container's other processes end with its first one.
        _signal(process, signal.SIGKILL)
        process.wait()


def end(process: "subprocess.Popen[bytes]") -> None:
    """End a process that leads a group, with the group, if it has not ended, and wait for it."""
    _signal(process, signal.SIGKILL)
    process.wait()
    if process.stdin is not None:
        with suppress(BrokenPipeError):
            process.stdin.close()


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)
