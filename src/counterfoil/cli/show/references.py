"""The use of references, and what feedback added to them, on the terminal."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Column, Table

from counterfoil.cli.show.terminal import out
from counterfoil.domain.schemas import FRAUD

if TYPE_CHECKING:
    from counterfoil.domain.evaluation.reference_use import ReferenceUse
    from counterfoil.steps.insights.suspects import Audit
    from counterfoil.steps.scoring.confirm import Effect
    from counterfoil.steps.scoring.overrule import Kept


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


def show_suspects(found: "Audit", release_id: str) -> None:
    """A line for each reference whose label the others contradict."""
    shown = Table(
        "reference", "label", Column("fraud, by the others", justify="right"), "paid", "amount",
        title=f"references of {release_id} that may be mislabelled", title_justify="left",
    )  # fmt: skip
    for one in found.suspects:
        money = "" if one.amount is None else f"{one.amount:f} {one.currency or ''}".strip()
        cells = (
            one.reference_id,
            "fraud" if one.label == FRAUD else "good",
            f"{one.signal:.4f}",
            f"{one.event_time:%Y-%m-%d %H:%M}",
            money,
        )
        shown.add_row(*map(escape, cells))
    out.print(shown)
    out.print(f"the others would label {found.contradicted:,} of {found.references:,} references otherwise")
    out.print("what one changes: counterfoil what-if --relabel REFERENCE=LABEL", soft_wrap=True)


def show_overlay(kept: "Sequence[Kept]", release_id: str) -> None:
    """A line for each payment that feedback made a reference, or that is kept from being one."""
    shown = Table(
        "payment", "said", "state", Column("references", justify="right"), "by", "at", "why",
        title=f"overlay of {release_id}", title_justify="left",
    )  # fmt: skip
    for one in kept:
        at = "" if one.at is None else f"{one.at:%Y-%m-%d %H:%M}"
        cells = (one.transaction_id, one.kind, one.standing, str(one.references), one.by, at, one.reason)
        shown.add_row(*map(escape, cells))
    out.print(shown if kept else f"feedback has added nothing to release {release_id}")


def show_effect(effect: "Effect", what: str) -> None:
    """What a change of the overlay did to the payments that were scored last."""
    out.print(escape(f"{what} (overlay {effect.overlay_seq})"))
    out.print(f"{len(effect.moved):,} of the last {effect.checked:,} decisions would be others")
