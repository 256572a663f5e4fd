"""The command that shows which references carry a run's scores, and which carry none."""

import json as json_format
from pathlib import Path
from typing import Annotated

import typer

from counterfoil.cli.options import WorkspaceFolder, existing_workspace


def references(
    run: Annotated[str, typer.Argument(help="The run that 'counterfoil score' named")],
    most: Annotated[int, typer.Option(min=1, help="So many of the most named references of each side")] = 10,
    json: Annotated[Path | None, typer.Option(help="Write the figures to this JSON file")] = None,
    workspace: WorkspaceFolder = None,
) -> None:
    """Show which references the payments of a run were compared with: the most named, and how many never were."""
    from counterfoil.adapters.folder.whole_files import write_whole
    from counterfoil.cli.show import references as console_references
    from counterfoil.steps.insights.reference_use import reference_use

    place = existing_workspace(workspace)
    use = reference_use(place.tables, place.references, run, most=most)
    console_references.show_use(use, run)
    if json is not None:
        write_whole(json, json_format.dumps({"run": run, **use.as_dict()}, indent=1, allow_nan=False) + "\n")
        typer.echo(f"figures: {json}")
