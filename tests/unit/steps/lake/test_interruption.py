"""Ctrl-C reaches an engine that computes, and whoever had the wakeup descriptor is told and has it back."""

import gc
import os
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from counterfoil.steps.lake.engine import engine, open_engine
from counterfoil.steps.lake.interruption import ended_by_ctrl_c

ENDLESS = "SELECT sum(a.range * b.range) FROM range(300000) a, range(300000) b"
"""About a minute on one thread."""


def wakeup_descriptor() -> int:
    there = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(there)
    return there


@pytest.fixture(autouse=True)
def python_handles_ctrl_c() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    # Hypothesis, once another test has used it, listens to the garbage collector: a Ctrl-C in there would be lost.
    callbacks, gc.callbacks[:] = gc.callbacks[:], []
    yield
    gc.callbacks[:] = callbacks
    signal.signal(signal.SIGINT, before)


def in_a_moment(seconds: float = 0.1) -> None:
    threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGINT)).start()


@pytest.mark.parametrize("threads", [1, 2, 8])
def test_a_query_ends_at_ctrl_c_on_any_number_of_threads(monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    monkeypatch.setattr("counterfoil.steps.lake.engine.cores", lambda: threads)
    for _ in range(3):  # again in the same process
        in_a_moment()
        with pytest.raises(KeyboardInterrupt), engine() as database:
            database.execute(ENDLESS).fetchall()
    assert wakeup_descriptor() == -1


def test_engines_inside_engines_end_too_and_a_later_one_works() -> None:
    in_a_moment()
    with pytest.raises(KeyboardInterrupt), engine(), engine() as inner:
        inner.execute(ENDLESS).fetchall()
    with engine() as database:
        assert database.execute("SELECT 1").fetchall() == [(1,)]


def test_whoever_had_the_descriptor_is_told_and_has_it_back() -> None:
    hears, signals = socket.socketpair()
    signals.setblocking(False)
    hears.settimeout(20)
    before = signal.set_wakeup_fd(signals.fileno())
    try:
        in_a_moment()
        with pytest.raises(KeyboardInterrupt), engine() as database:
            database.execute(ENDLESS).fetchall()
        assert hears.recv(1) == bytes([signal.SIGINT])
        assert wakeup_descriptor() == signals.fileno()
    finally:
        signal.set_wakeup_fd(before)
        hears.close()
        signals.close()


def test_nothing_is_done_in_another_thread_or_where_another_handler_decides() -> None:
    seen: list[int] = []

    def open_one() -> None:
        with engine():
            seen.append(1)

    other = threading.Thread(target=open_one)
    other.start()
    other.join()
    assert seen == [1]
    signal.signal(signal.SIGINT, lambda *_: seen.append(2))
    with engine() as database:
        assert wakeup_descriptor() == -1
        signal.raise_signal(signal.SIGINT)
        assert database.execute("SELECT count(*) FROM range(3000000)").fetchall() == [(3_000_000,)]
    assert seen == [1, 2]


def test_an_engine_that_is_left_late_or_elsewhere_takes_nothing_from_others(tmp_path: Path) -> None:
    first, second = (open_engine(tmp_path / name) for name in "ab")
    one, two = ended_by_ctrl_c(first), ended_by_ctrl_c(second)
    one.__enter__()
    two.__enter__()
    one.__exit__(None, None, None)  # before the one that was opened after it
    assert wakeup_descriptor() != -1
    other = threading.Thread(target=two.__exit__, args=(None, None, None))
    other.start()
    other.join()
    with engine():
        pass
    assert wakeup_descriptor() == -1
    first.close()
    second.close()


def test_a_forked_child_does_not_tell_its_parent() -> None:
    with engine():
        child = os.fork()
        if child == 0:
            os._exit(0 if wakeup_descriptor() == -1 else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert wakeup_descriptor() != -1
