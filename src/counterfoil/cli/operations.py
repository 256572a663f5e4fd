"""Commands for whoever runs a workspace: what it holds, and a file that is collected again."""

import json as json_format
from pathlib import Path
from typing import Annotated

import typer

from counterfoil.cli.options import WorkspaceFolder, existing_workspace
from counterfoil.errors import BusyError


def status(
    json: Annotated[Path | None, typer.Option(help="Write the same to this JSON file")] = None,
    workspace: WorkspaceFolder = None,
) -> None:
    """Show the collected files and their states, the tables with runs and rows, and why rows were rejected."""
    from counterfoil.adapters.folder.whole_files import write_whole
    from counterfoil.cli.show import operations as console_operations
    from counterfoil.steps.lake import status as step

    place = existing_workspace(workspace)
    found = step.status(place.tables, place.ledger)
    console_operations.show_status(found)
    if json is not None:
        write_whole(json, json_format.dumps(found.as_dict(), indent=1) + "\n")


def recollect(
    file: Annotated[
        Path, typer.Argument(help="A file that was collected, or failed to be", exists=True, dir_okay=False)
    ],
    mapping: Annotated[
        str | None, typer.Option("--mapping", "-m", help="A shipped mapping or .toml file [default: as before]")
    ] = None,
    corrected: Annotated[
        bool, typer.Option("--corrected", help="The file's content was corrected: replace what it held before, too")
    ] = False,
    workspace: WorkspaceFolder = None,
) -> None:
    """Collect a file again: its rows replace those that it gave before, and none is doubled."""
    from counterfoil.adapters.files.mapping_files import load_mapping
    from counterfoil.cli.show import runs, terminal
    from counterfoil.steps.intake.collect import Again, collect
    from counterfoil.steps.lake.status import mapping_of

    place = existing_workspace(workspace)
    name = mapping or mapping_of(place.ledger, place.reader.fingerprint(file))
    with terminal.progress("collecting again") as progress:
        collected = collect(
            [file], load_mapping(name), key=place.pseudonym_key, reader=place.reader, tables=place.tables,
            ledger=place.ledger, progress=progress,
            again=Again.ANY_CONTENT if corrected else Again.SAME_CONTENT,
        )  # fmt: skip
    if collected[0].skipped:
        raise BusyError(f"another process is collecting {file}: wait until it is done, then run this again")
    runs.show_collected(collected)
    typer.echo(
        "evidence and source IPs still follow the earlier rows: run 'counterfoil curate' and 'counterfoil features'"
    )
