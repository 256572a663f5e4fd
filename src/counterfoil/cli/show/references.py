"""The use of references on the terminal."""

from typing import TYPE_CHECKING

from rich.table import Column, Table

from counterfoil.cli.show.terminal import out

if TYPE_CHECKING:
    from counterfoil.domain.evaluation.reference_use import ReferenceUse


def show_use(use: "ReferenceUse", run: str) -> None:
    """A line for each of the most named references, and what was never named, by side."""
    shown = Table(
        "side", "reference", Column("payments that name it", justify="right"), Column("of all", justify="right"),
        title=f"references of {use.release_id}, as {run} used them", title_justify="left",
    )  # fmt: skip
    for name, side in (("fraud", use.fraud), ("good", use.good)):
        for one in side.dominant:
            shown.add_row(name, one.reference_id, f"{one.payments:,}", f"{one.share:.1%}")
        shown.add_section()
    out.print(shown)
    for name, side in (("fraud", use.fraud), ("good", use.good)):
        if side.references:
            share = side.dead / side.references
            out.print(f"{side.dead:,} of {side.references:,} {name} references ({share:.0%}) were named by no payment")
    out.print(f"{use.payments:,} payments")
