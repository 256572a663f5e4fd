#!/usr/bin/env bash
# uvicorn 0.54.0 on Python 3.11, Linux, several workers: a worker that dies between the supervisor's ping and its answer is replaced
# only after timeout_worker_healthcheck (5 s by default), and until then the supervisor heeds no SIGTERM.
# Seen: the supervisor asks each worker every half second over a pipe of which it holds both ends itself. Nobody's death closes the
# pipe then, so it waits for the answer of a process that is gone. A worker that is killed between two pings is replaced at once.
# With a timeout of 12 s: killed while it is quiet .0 to .6 s; killed while a ping is unanswered (here it is stopped first, as one
# that the kernel takes long to end would be) 11 s or more, and a SIGTERM that came meanwhile waits as long.
# Expected: that the end of a worker is seen at once, whenever it comes. A process with models of a gigabyte takes the kernel
# tenths of a second to end, so the ping meets it often: here in one of two trials.
# It meets whoever raises the timeout so that a worker that loads or compiles is not taken for hung.
# What we do: the timeout is 15 s (service/processes.py), the other processes go on serving meanwhile.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet uvicorn==0.54.0
cd "$folder"

cat > app.py <<'PYTHON'
async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})
PYTHON

cat > trial.py <<'PYTHON'
import os
import signal
import threading
import time

import uvicorn
from uvicorn.supervisors import Multiprocess

TIMEOUT = 12


def replaced_after(workers, stopped):
    dying = workers.processes[0]
    if stopped:
        os.kill(dying.pid, signal.SIGSTOP)
        time.sleep(1.5)  # the ping that comes each half second is under way now
    begun = time.monotonic()
    os.kill(dying.pid, signal.SIGKILL)
    while workers.processes[0] is dying:
        time.sleep(0.01)
    return time.monotonic() - begun


def trial(workers, found):
    time.sleep(3)
    found["quiet"] = min(replaced_after(workers, stopped=False) for _ in range(3) if time.sleep(2) is None)
    time.sleep(2)
    found["asked"] = replaced_after(workers, stopped=True)
    time.sleep(2)
    os.kill(workers.processes[0].pid, signal.SIGSTOP)
    time.sleep(1.5)
    os.kill(workers.processes[0].pid, signal.SIGKILL)
    found["told"] = time.monotonic()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    config = uvicorn.Config(
        "app:app", port=0, workers=2, lifespan="off", log_config=None, timeout_worker_healthcheck=TIMEOUT
    )
    workers, found = Multiprocess(config, [config.bind_socket()]), {}
    threading.Thread(target=trial, args=(workers, found), daemon=True).start()
    workers.run()
    ended = time.monotonic() - found["told"]
    print(f"uvicorn {uvicorn.__version__}, timeout_worker_healthcheck={TIMEOUT}")
    print(f"killed while quiet, the least of three: replaced after {found['quiet']:.1f} s")
    print(f"killed while a ping was unanswered: replaced after {found['asked']:.1f} s")
    print(f"SIGTERM then: the supervisor ended after {ended:.1f} s")
    assert found["quiet"] < 2 and found["asked"] > TIMEOUT - 4 and ended > TIMEOUT - 4, "the behaviour changed"
PYTHON
"$folder/venv/bin/python" trial.py
