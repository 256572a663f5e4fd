"""What people see of policies and lists."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from counterfoil.cli.show.terminal import out

if TYPE_CHECKING:
    from counterfoil.ports.desk import ListSummary
    from counterfoil.steps.scoring.policies import Standing


def show_standing(now: "Standing") -> None:
    """The rule set in force with its two signatures, and the proposals that wait."""
    if now.approved:
        last = now.approved[-1]
        maker, name = last.details["maker"], now.proposals[last.subject].details["name"]
        out.print(
            escape(f"in force: {last.subject} ({name}), proposed by {maker}, approved by {last.actor}: {last.reason}"),
            soft_wrap=True,
        )
    else:
        out.print("in force: no rule set")
    for version, proposal in now.waiting.items():
        out.print(escape(f"waits for a second person: {version}, proposed by {proposal.actor}: {proposal.reason}"),
                  soft_wrap=True)  # fmt: skip


def show_lists(lists: Sequence["ListSummary"]) -> None:
    """One line a list and kind of entity."""
    if not lists:
        return
    table = Table("list", "effect", "entity", "in force", "over", "next end")
    for one in lists:
        end = "" if one.next_end is None else f"{one.next_end:%Y-%m-%d %H:%M}"
        table.add_row(escape(one.name), one.effect, one.entity, f"{one.active:,}", f"{one.over:,}", end)
    out.print(table)
