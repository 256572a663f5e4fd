"""A process that has imported what the steps import and forks one child for each: starting Python anew takes seconds.

The local session starts each step as ever: a process with the container's `main.py`, its arguments, environment and
log. Python imports faults/sitecustomize.py at its start, and `hand_over` there asks the zygote of this workspace to do
the step in a fork; it gets the same descriptors, folder, environment and arguments. The process that asked stays for
whom it was started by: it ends as the fork ends, and the fork does not outlive it.
"""

import atexit
import gc
import json
import os
import runpy
import signal
import socket
import sys
import threading
import traceback
from contextlib import suppress
from pathlib import Path

SOCKET = "zygote.socket"
"""The name of the zygote's socket, in the folder from which the steps take faults."""
_LONGEST = 1 << 20


def hand_over(folder: Path) -> None:
    """Let the zygote do this step, and end as it ended; returns if there is no zygote."""
    if not (folder / SOCKET).exists():
        return
    wish = {
        "arguments": sys.orig_argv[1:], "environment": dict(os.environ), "here": str(Path.cwd()), "faults": str(folder),
    }  # fmt: skip
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as asking:
        asking.connect(str(folder / SOCKET))
        socket.send_fds(asking, [json.dumps(wish).encode()], [1, 2])
        status = int(asking.recv(32))
    if os.WIFSIGNALED(status):
        os.kill(os.getpid(), os.WTERMSIG(status))
    os._exit(os.WEXITSTATUS(status))


def serve(folder: Path) -> None:
    """Take wishes at the socket in `folder` until standard input ends."""
    from zygote import import_everything

    sys.argv = ["main.py"]
    import_everything()
    for name in ("collector", "curation", "detector"):
        __import__(f"counterfoil.processing.{name}")
    gc.freeze()  # a child that collects garbage would copy all of its memory
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
        listening.bind(str(folder / f"{SOCKET}.new"))
        listening.listen(16)
        os.rename(folder / f"{SOCKET}.new", folder / SOCKET)  # noqa: PTH104 the zygote is there when its socket is
        while True:
            asked, _ = listening.accept()
            keep(asked, listening)
            asked.close()
            bury_the_ended()


def bury_the_ended() -> None:
    """Take leave of the children that have ended."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def keep(asked: socket.socket, listening: socket.socket) -> None:
    """Fork a process that lets another do the step, and tells who asked how it ended."""
    if os.fork():
        return
    listening.close()
    wish, descriptors, _, _ = socket.recv_fds(asked, _LONGEST, 2)
    child = os.fork()
    if child == 0:
        asked.close()
        do(json.loads(wish), descriptors)
    threading.Thread(target=end_with, args=(asked, child), daemon=True).start()
    asked.send(str(os.waitpid(child, 0)[1]).encode())
    os._exit(0)


def end_with(asked: socket.socket, child: int) -> None:
    """Kill the step when who asked for it is gone, as by a kill of the session."""
    asked.recv(1)
    with suppress(ProcessLookupError):  # it had ended by itself
        os.kill(child, signal.SIGKILL)


def do(wish: dict, descriptors: list[int]) -> None:
    """Be the step's process, from the start of its `main.py` to its end."""
    code = 70
    try:
        for given, own in zip(descriptors, (1, 2), strict=True):
            os.dup2(given, own)
            os.close(given)
        os.environ.clear()
        os.environ.update(wish["environment"])
        os.chdir(wish["here"])
        main, *_ = sys.argv = wish["arguments"]
        sys.orig_argv = [sys.executable, *wish["arguments"]]
        sys.path[:0] = [str(Path(main).parent), wish["faults"]]
        import step_faults

        step_faults.begin()
        code = run_main(main)
        atexit._run_exitfuncs()
    except BaseException:  # noqa: BLE001 a child must not go on as the zygote
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def run_main(path: str) -> int:
    """Run a container's program as Python does; return its exit code."""
    try:
        runpy.run_path(path, run_name="__main__")
    except SystemExit as end:
        return int(end.code or 0)
    return 0


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
