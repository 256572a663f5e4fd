"""What every FileLedger must do."""

import itertools
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from pgbouncer import WAYS

from counterfoil.adapters.aws.ledger import DynamoLedger, create_table
from counterfoil.adapters.memory.ledger import MemoryLedger
from counterfoil.adapters.postgres.ledger import PostgresLedger
from counterfoil.errors import UsageError
from counterfoil.ports.lake import FileLedger, LedgerEntry, SourceFile

FILE = SourceFile("raw/2019-01.csv", "a" * 64)
CHANGED = SourceFile("raw/2019-01.csv", "b" * 64)
OTHER = SourceFile("raw/2018-12.csv", "a" * 64)


DYNAMODB_LEASE = timedelta(seconds=3)

_tables = itertools.count(1)


@pytest.fixture(params=[*WAYS, "memory", "dynamodb"])
def opening(request: pytest.FixtureRequest) -> str:
    """Return the Python expression that opens the ledger under test, in this process or another."""
    if request.param == "memory":
        return "MemoryLedger(beside=first)"
    if request.param in WAYS:
        dsn = request.getfixturevalue("poolers").reach(request.getfixturevalue("dsn"), request.param)
        return f"PostgresLedger({dsn!r})"
    request.getfixturevalue("aws")
    table = f"ledger-{next(_tables)}"
    create_table(table)
    return f"DynamoLedger({table!r}, lease={DYNAMODB_LEASE!r}, skew=timedelta(0))".replace("datetime.", "")


@pytest.fixture
def open_ledger(opening: str) -> Iterator[Callable[[], FileLedger]]:
    """Return a function that opens the same ledger again, as another process (memory: another job) would."""
    opened: list[PostgresLedger | DynamoLedger | MemoryLedger] = []
    names = {**globals(), "first": MemoryLedger()}

    def open_one() -> FileLedger:
        opened.append(eval(opening, names))
        return opened[-1]

    yield open_one
    for ledger in opened:
        if not isinstance(ledger, MemoryLedger):
            ledger.close()


@pytest.fixture
def ledger(open_ledger: Callable[[], FileLedger]) -> FileLedger:
    return open_ledger()


def test_claims_are_each_for_itself(ledger: FileLedger, open_ledger: Callable[[], FileLedger]) -> None:
    """One claim that ends takes no other with it."""
    assert ledger.claim(FILE, "bank")
    assert ledger.claim(OTHER, "bank")
    ledger.complete(OTHER, rows_in=1, rows_out=1, rows_rejected=0)
    assert not open_ledger().claim(FILE, "bank")
    ledger.fail(FILE, "no header")
    assert open_ledger().claim(FILE, "bank")


def test_an_unknown_file_has_no_entry(ledger: FileLedger) -> None:
    assert ledger.entry(FILE) is None
    assert ledger.entries() == []


def test_a_claimed_file_is_nobody_elses(ledger: FileLedger, open_ledger: Callable[[], FileLedger]) -> None:
    assert ledger.claim(FILE, "bank")
    assert not ledger.claim(FILE, "bank")
    assert not open_ledger().claim(FILE, "bank")
    assert ledger.entry(FILE) == LedgerEntry(FILE, "bank", "claimed", 0, 0, 0)


def test_a_done_file_is_never_claimed_again(ledger: FileLedger, open_ledger: Callable[[], FileLedger]) -> None:
    ledger.claim(FILE, "bank")
    ledger.complete(FILE, rows_in=10, rows_out=8, rows_rejected=2)
    assert not ledger.claim(FILE, "bank")
    assert not open_ledger().claim(FILE, "bank")
    assert ledger.entry(FILE) == LedgerEntry(FILE, "bank", "done", 10, 8, 2)


def test_a_failed_file_may_be_claimed_again(ledger: FileLedger, open_ledger: Callable[[], FileLedger]) -> None:
    ledger.claim(FILE, "bank")
    ledger.fail(FILE, "no header")
    assert ledger.entry(FILE) == LedgerEntry(FILE, "bank", "failed", 0, 0, 0, "no header")
    second = open_ledger()
    assert second.claim(FILE, "bank-2")
    assert second.entry(FILE) == LedgerEntry(FILE, "bank-2", "claimed", 0, 0, 0)
    second.complete(FILE, rows_in=1, rows_out=1, rows_rejected=0)
    assert ledger.entries() == [LedgerEntry(FILE, "bank-2", "done", 1, 1, 0)]


