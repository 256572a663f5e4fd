"""Commands on references: which of them carry a run's scores, and what people's feedback added to them."""

import json as json_format
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from counterfoil.cli.options import WorkspaceFolder, existing_workspace
from counterfoil.cli.release import Operator, Reason

USE = "use"


class _UseOfARun(TyperGroup):
    """Takes `references RUN` as `references use RUN`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the command in front where none is named."""
        named = bool(args) and (args[0] in self.commands or args[0] in ctx.help_option_names)
        return super().parse_args(ctx, args if named or not args else [USE, *args])


app = typer.Typer(
    no_args_is_help=True, cls=_UseOfARun,
    help="References: how a run used them; what feedback added to a release, undone or let act by an operator.",
)  # fmt: skip

Transaction = Annotated[str, typer.Argument(help="The payment's id, as 'references list' shows it")]


@app.command(USE)
def use(
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
    used = reference_use(place.tables, place.references, run, most=most)
    console_references.show_use(used, run)
    if json is not None:
        write_whole(json, json_format.dumps({"run": run, **used.as_dict()}, indent=1, allow_nan=False) + "\n")
        typer.echo(f"figures: {json}")


@app.command("list")
def list_overlay(workspace: WorkspaceFolder = None) -> None:
    """List what feedback added to the release in use, what of it is held, and what was undone."""
    from counterfoil.cli.show import references as console_references
    from counterfoil.steps.releases.registration import load_release
    from counterfoil.steps.releases.releases import resolve
    from counterfoil.steps.scoring.overrule import listed

    place = existing_workspace(workspace)
    release = load_release(place.registry, resolve(place.registry, place.settings.service_release))
    kept = listed(place.decisions, place.overlays, release.release_id, release.learned_until)
    console_references.show_overlay(kept, release.release_id)


@app.command()
def suspects(
    most: Annotated[int, typer.Option(min=1, help="So many of them")] = 20,
    release: Annotated[str | None, typer.Option(help="A release's id or alias [default: the champion]")] = None,
    workspace: WorkspaceFolder = None,
) -> None:
    """List references that may be mislabelled: those whose label the other references contradict most."""
    from counterfoil.cli.show import references as console_references
    from counterfoil.steps.insights.suspects import audit

    detector = existing_workspace(workspace).detector(release)
    console_references.show_suspects(audit(detector, most), detector.release_id)


@app.command()
def undo(
    transaction: Transaction, operator: Operator = None, reason: Reason = "", workspace: WorkspaceFolder = None
) -> None:
    """Take what one word added out of the references; the label stays, for the next training."""
    from counterfoil.cli.show import references as console_references
    from counterfoil.steps.scoring import overrule

    place = existing_workspace(workspace)
    effect = overrule.undo(place.confirmations, transaction, operator, reason)
    console_references.show_effect(effect, f"{transaction} acts on no scores any more")


@app.command()
def release(
    transaction: Transaction, operator: Operator = None, reason: Reason = "", workspace: WorkspaceFolder = None
) -> None:
    """Let a word act that is held, since it changes many decisions, or that was undone."""
    from counterfoil.cli.show import references as console_references
    from counterfoil.errors import CounterfoilError
    from counterfoil.steps.scoring import overrule
    from counterfoil.steps.scoring.confirm import State

    place = existing_workspace(workspace)
    effect = overrule.release(place.confirmations, transaction, operator, reason)
    if effect.state is not State.ACTS:
        raise CounterfoilError(f"{transaction} does not act: {effect.why}")
    console_references.show_effect(effect, f"{transaction}: {effect.why}")
