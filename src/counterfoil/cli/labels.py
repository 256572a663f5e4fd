"""The command labels: what payments that were collected before turned out to be."""

from typing import Annotated

import typer

from counterfoil.cli.options import Files, MappingName, WorkspaceFolder


def labels(
    files: Files,
    mapping: MappingName,
    by: Annotated[str | None, typer.Option(help="Who says it [default: the mapping's name]")] = None,
    workspace: WorkspaceFolder = None,
) -> None:
    """Take in labels that come later: chargebacks, or the whole export again. Only id and label are read."""
    from counterfoil.adapters.files.mapping_files import load_mapping
    from counterfoil.cli.show.labels import show_labels
    from counterfoil.steps.intake.say_labels import say_labels
    from counterfoil.workspace.wiring import open_workspace

    place = open_workspace(workspace)
    said = say_labels(
        files, load_mapping(mapping), key=place.pseudonym_key, reader=place.reader, tables=place.tables, said_by=by
    )
    show_labels(said)