def test_a_done_file_is_claimed_again_by_who_asks_for_it(
    ledger: FileLedger, open_ledger: Callable[[], FileLedger]
) -> None:
    ledger.claim(FILE, "bank")
    ledger.complete(FILE, rows_in=10, rows_out=8, rows_rejected=2)
    assert ledger.claim(FILE, "bank-2", again=True)
    assert ledger.entry(FILE) == LedgerEntry(FILE, "bank-2", "claimed", 0, 0, 0)
    assert not open_ledger().claim(FILE, "bank", again=True)
    assert not ledger.claim(FILE, "bank", again=True)
    ledger.complete(FILE, rows_in=4, rows_out=3, rows_rejected=1)
    assert not ledger.claim(FILE, "bank")
    assert ledger.entries() == [LedgerEntry(FILE, "bank-2", "done", 4, 3, 1)]


def test_files_differ_by_location_and_content(ledger: FileLedger) -> None:
    assert [ledger.claim(file, "bank") for file in (FILE, CHANGED, OTHER)] == [True, True, True]
    ledger.complete(FILE, rows_in=1, rows_out=1, rows_rejected=0)
    assert [entry.file for entry in ledger.entries()] == [OTHER, FILE, CHANGED]
    assert [entry.state for entry in ledger.entries()] == ["claimed", "done", "claimed"]


def test_only_the_claimant_settles_a_file(ledger: FileLedger, open_ledger: Callable[[], FileLedger]) -> None:
    ledger.claim(FILE, "bank")
    second = open_ledger()
    with pytest.raises(UsageError, match=r"2019-01\.csv.*claim it first"):
        second.complete(FILE, rows_in=1, rows_out=1, rows_rejected=0)
    with pytest.raises(UsageError, match=r"2019-01\.csv.*claim it first"):
        second.fail(FILE, "mine")
    assert ledger.entry(FILE) == LedgerEntry(FILE, "bank", "claimed", 0, 0, 0)


def test_an_unclaimed_file_may_be_claimed_again(ledger: FileLedger, open_ledger: Callable[[], FileLedger]) -> None:
    ledger.claim(FILE, "bank")
    ledger.unclaim(FILE)
    assert ledger.entry(FILE) == LedgerEntry(FILE, "bank", "unclaimed", 0, 0, 0)
    second = open_ledger()
    assert second.claim(FILE, "bank-2")
    assert not ledger.claim(FILE, "bank")
    second.complete(FILE, rows_in=3, rows_out=2, rows_rejected=1)
    assert ledger.entries() == [LedgerEntry(FILE, "bank-2", "done", 3, 2, 1)]


def test_the_same_ledger_completes_a_file_that_it_had_unclaimed(ledger: FileLedger) -> None:
    ledger.claim(FILE, "bank")
    ledger.unclaim(FILE)
    with pytest.raises(UsageError, match="claim it first"):
        ledger.complete(FILE, rows_in=1, rows_out=1, rows_rejected=0)
    assert ledger.claim(FILE, "bank")
    ledger.complete(FILE, rows_in=1, rows_out=1, rows_rejected=0)
    assert ledger.entry(FILE) == LedgerEntry(FILE, "bank", "done", 1, 1, 0)


def test_only_the_claimant_releases_a_file(ledger: FileLedger, open_ledger: Callable[[], FileLedger]) -> None:
    ledger.claim(FILE, "bank")
    with pytest.raises(UsageError, match=r"2019-01\.csv.*unclaimed: claim it first"):
        open_ledger().unclaim(FILE)
    assert not open_ledger().claim(FILE, "bank")


CLAIM_AND_WAIT = """
import sys, time
from datetime import timedelta
from counterfoil.adapters.aws.ledger import DynamoLedger
from counterfoil.adapters.postgres.ledger import PostgresLedger
from counterfoil.ports.lake import SourceFile
ledger = eval(sys.argv[1])
assert ledger.claim(SourceFile(*sys.argv[2:]), "bank")
print("claimed", flush=True)
time.sleep(600)
"""


def test_the_claim_of_a_killed_process_is_free_again(opening: str, ledger: FileLedger) -> None:
    if isinstance(ledger, MemoryLedger):
        pytest.skip("a memory ledger dies with its process")
    command = [sys.executable, "-c", CLAIM_AND_WAIT, opening, FILE.location, FILE.content_hash]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as claimant:
        try:
            assert claimant.stdout is not None
            assert claimant.stdout.readline() == "claimed\n"
            for _ in range(3 if isinstance(ledger, DynamoLedger) else 1):
                assert not ledger.claim(FILE, "bank")
                if isinstance(ledger, DynamoLedger):  # longer than the lease: the living process renews it
                    time.sleep(DYNAMODB_LEASE.total_seconds() / 2)
        finally:
            claimant.send_signal(signal.SIGKILL)
    killed_at = time.monotonic()
    while not ledger.claim(FILE, "bank-2"):
        assert time.monotonic() < killed_at + 30
        time.sleep(0.1)
    ledger.complete(FILE, rows_in=1, rows_out=1, rows_rejected=0)
    assert ledger.entries() == [LedgerEntry(FILE, "bank-2", "done", 1, 1, 0)]
