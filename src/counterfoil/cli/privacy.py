"""Commands on personal data: forget an account, and a new key for the pseudonyms."""

import sys
from typing import Annotated

import typer

from counterfoil.cli.options import WorkspaceFolder, existing_workspace
from counterfoil.errors import UsageError

Operator = Annotated[str, typer.Option(help="Who decides")]
Reason = Annotated[str, typer.Option(help="Why")]


def forget(
    account: Annotated[
        str, typer.Argument(help="The account as the files name it; - reads it from the first line of standard input")
    ],
    operator: Operator,
    reason: Reason,
    bank: Annotated[
        list[str] | None,
        typer.Option(help="What the mapping's account columns hold before the number (bank, branch), one by one"),
    ] = None,
    pseudonym: Annotated[
        bool, typer.Option("--pseudonym", help="ACCOUNT is what stands in the column account_id")
    ] = False,
    merchant_is_another: Annotated[
        bool, typer.Option("--merchant-is-another", help="A merchant of that very name is not this account: it stays")
    ] = False,
    workspace: WorkspaceFolder = None,
) -> None:
    """Forget an account: out of tables, references and releases, never collected again. Exit code 1: it is not."""
    from counterfoil.cli.show import operations as console_operations
    from counterfoil.cli.show import terminal
    from counterfoil.workspace.forget_account import remove_account

    place = existing_workspace(workspace)
    text = sys.stdin.readline() if account == "-" else account
    with terminal.progress("forgetting") as progress:
        removal = remove_account(
            place, text, operator, reason,
            banks=bank or (), is_pseudonym=pseudonym, merchant_is_another=merchant_is_another, progress=progress,
        )  # fmt: skip
    console_operations.show_removal(removal)
    if not removal.report.absent:
        raise typer.Exit(1)


def rotate_key(
    operator: Operator,
    reason: Reason,
    into: Annotated[
        str | None, typer.Option(help="Where a lake in S3 is copied to, 's3://bucket/prefix' [default: the workspace]")
    ] = None,
    new_key_secret: Annotated[
        str | None, typer.Option(help="Secrets Manager id of a JSON list: the present keys, then the new one")
    ] = None,
    workspace: WorkspaceFolder = None,
) -> None:
    """Change the key of the pseudonyms: all that is kept is hashed again, and goes on joining."""
    from counterfoil.cli.show import operations as console_operations
    from counterfoil.cli.show import terminal
    from counterfoil.workspace.rotate_key import copy_for_key, rotate_own_key

    place = existing_workspace(workspace)
    if (into is None) != (new_key_secret is None):
        raise UsageError("give both --into and --new-key-secret, or neither for a workspace with a key of its own")
    with terminal.progress("changing the key") as progress:
        if into is None or new_key_secret is None:
            rotation = rotate_own_key(place, operator, reason, progress)
        else:
            rotation = copy_for_key(place, into, new_key_secret, operator, reason, progress)
    console_operations.show_rotation(rotation)
    profiles = "" if into is None and place.settings.profile_table is None else " into a new, empty profile store"
    typer.echo(
        f"the service: stop it before, run 'counterfoil profiles build'{profiles}, start it again; its scores of "
        "before keep the pseudonyms of the key that they were made with, and 'forget' with the raw id reaches them"
    )
    if into is not None:
        typer.echo(
            "nothing uses it yet; set together: COUNTERFOIL_LAKE (and COUNTERFOIL_PIPELINE_BUCKET), "
            f"COUNTERFOIL_GLUE_DATABASE={place.settings.glue_database}_{rotation.later}, "
            f"COUNTERFOIL_PSEUDONYM_KEY_SECRET={new_key_secret}"
        )
