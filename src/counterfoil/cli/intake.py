"""Commands that bring payments in: mappings, collect, curate, and simulated payments."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from counterfoil.cli.options import DelayDays, Files, MappingName, WorkspaceFolder, day_option, existing_workspace
from counterfoil.domain.periods import LABEL_DELAY_DAYS
from counterfoil.errors import BusyError, InputFileError, UsageError

mapping_app = typer.Typer(no_args_is_help=True, help="Source mappings: how a file's columns become transactions.")


@mapping_app.command("list")
def mapping_list() -> None:
    """List the shipped mappings."""
    from counterfoil.adapters.files.mapping_files import load_mapping, shipped_mappings

    for name in shipped_mappings():
        typer.echo(f"{name:<46} {load_mapping(name).description}")


@mapping_app.command("new")
def mapping_new(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False)],
    out: Annotated[Path | None, typer.Option(help="The .toml file to write [default: it is printed]")] = None,
) -> None:
    """Guess a mapping from a file's first rows, each guess with its reason, to start from."""
    from counterfoil.workspace.new_mapping import new_mapping

    text = new_mapping(file)
    if out is None:
        typer.echo(text, nl=False)
        return
    if out.exists():
        raise UsageError(f"{out} is there already: name another file")
    out.write_text(text, "utf-8")
    typer.echo(f"{out}: look at each UNSURE line, then try it (counterfoil mapping check {out} {file})")


@mapping_app.command("check")
def mapping_check(
    mapping: Annotated[str, typer.Argument(help="A shipped mapping's name, or a .toml file")],
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False)],
    rows: Annotated[int, typer.Option(min=1, help="Rows to try")] = 10_000,
    show: Annotated[int, typer.Option(min=0, max=8, help="Rows to show")] = 3,
) -> None:
    """Show what a mapping makes of a file's first rows, and every problem at once."""
    from counterfoil.cli.show import runs
    from counterfoil.workspace.try_mapping import try_mapping

    report = try_mapping(mapping, file, rows, show)
    runs.show_mapping_report(report, show)
    if not report.ok:
        raise typer.Exit(1)


def collect(files: Files, mapping: MappingName, workspace: WorkspaceFolder = None) -> None:
    """Collect payment files: clean every row, keep what is good, say why of the rest.

    Folders are walked; hidden and temporary files in them are left out. A file that cannot be read fails by itself:
    the others are collected, and the exit code is 1. A file that was collected is not collected again.

    Try the mapping first: 'counterfoil mapping check MAPPING FILE'. Labels that come later: 'counterfoil labels'.
    """
    from counterfoil.adapters.files.folders import find_files
    from counterfoil.adapters.files.mapping_files import load_mapping
    from counterfoil.cli.show import runs, terminal
    from counterfoil.steps.intake import collect as step
    from counterfoil.workspace.wiring import open_workspace

    place, found = open_workspace(workspace), find_files(files)
    with terminal.progress("collecting") as progress:
        collected = step.collect(
            found.files, load_mapping(mapping), key=place.pseudonym_key, reader=place.reader, tables=place.tables,
            ledger=place.ledger, progress=progress, keep_going=True,
        )  # fmt: skip
    runs.show_collected(collected, found.left_out)
    failed = [f"{path} {problem}" for path, problem in found.problems] + [f.failed for f in collected if f.failed]
    held = [file.source for file in collected if file.held]
    if not found.files and not failed:
        raise InputFileError("nothing was collected: every file was left out by its name (rename it to collect it)")
    if failed:
        raise InputFileError("\n".join(failed))
    if held:
        raise BusyError(f"another process is collecting {', '.join(held)}: wait until it is done, then run this again")


def curate(
    blocklist: Annotated[
        Path | None,
        typer.Option(
            help="A text file of addresses and how many lists each is on, a tab between", exists=True, dir_okay=False
        ),
    ] = None,
    label_delay_days: DelayDays = LABEL_DELAY_DAYS, workspace: WorkspaceFolder = None,
) -> None:  # fmt: skip
    """Curate the source IPs of all collected payments: what each address is, and what each did day by day."""
    from counterfoil.cli.show import runs, terminal
    from counterfoil.steps.intake import curate as step

    place = existing_workspace(workspace)
    with terminal.progress("curating") as progress:
        progress.begin("source IPs by day")
        delay = timedelta(days=label_delay_days)
        summary = step.curate(place.tables, blocklist=blocklist, networks=place.networks, label_delay=delay)
    runs.show_curated(summary)


def simulate(
    out: Annotated[Path, typer.Option(help="The CSV file to write")],
    accounts: Annotated[int, typer.Option(min=20)] = 400, merchants: Annotated[int, typer.Option(min=1)] = 300,
    days: Annotated[int, typer.Option(min=30)] = 120,
    start: Annotated[datetime, day_option("First day (UTC)")] = datetime(2026, 1, 1),
    seed: Annotated[int, typer.Option(min=0)] = 0,
    spoil: Annotated[bool, typer.Option(help="Add a few dirty rows")] = False,
) -> None:  # fmt: skip
    """Simulate payments with four kinds of fraud, for the mapping 'counterfoil-simulated'."""
    from counterfoil.cli.demo_run import write_simulation

    rows = write_simulation(out, accounts, merchants, days, start.date(), seed, spoil)
    typer.echo(f"{rows:,} payments in {out} (mapping: counterfoil-simulated)")
