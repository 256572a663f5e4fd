"""Operations on the terminal: what a workspace holds."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Column, Table

from counterfoil.cli.show.terminal import out

if TYPE_CHECKING:
    from counterfoil.steps.lake.status import Status
    from counterfoil.steps.privacy.forget import Removal
    from counterfoil.steps.privacy.rotate_key import Rotation


_STATES = {"done": "collected", "claimed": "claimed", "unclaimed": "may be collected (its rows are not published)"}


def show_status(status: "Status") -> None:
    """Files with their states, tables with their sizes, rejected rows by reason."""
    _show_files(status)
    if status.tables:
        table = Table("table", "runs", "files", "rows", Column("newest run", overflow="fold"))
        for size in status.tables:
            counts = (f"{count:,}" for count in (size.runs, size.files, size.rows))
            table.add_row(size.table, *counts, escape(size.newest or ""))
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
        out.print(f"the lake of the old key is still in {where}: remove it when you no longer need it", soft_wrap=True)


def show_removal(removal: "Removal") -> None:
    """What was removed, what was rebuilt, what the last search found, and what is left to the owner."""
    report = removal.report
    table = Table(show_header=False)
    rows = {
        "account": report.account,
        "payments": f"{report.payments:,}",
        "rows removed": _counted(report.rows),
        "references removed": _counted(report.references),
        "rows of others that named it, its name removed": _counted(report.payee_rows),
        "references to it, its name removed": _counted(report.payee_references),
        "releases retired": ", ".join(f"{old} (now {new or 'none'})" for old, new in report.releases.items()),
        "its scores, removed": f"{len(report.own_scores):,}",
        "scores that cited or paid it": f"{len(report.touched_scores):,}: they keep label and similarity of precedents",
        "payments to a merchant of that name": f"{removal.namesakes:,}: left as they are" if removal.namesakes else "",
        "input files that hold it": "\n".join(report.sources),
        "copies outside the lake": "\n".join(removal.copies),
        "searched": f"{len(report.searched):,} tables and reference sets",
        "report": removal.written_to,
    }
    for name, value in rows.items():
        if value:
            table.add_row(name, escape(value))
    out.print(table)
    left = _counted({place: count for place, count in report.searched.items() if count})
    if left:
        out.print(f"[red]still named[/] in {escape(left)}: something wrote it meanwhile; run this again")
    else:
        out.print("nothing names it any more; its rows are refused when a file that holds it is collected again")
    out.print(
        "evidence, source IPs and models still count it in sums: run 'counterfoil curate', 'features' and 'train' again"
    )


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())
