"""Held claims are renewed until they are settled, and a loss is remembered."""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from counterfoil.adapters.aws.leases import HeldLeases
from counterfoil.errors import StoreUnavailableError, UsageError
from counterfoil.ports.lake import SourceFile

FILE = SourceFile("raw/a.csv", "a" * 64)
OTHER = SourceFile("raw/b.csv", "b" * 64)
BEAT = timedelta(milliseconds=10)
WAIT = 20.0


class Renewals:
    """What was renewed, and what each renewal comes to: by default it succeeds."""

    def __init__(self) -> None:
        self.seen: list[tuple[SourceFile, str]] = []
        self.outcome: Callable[[], bool] = lambda: True
        self._changed = threading.Condition()

    def __call__(self, file: SourceFile, token: str) -> bool:
        with self._changed:
            self.seen.append((file, token))
            self._changed.notify_all()
        return self.outcome()

    def wait_for(self, more: int) -> None:
        with self._changed:
            enough = len(self.seen) + more
            assert self._changed.wait_for(lambda: len(self.seen) >= enough, WAIT)


@pytest.fixture
def renewals() -> Renewals:
    return Renewals()


@pytest.fixture
def held(renewals: Renewals) -> Iterator[HeldLeases]:
    leases = HeldLeases(BEAT, renewals)
    yield leases
    leases.let_go()


def beating() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "leases"]


def test_what_is_held_is_renewed_again_and_again(held: HeldLeases, renewals: Renewals) -> None:
    held.hold(FILE, "t1")
    held.hold(OTHER, "t2")
    renewals.wait_for(6)
    assert set(renewals.seen) == {(FILE, "t1"), (OTHER, "t2")}
    assert len(beating()) == 1
    assert beating()[0].daemon


def test_what_was_taken_is_renewed_no_more(held: HeldLeases, renewals: Renewals) -> None:
    held.hold(FILE, "t1")
    held.hold(OTHER, "t2")
    assert held.take(FILE, "done") == "t1"
    renewals.wait_for(2)  # a beat under way when it was taken may still hold it
    renewals.seen.clear()
    renewals.wait_for(3)
    assert set(renewals.seen) == {(OTHER, "t2")}


def test_the_thread_ends_when_nothing_is_held_and_starts_again(held: HeldLeases, renewals: Renewals) -> None:
    held.hold(FILE, "t1")
    thread = beating()[0]
    held.take(FILE, "done")
    thread.join(WAIT)
    assert not thread.is_alive()
    held.hold(FILE, "t2")
    renewals.seen.clear()
    renewals.wait_for(1)
    assert renewals.seen[0] == (FILE, "t2")


def test_a_lost_claim_cannot_be_taken_until_it_is_held_again(held: HeldLeases, renewals: Renewals) -> None:
    renewals.outcome = lambda: False
    held.hold(FILE, "t1")
    thread = beating()[0]
    thread.join(WAIT)  # nothing is held any more
    for _ in range(2):
        with pytest.raises(StoreUnavailableError, match=r"raw/a\.csv was lost before it could be marked done.*again"):
            held.take(FILE, "done")
    renewals.outcome = lambda: True
    held.hold(FILE, "t2")
    assert held.take(FILE, "done") == "t2"


def test_a_renewal_that_fails_is_tried_again(held: HeldLeases, renewals: Renewals) -> None:
    def unreachable() -> bool:
        raise StoreUnavailableError("no network")

    renewals.outcome = unreachable
    held.hold(FILE, "t1")
    renewals.wait_for(3)
    assert held.take(FILE, "done") == "t1"


def test_what_was_never_held_cannot_be_taken(held: HeldLeases) -> None:
    with pytest.raises(UsageError, match=r"raw/a\.csv is not claimed by this process.*done: claim it first"):
        held.take(FILE, "done")


def test_a_claim_that_is_being_settled_is_not_lost(held: HeldLeases, renewals: Renewals) -> None:
    begun, finish = threading.Event(), threading.Event()

    def too_late() -> bool:
        begun.set()
        finish.wait(WAIT)
        return False

    renewals.outcome = too_late
    held.hold(FILE, "t1")
    thread = beating()[0]
    assert begun.wait(WAIT)
    assert held.take(FILE, "done") == "t1"
    finish.set()
    thread.join(WAIT)
    with pytest.raises(UsageError, match="claim it first"):
        held.take(FILE, "done")


def test_letting_go_waits_for_a_renewal_under_way(held: HeldLeases, renewals: Renewals) -> None:
    begun, finish, order = threading.Event(), threading.Event(), []

    def slow() -> bool:
        begun.set()
        finish.wait(WAIT)
        order.append("renewed")
        return True

    renewals.outcome = slow
    held.hold(FILE, "t1")
    assert begun.wait(WAIT)
    threading.Timer(0.1, finish.set).start()
    assert held.let_go() == {FILE: "t1"}
    order.append("let go")
    assert order == ["renewed", "let go"]
    assert beating() == []
