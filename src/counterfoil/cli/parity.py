"""Whether the service scores as the batch does."""

from typing import Annotated

import typer

from counterfoil.cli.options import WorkspaceFolder, existing_workspace
from counterfoil.errors import CounterfoilError


def parity(
    run: Annotated[
        str | None, typer.Option(help="Compare with this run of 'counterfoil score' or the pipeline")
    ] = None,
    last: Annotated[
        float | None, typer.Option(min=0, metavar="HOURS", help="Recompute what was scored in the last hours")
    ] = None,
    workspace: WorkspaceFolder = None,
) -> None:
    """Compare what the service scored with what the batch makes of the same payments; fails where they differ.

    Features may differ by 1e-9, signals by 1e-6. A payment that came late is not in what earlier answers had seen, and
    the batch sees it: such differences are told like all others.
    """
    from counterfoil.workspace.parity import parity as compare

    found = compare(existing_workspace(workspace), run, last)
    left = f"{found.without_history:,} scored without history, {found.other_release:,} by another release"
    typer.echo(f"{found.payments:,} payments compared (not compared: {left})")
    for apart in found.apart:
        typer.echo(f"{apart.name}: {apart.rows:,} differ, by {apart.largest:g} at most (transaction {apart.example})")
    if not found.ok:
        raise CounterfoilError(f"{len(found.apart)} columns differ between the service and the batch")
    typer.echo("no feature and no signal differs")
