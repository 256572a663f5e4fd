"""Runs a command, and ends it with all it started when the session dies: `launcher.py PARENT CPU COMMAND...`.

A program of its own, because what it sets must be set between fork and exec, and Python's hook for that place is
unsafe where threads run (the live tree has one). It leads the process group of its command.
"""

import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Run COMMAND while PARENT (a pid) lives, pinned to CPU (or '-'), and end as it ends."""
    parent, cpu, *command = arguments
    signal.signal(signal.SIGUSR1, lambda *_: os.killpg(0, signal.SIGKILL))
    _signal_at_death_of_parent(signal.SIGUSR1)
    if os.getppid() != int(parent):
        sys.exit(1)  # it died before we could be tied to it
    if cpu != "-":
        os.sched_setaffinity(0, {int(cpu)})
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGUSR1, signal.SIG_DFL)
        _signal_at_death_of_parent(signal.SIGKILL)
        os.execv(command[0], command)
    # The command decides what it does when the group is asked to end.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _end_as(os.waitpid(child, 0)[1])


def _end_as(status: int) -> None:
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(os.waitstatus_to_exitcode(status))


def _signal_at_death_of_parent(number: int) -> None:
    """Linux only; elsewhere a command outlives a killed session."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)


if __name__ == "__main__":
    main(sys.argv[1:])
