"""What people see of labels that came later."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from counterfoil.cli.show.terminal import out

if TYPE_CHECKING:
    from counterfoil.steps.intake.say_labels import LabelledFile
    from counterfoil.steps.lake.labels import Appended

_WORDS = {1: "fraud", 0: "good"}


def show_labels(files: Sequence["LabelledFile"]) -> None:
    """One line a file, then what contradicts earlier labels, and labels of payments that are not there."""
    table = Table("file", "rows in", "new", "changed", "repeated", "no label", "rejected", "reasons")
    for file in files:
        if file.said.already:
            table.add_row(escape(file.source), "", "", "", "", "", "", "read before: nothing to do")
            continue
        said = file.said
        counts = (file.rows_in, said.new, said.changed, said.repeated, file.unlabelled, sum(file.rejected.values()))
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in sorted(file.rejected.items()))
        table.add_row(escape(file.source), *(f"{count:,}" for count in counts), reasons)
    out.print(table)
    for file in files:
        show_appended(file.said)


def show_appended(said: "Appended") -> None:
    """What contradicts earlier labels, and labels of payments that are not there; nothing if all is well."""
    if said.changed:
        shown = "; ".join(
            f"{escape(one.transaction_id)}: {_WORDS[one.earlier]}, now {_WORDS[one.later]}" for one in said.examples
        )
        more = "; ..." if said.changed > len(said.examples) else ""
        out.print(
            f"{said.changed:,} labels contradict what was said before, and count from now on: {shown}{more}",
            soft_wrap=True,
        )
    if said.unknown:
        out.print(f"{said.unknown:,} labels are of payments that were not collected; they count once these are")
