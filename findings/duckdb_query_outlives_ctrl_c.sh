#!/usr/bin/env bash
# DuckDB 2.0.0 for Python: Ctrl-C does not end a query while the calling thread waits for DuckDB's worker threads.
# Seen: with four threads, most queries compute on for seconds or minutes after SIGINT, as if it had never come; with
# one thread each of them ends at once with "Query interrupted".
# Expected: the query ends at once and KeyboardInterrupt is raised, on any number of threads.
# What we do: signal.set_wakeup_fd tells a thread of ours that the signal came; that thread calls connection.interrupt().

set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet duckdb==2.0.0
cd "$folder"

cat > query.py <<'PYTHON'
"""Run a long query, send SIGINT to this process after 0.3 s, and say so if the query still computes 3 s later."""

import os
import signal
import socket
import sys
import threading
import time

import duckdb

threads, careful = int(sys.argv[1]), sys.argv[2] == "careful"
signal.signal(signal.SIGINT, signal.default_int_handler)
database = duckdb.connect(config={"threads": threads})
if careful:
    hears, signals = socket.socketpair()
    signals.setblocking(False)
    signal.set_wakeup_fd(signals.fileno())
    threading.Thread(target=lambda: (hears.recv(1), database.interrupt()), daemon=True).start()


def give_up():
    print("it went on", flush=True)
    os._exit(0)


threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
late = threading.Timer(3.3, give_up)
late.daemon = True
late.start()
database.execute("SELECT sum(a.range * b.range) FROM range(1000000) a, range(1000000) b").fetchall()
PYTHON

many() { for _ in 1 2 3 4 5 6 7 8; do "$folder/venv/bin/python" query.py "$@" 2> /dev/null; done | grep -c 'it went on' || true; }
one=$(many 1 plain) four=$(many 4 plain) careful=$(many 4 careful)
echo "DuckDB 2.0.0: of 8 queries, how many still computed 3 s after SIGINT"
echo "seen: $four with four threads, $one with one"
echo "expected: 0"
echo "what we do: a thread that set_wakeup_fd wakes calls interrupt(): $careful"
[ "$four" -gt 0 ] || { echo "the behaviour changed"; exit 1; }
[ "$one" = 0 ] && [ "$careful" = 0 ] || { echo "the way out no longer works"; exit 1; }
