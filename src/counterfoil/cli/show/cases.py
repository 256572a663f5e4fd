"""What people see of cases, and the CSV that they take away."""

import csv
from collections.abc import Sequence
from dataclasses import astuple, fields
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from counterfoil.cli.show.answers import harmless
from counterfoil.cli.show.terminal import out
from counterfoil.ports.desk import Case

if TYPE_CHECKING:
    from counterfoil.ports.desk import CaseAlert, CaseNote


def show_cases(cases: Sequence[Case]) -> None:
    """One line a case."""
    table = Table("case", "alerts", "expected loss", "with", "due", "state")
    for case in cases:
        state = case.outcome or case.state
        due = f"{case.due:%Y-%m-%d %H:%M}"
        table.add_row(
            case.case_id, f"{case.alerts:,}", f"{case.expected_loss:,.2f}", escape(case.assignee or ""), due, state
        )
    out.print(table)


def show_case(case: Case, alerts: Sequence["CaseAlert"], notes: Sequence["CaseNote"]) -> None:
    """A case with its alerts and notes."""
    show_cases([case])
    out.print(f"account {case.account_id or 'unknown'}")
    table = Table("payment", "time", "decision", "signal", "amount", "policy")
    for alert in alerts:
        money = f"{alert.amount or ''} {alert.currency or ''}".strip()
        table.add_row(
            escape(alert.transaction_id), f"{alert.event_time:%Y-%m-%d %H:%M}", alert.decision, f"{alert.signal:.3f}",
            escape(money), alert.policy_version or "",
        )  # fmt: skip
    out.print(table)
    for note in notes:
        out.print(escape(f"{note.at:%Y-%m-%d %H:%M} {note.said_by}, {note.what}: {note.words}"), soft_wrap=True)


def write_cases(cases: Sequence[Case], path: Path) -> None:
    """Write cases as CSV; no cell is taken for a formula by a spreadsheet."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([field.name for field in fields(Case)])
        writer.writerows([harmless(value) for value in astuple(case)] for case in cases)
