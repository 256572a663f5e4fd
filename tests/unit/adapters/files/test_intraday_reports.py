"""Reports during the day (camt.052, MT942) and the statement that follows: each booking is there once."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from bank_statements import Entry, Statement, as_camt, as_mt940, as_mt942
from two_processes import rows_of

from counterfoil.adapters.files.input_files import InputFiles
from counterfoil.adapters.files.mapping_files import load_mapping
from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.adapters.memory.ledger import MemoryLedger
from counterfoil.steps.intake.collect import collect

Write = Callable[[Statement], str]
FORMS: dict[str, tuple[Write, Write, str]] = {
    "iso20022-camt052": (lambda one: as_camt(one, message="BkToCstmrAcctRpt"), as_camt, "iso20022-camt053"),
    "mt942": (as_mt942, as_mt940, "mt940"),
}
each_form = pytest.mark.parametrize("name", FORMS)
DAY = date(2026, 1, 2)
OLD = date(2025, 12, 31)
ENTRIES = (
    Entry(1000, booked=DAY, valued=OLD, reference="R1"),
    Entry(500, credit=False, booked=OLD, valued=DAY, reference="R2"),
    Entry(500, credit=False, reversal=True, booked=DAY, valued=DAY, reference="R2"),
    Entry(600, booked=DAY, valued=DAY, parts=(100, 200, 300), reference="R3"),
    Entry(99, credit=False, status="PDNG", booked=DAY, valued=DAY, reference="R4"),
    Entry(700, booked=DAY, valued=DAY, reference="NONREF"),
    # Two bookings that are alike, as some banks have them.
    Entry(250, booked=DAY, valued=DAY, reference="R5"),
    Entry(250, booked=DAY, valued=DAY, reference="R5"),
)
STATEMENT = Statement(opening=5, entries=tuple(replace(entry, status="BOOK") for entry in ENTRIES))


class Lake:
    """Files that are collected one after another into the same lake."""

    def __init__(self, place: Path) -> None:
        self._place, self._ledger = place, MemoryLedger()
        self._tables = FolderTables(place / "lake")

    def collect(self, name: str, text: str, mapping: str) -> None:
        """Collect a file."""
        path = self._place / name
        path.write_text(text)
        collect(
            [path], load_mapping(mapping), key=b"k" * 16, reader=InputFiles(), tables=self._tables, ledger=self._ledger
        )

    def moved(self) -> Decimal:
        """Return what all payments add to the account."""
        rows = rows_of(self._tables, "transactions")
        return sum((row["amount"] * (1 if row["direction"] == "CRDT" else -1) for row in rows), Decimal(0))

    def reasons(self) -> list[str]:
        """Return why rows were refused, in the alphabet's order."""
        return sorted(row["reason"] for row in rows_of(self._tables, "rejected"))


@each_form
def test_a_booking_that_was_reported_is_not_doubled_by_the_statement(name: str, tmp_path: Path) -> None:
    report, statement, _ = FORMS[name]
    lake = Lake(tmp_path)
    lake.collect("noon", report(replace(STATEMENT, entries=ENTRIES[:3])), name)
    assert lake.moved() == Decimal("0.00")
    lake.collect("evening", report(replace(STATEMENT, entries=ENTRIES)), name)
    assert lake.moved() == Decimal("11.00")
    assert lake.reasons() == [*["duplicate_id"] * 3, "entry_pending", "entry_reference_missing"]
    lake.collect("night", statement(STATEMENT), name)
    assert Decimal("0.05") + lake.moved() == Decimal(STATEMENT.closing).scaleb(-2)
    assert lake.reasons()[:9] == ["duplicate_id"] * 9
    assert len(lake.reasons()) == 11


@each_form
def test_the_statement_alone_meets_its_balance(name: str, tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.collect("night", FORMS[name][1](STATEMENT), name)
    assert Decimal("0.05") + lake.moved() == Decimal(STATEMENT.closing).scaleb(-2)
    assert lake.reasons() == []


@pytest.mark.parametrize(("name", "reason"), [("iso20022-camt052", "message_camt.052"), ("mt942", "message_MT942")])
def test_the_statements_own_mapping_refuses_entries_of_reports_by_name(name: str, reason: str, tmp_path: Path) -> None:
    report, statement, own = FORMS[name]
    text = report(STATEMENT) + statement(STATEMENT) if name == "mt942" else _both(report, statement)
    lake = Lake(tmp_path)
    lake.collect("both", text, own)
    assert Decimal("0.05") + lake.moved() == Decimal(STATEMENT.closing).scaleb(-2)
    assert lake.reasons() == [reason] * len(ENTRIES)


def _both(report: Write, statement: Write) -> str:
    return f"<x>{report(STATEMENT)}{statement(STATEMENT)}</x>"
