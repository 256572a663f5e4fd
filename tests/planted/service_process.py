"""Starting `counterfoil serve` as a process of its own: tests and benchmarks wait for it in the same way."""

import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

PATIENCE_SECONDS = 240
"""A busy machine takes its time to import what scores."""


def start_service(
    start: Sequence[str], options: Sequence[str], environment: Mapping[str, str], log: Path
) -> tuple[subprocess.Popen[str], str]:
    """Start a service on a free port of the loopback and wait until it listens; return its process and its address.

    `start` is what Python is given to be the command line. Raises RuntimeError, with the log, if the service ends or
    does not come up.
    """
    command = [sys.executable, *start, "serve", "--port", "0", *options]
    with log.open("w") as out:
        process = subprocess.Popen(command, env=dict(environment), stderr=out, text=True)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := re.search(r'"port": (\d+).*"listening"', log.read_text())):
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise RuntimeError(f"the service did not start: {log.read_text()}")
        time.sleep(0.02)
    return process, f"http://127.0.0.1:{found[1]}"
