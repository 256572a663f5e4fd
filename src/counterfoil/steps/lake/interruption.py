"""Ctrl-C while an engine computes.

DuckDB looks for signals only between the tasks that the calling thread itself takes: while that thread waits for its
workers, a query goes on for minutes after Ctrl-C (findings/duckdb_query_outlives_ctrl_c.sh). So Python's wakeup
descriptor (`signal.set_wakeup_fd`) tells a thread of ours that the signal came, and that thread interrupts the engines.
"""

import atexit
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import duckdb

_EVERY, _FOR = 0.02, 1.0
"""Seconds: an engine that was only about to begin its query misses an interruption, so several follow."""
_END = b"\0"
"""No signal has this number."""
_NOWHERE = (-1, -1)


@contextmanager
def ended_by_ctrl_c(database: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Interrupt what `database` computes at Ctrl-C, if Ctrl-C raises KeyboardInterrupt in this, the main thread.

    Does nothing in other threads, nor where something else handles the signal, such as `watch`.
    """
    here = threading.current_thread() is threading.main_thread()
    if not here or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    _watcher.add(database)
    try:
        yield
    finally:
        _watcher.remove(database)


class _Watcher:
    """One thread for all engines of the process. It lives, and has the wakeup descriptor, while an engine is open.

    Whoever had the descriptor before, such as asyncio, is still told of each signal, and has it back afterwards.
    """

    def __init__(self) -> None:
        self._open: list[duckdb.DuckDBPyConnection] = []
        self._thread: threading.Thread | None = None
        self._hears, self._signals = _NOWHERE
        self._before = -1
        os.register_at_fork(after_in_child=self._begin_anew)
        atexit.register(self._end)

    def add(self, database: duckdb.DuckDBPyConnection) -> None:
        if self._thread is None:
            self._hears, self._signals = (end.detach() for end in socket.socketpair())
            os.set_blocking(self._signals, False)
            self._before = signal.set_wakeup_fd(self._signals, warn_on_full_buffer=False)
            self._thread = threading.Thread(target=self._listen, name="ctrl-c", daemon=True)
            self._thread.start()
        self._open.append(database)

    def remove(self, database: duckdb.DuckDBPyConnection) -> None:
        self._open = [other for other in self._open if other is not database]
        # The garbage collector may close a generator in any thread: then the next engine, or the exit, ends all.
        if not self._open and threading.current_thread() is threading.main_thread():
            self._end()

    def _end(self) -> None:
        """Give the descriptor back and end the thread."""
        self._give_back(self._before)
        if self._thread is not None:
            os.write(self._signals, _END)
            self._thread.join()
        self._forget()

    def _begin_anew(self) -> None:
        """A forked child has no such thread, and its signals are no business of its parent's."""
        self._give_back(-1)
        self._open = []
        self._forget()

    def _forget(self) -> None:
        for end in (self._hears, self._signals):
            if end != -1:
                os.close(end)
        self._thread, self._before = None, -1
        self._hears, self._signals = _NOWHERE

    def _give_back(self, descriptor: int) -> None:
        """Let `descriptor` be the wakeup descriptor, unless somebody took it from us meanwhile."""
        there = signal.set_wakeup_fd(descriptor)
        if there != self._signals or there == -1:
            signal.set_wakeup_fd(there)

    def _listen(self) -> None:
        ended = False
        while not ended:
            numbers = os.read(self._hears, 64)
            # The end may have come in one piece with signals before it: whoever had the descriptor is told of these.
            ended, numbers = _END in numbers, numbers.replace(_END, b"")
            if numbers and self._before != -1:
                with suppress(OSError):
                    os.write(self._before, numbers)
            if signal.SIGINT in numbers and not ended:
                self._interrupt()

    def _interrupt(self) -> None:
        end = time.monotonic() + _FOR
        while self._open and time.monotonic() < end:
            for database in self._open:
                database.interrupt()
            time.sleep(_EVERY)


_watcher = _Watcher()
