"""The command that helps to choose where to review and where to block."""

import json as json_format
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from counterfoil.cli.options import DelayDays, WorkspaceFolder, existing_workspace
from counterfoil.domain.evaluation.alert_costs import AlertCosts
from counterfoil.domain.periods import LABEL_DELAY_DAYS
from counterfoil.errors import UsageError

if TYPE_CHECKING:
    from counterfoil.domain.evaluation.threshold_table import ThresholdTable


def thresholds(
    run: Annotated[str, typer.Argument(help="The run that 'counterfoil score' named")],
    alerts_per_day: Annotated[
        list[int] | None, typer.Option(min=1, help="Alerts a day that people have time for [default: 10 to 1000]")
    ] = None,
    cost_per_alert: Annotated[
        float, typer.Option(min=0, help="What looking at an alert costs")
    ] = AlertCosts.cost_per_alert,
    cost_per_false_alarm: Annotated[
        float, typer.Option(min=0, help="What it costs on top where the payment was good")
    ] = AlertCosts.cost_per_false_alarm,
    recovered: Annotated[
        float, typer.Option(min=0, max=1, help="Share of a caught fraud's amount that is saved")
    ] = AlertCosts.recovered,
    plot: Annotated[Path | None, typer.Option(help="Draw the figures over alerts a day into this SVG file")] = None,
    json: Annotated[Path | None, typer.Option(help="Write the figures to this JSON file")] = None,
    label_delay_days: DelayDays = LABEL_DELAY_DAYS,
    workspace: WorkspaceFolder = None,
) -> None:
    """Show what alerting from a signal on would have meant: alerts a day, recall, precision, money saved."""
    if plot is not None and plot.suffix.lower() != ".svg":
        raise UsageError(f"--plot writes SVG: let the name of {plot} end in .svg")
    from counterfoil.cli.show import thresholds as console_thresholds
    from counterfoil.domain.evaluation.threshold_table import ALERTS_PER_DAY
    from counterfoil.steps.insights.thresholds import thresholds_of_run

    costs = AlertCosts(cost_per_alert, cost_per_false_alarm, recovered)
    place = existing_workspace(workspace)
    table = thresholds_of_run(
        place.tables, place.registry, run, alerts_per_day=alerts_per_day or ALERTS_PER_DAY, costs=costs,
        label_delay=timedelta(days=label_delay_days), known_until=datetime.now(UTC) if label_delay_days else None,
    )  # fmt: skip
    console_thresholds.show_thresholds(table, run)
    _write(table, run, plot, json)


def _write(table: "ThresholdTable", run: str, plot: Path | None, figures: Path | None) -> None:
    from counterfoil.adapters.folder.whole_files import write_whole

    files: list[tuple[str, Path, bytes]] = []
    if plot is not None:
        from counterfoil.adapters.report.plots import draw_thresholds

        files.append(("plot", plot, draw_thresholds(table)))
    if figures is not None:
        text = json_format.dumps({"run": run, **table.as_dict()}, indent=1, allow_nan=False)
        files.append(("figures", figures, f"{text}\n".encode()))
    for what, path, content in files:
        write_whole(path, content)
        typer.echo(f"{what}: {path}")
