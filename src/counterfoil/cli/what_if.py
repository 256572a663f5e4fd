"""What decisions owe to one reference."""

from typing import Annotated

import typer

from counterfoil.cli.options import WorkspaceFolder, existing_workspace
from counterfoil.errors import UsageError

SHOWN = 20


def what_if(
    remove: Annotated[str | None, typer.Option(metavar="REFERENCE", help="Without this reference")] = None,
    relabel: Annotated[
        str | None, typer.Option(metavar="REFERENCE=LABEL", help="With this one as fraud or good")
    ] = None,
    run: Annotated[
        str | None, typer.Option(help="The payments of this run of scores, instead of the service's")
    ] = None,
    last: Annotated[int, typer.Option(min=1, help="So many of the payments that the service scored last")] = 10_000,
    workspace: WorkspaceFolder = None,
) -> None:
    """Show which of the last decisions would be others without a reference, or with its label changed."""
    from counterfoil.steps.insights import what_if as asked
    from counterfoil.steps.insights.scores import release_of_run

    if (remove is None) == (relabel is None):
        raise UsageError("give --remove REFERENCE or --relabel REFERENCE=LABEL: one of the two")
    reference, _, word = (remove or "", "", "") if relabel is None else relabel.rpartition("=")
    place = existing_workspace(workspace)
    label = None if relabel is None else asked.label_of_word(word)
    if run is None:
        found = asked.what_if(place.champion.current().detector, place.scores.latest(last), reference, label)
    else:
        detector = place.detector(release_of_run(place.tables, run))
        found = asked.what_if_of_run(detector, place.tables, run, reference, label)
    whose = "the last " if run is None else ""
    typer.echo(
        f"{len(found.flips):,} of {whose}{found.payments:,} decisions would be others; {found.cited:,} payments could "
        f"follow it, of which {found.compared:,} were compared again: {found.touched:,} signals would move, by "
        f"{found.largest:.4f} at most"
    )
    for flip in found.flips[:SHOWN]:
        typer.echo(
            f"{flip.transaction_id}: {flip.before} -> {flip.after}, "
            f"signal {flip.signal_before:.4f} -> {flip.signal_after:.4f}"
        )
    if len(found.flips) > SHOWN:
        typer.echo(f"... and {len(found.flips) - SHOWN:,} more")
    if found.compared:
        typer.echo(
            f"no one reference taken away could move the mean similarity of a side by more than {found.bound:.4f} there"
        )
