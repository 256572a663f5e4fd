"""What a challenger in shadow would have done."""

import json as json_format
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from counterfoil.cli.options import Day, WorkspaceFolder, days, existing_workspace

if TYPE_CHECKING:
    from counterfoil.domain.evaluation.paired import Difference


def shadow(
    release: Annotated[str | None, typer.Option(help="A release's id [default: the challenger]")] = None,
    since: Day = None,
    until: Day = None,
    json: Annotated[Path | None, typer.Option(help="Write the figures to this JSON file")] = None,
    workspace: WorkspaceFolder = None,
) -> None:
    """Compare the challenger with the champion on what the service scored: alerts, and rank where labels came.

    Days are those on which the service scored. Decisions are those of each release's thresholds alone.
    """
    from counterfoil.adapters.folder.whole_files import write_whole
    from counterfoil.workspace.shadow import try_in_shadow

    found = try_in_shadow(existing_workspace(workspace), release, days(since, until))
    alerts = found.alerts
    typer.echo(
        f"challenger {found.challenger} beside {', '.join(found.champions)} on {found.payments:,} payments, "
        f"{found.other:,} of which it decides otherwise"
    )
    typer.echo(
        f"alerts: {alerts.first:.3%} of payments, champion {alerts.second:.3%}, "
        f"difference {_with_interval(alerts.difference, '+.3%')}"
    )
    if found.ranking is None:
        typer.echo(f"average precision: not defined for {found.labelled:,} labelled payments, {found.frauds:,} frauds")
    else:
        lead = found.ranking.differences["average_precision"]
        ours, theirs = (one.metrics["average_precision"] for one in (found.ranking.first, found.ranking.second))
        typer.echo(
            f"average precision: {ours:.3f}, champion {theirs:.3f}, difference {_with_interval(lead, '+.3f')} "
            f"({found.labelled:,} labelled payments, {found.frauds:,} frauds)"
        )
    if json is not None:
        figures = {
            **{name: value for name, value in asdict(found).items() if name != "ranking"},
            "average_precision": None if found.ranking is None else asdict(lead),
        }
        write_whole(json, json_format.dumps(figures, indent=1, allow_nan=False) + "\n")
        typer.echo(f"figures: {json}")


def _with_interval(difference: "Difference", form: str) -> str:
    if difference.value is None:
        return "not defined"
    if difference.low is None or difference.high is None:
        return f"{difference.value:{form}} (too few accounts for an interval)"
    return f"{difference.value:{form}} ({difference.low:{form}} to {difference.high:{form}})"
