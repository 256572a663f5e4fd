"""Operations on the terminal: what a workspace holds."""

from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

if TYPE_CHECKING:
    from counterfoil.steps.rotate_key import Rotation
    from counterfoil.steps.status import Status

out = Console(highlight=False)

_STATES = {"done": "collected", "claimed": "claimed", "released": "waits for its rows to be published"}


def show_status(status: "Status") -> None:
    """Files with their states, tables with their sizes, rejected rows by reason."""
    _show_files(status)
    if status.tables:
        table = Table("table", "runs", "files", "rows")
        for size in status.tables:
            table.add_row(size.table, f"{size.runs:,}", f"{size.files:,}", f"{size.rows:,}")
        out.print(table)
    if status.rejected:
        table = Table("rejected because of", "rows")
        for reason, rows in status.rejected.items():
            table.add_row(reason, f"{rows:,}")
        out.print(table)


def _show_files(status: "Status") -> None:
    if not status.files:
        out.print("no file was collected yet: run 'counterfoil collect'")
        return
    table = Table(Column("file", overflow="fold"), "mapping", "state", "rows in", "collected", "rejected")
    for entry in status.files:
        state = f"failed: {entry.reason}" if entry.state == "failed" else _STATES.get(entry.state, entry.state)
        counts = (entry.rows_in, entry.rows_out, entry.rows_rejected) if entry.state == "done" else ()
        table.add_row(
            escape(entry.file.location), escape(entry.mapping), escape(state), *(f"{count:,}" for count in counts)
        )
    out.print(table)
    out.print(", ".join(f"{count:,} {state}" for state, count in status.states.items()))


def show_rotation(rotation: "Rotation") -> None:
    """The tables that were copied, the key's new id, and what is left of the old one."""
    if rotation.tables:
        table = Table("table", "runs", "rows", "pseudonyms hashed again")
        for copied in rotation.tables:
            table.add_row(copied.table, f"{copied.runs:,}", f"{copied.rows:,}", ", ".join(copied.columns))
        out.print(table)
    before = "" if rotation.earlier is None else f" (before: {rotation.earlier})"
    out.print(f"the key is {rotation.later}{before}")
    if rotation.old_lake is not None:
        where = escape(rotation.old_lake)
        out.print(f"the lake of the old key is still in {where}: remove it when you need it no more", soft_wrap=True)
