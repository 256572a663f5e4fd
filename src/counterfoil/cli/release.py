"""Commands on releases."""

from enum import StrEnum
from typing import Annotated

import typer

from counterfoil.cli.options import WorkspaceFolder, existing_workspace

app = typer.Typer(no_args_is_help=True, help="Releases: list, show, compare, promote, roll back, retire.")

Name = Annotated[str, typer.Argument(metavar="RELEASE", help="A release's id, or champion, or challenger")]
Operator = Annotated[str | None, typer.Option(help="Who decides")]
Reason = Annotated[str, typer.Option(help="Why")]


class Place(StrEnum):
    """What a release may be promoted to."""

    CHALLENGER = "challenger"
    CHAMPION = "champion"


@app.command("list")
def list_releases(workspace: WorkspaceFolder = None) -> None:
    """List the releases, newest first."""
    from counterfoil.cli.show import releases as console_releases

    console_releases.show_releases(existing_workspace(workspace).registry.releases())


@app.command()
def show(
    release: Name,
    mapping: Annotated[
        str | None, typer.Option("--mapping", "-m", help="Also say what this mapping's payments lack for the release")
    ] = None,
    workspace: WorkspaceFolder = None,
) -> None:
    """Show what a release is made of, how good it was and what was decided on it."""
    from counterfoil.adapters.files.mapping_files import load_mapping
    from counterfoil.cli.show import releases as console_releases
    from counterfoil.domain.release.fit import fit_of
    from counterfoil.steps.releases.registration import load_release
    from counterfoil.steps.releases.releases import find

    place = existing_workspace(workspace)
    source = None if mapping is None else load_mapping(mapping)
    registered = find(place.registry, release)
    loaded = load_release(place.registry, registered.release_id)
    decisions = place.decisions.entries(subject=registered.release_id)
    console_releases.show_release(registered, loaded, decisions)
    if source is not None:
        console_releases.show_fit(fit_of(loaded, source), source.name)


@app.command()
def diff(
    a: Annotated[str, typer.Argument(help="A release's id or alias")],
    b: Annotated[str, typer.Argument(help="Another's")],
    workspace: WorkspaceFolder = None,
) -> None:
    """Show in which fields two releases differ."""
    from counterfoil.cli.show import releases as console_releases
    from counterfoil.domain.release.diff import differences
    from counterfoil.steps.releases.registration import load_release
    from counterfoil.steps.releases.releases import find

    registry = existing_workspace(workspace).registry
    one, other = find(registry, a), find(registry, b)
    found = differences(
        load_release(registry, one.release_id), load_release(registry, other.release_id), one.metrics, other.metrics
    )
    console_releases.show_differences(found, one.release_id, other.release_id)


@app.command()
def promote(
    release: Name,
    to: Annotated[Place, typer.Option(help="What the release is to be")],
    operator: Operator = None,
    reason: Reason = "",
    without_gate: Annotated[
        bool, typer.Option("--without-gate", help="Promote to champion without a passed gate; the log records it")
    ] = False,
    workspace: WorkspaceFolder = None,
) -> None:
    """Let a release be challenger, or champion: that is an operator's decision, with a reason."""
    from counterfoil.cli.show import releases as console_releases
    from counterfoil.steps.releases import releases

    place = existing_workspace(workspace)
    change = releases.promote(
        place.registry, place.decisions, release, to.value, operator, reason, without_gate=without_gate
    )
    console_releases.show_change(change, f"is {change.state}")


@app.command()
def rollback(operator: Operator = None, reason: Reason = "", workspace: WorkspaceFolder = None) -> None:
    """Let the champion before the present one be champion again."""
    from counterfoil.cli.show import releases as console_releases
    from counterfoil.steps.releases import releases

    place = existing_workspace(workspace)
    change = releases.rollback(place.registry, place.decisions, operator, reason)
    console_releases.show_change(change, f"is {change.state}")


@app.command()
def retire(
    release: Name,
    operator: Operator = None,
    reason: Reason = "",
    drop_references: Annotated[
        bool, typer.Option("--drop-references", help="Drop its references too: its scores can never be replayed again")
    ] = False,
    even_in_use: Annotated[
        bool, typer.Option("--even-in-use", help="Also the champion or challenger; then there is none")
    ] = False,
    workspace: WorkspaceFolder = None,
) -> None:
    """Take a release out of use."""
    from counterfoil.cli.show import releases as console_releases
    from counterfoil.steps.releases import releases

    place = existing_workspace(workspace)
    drop_from = place.references if drop_references else None
    change = releases.retire(
        place.registry, place.decisions, release, operator, reason, drop_from=drop_from, even_in_use=even_in_use
    )
    console_releases.show_change(change, f"is {change.state}")
    if drop_references:
        typer.echo("its references were dropped: its scores cannot be replayed any more")


def replay_score(
    transaction: Annotated[str, typer.Argument(help="The id of a scored payment")],
    run: Annotated[
        str | None, typer.Option(help="The run whose score is replayed [default: the newest that has one]")
    ] = None,
    workspace: WorkspaceFolder = None,
) -> None:
    """Score a payment again from what was kept; exit code 1 if the stored score is not reproduced."""
    from counterfoil.cli.show import releases as console_releases
    from counterfoil.steps.scoring import replay_score as step

    place = existing_workspace(workspace)
    found = step.replay_score(
        place.stores_for_scoring, transaction, run, compute=place.compute
    )  # fmt: skip
    console_releases.show_replay(found)
    if not found.ok:
        raise typer.Exit(1)
