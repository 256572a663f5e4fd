"""What every FileLedger must do."""

from collections.abc import Callable, Iterator

import pytest

from counterfoil.adapters.ledger_memory import MemoryLedger
from counterfoil.adapters.ledger_postgres import PostgresLedger
from counterfoil.errors import UsageError
from counterfoil.ports import FileLedger, LedgerEntry, SourceFile

FILE = SourceFile("raw/2019-01.csv", "a" * 64)
CHANGED = SourceFile("raw/2019-01.csv", "b" * 64)
OTHER = SourceFile("raw/2018-12.csv", "a" * 64)


@pytest.fixture(params=["postgres", "memory"])
def open_ledger(request: pytest.FixtureRequest) -> Iterator[Callable[[], FileLedger]]:
    """Return a function that opens the same ledger again, as another process (memory: another job) would."""
    if request.param == "memory":
        first = MemoryLedger()
        yield lambda: MemoryLedger(beside=first)
        return
    dsn = request.getfixturevalue("dsn")
    opened: list[PostgresLedger] = []

    def open_one() -> FileLedger:
        opened.append(PostgresLedger(dsn))
        return opened[-1]

    yield open_one
    for ledger in opened:
        ledger.close()


@pytest.fixture
def ledger(open_ledger: Callable[[], FileLedger]) -> FileLedger:
    return open_ledger()


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
