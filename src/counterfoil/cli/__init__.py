"""The command line: parse, wire, call, show. Heavy libraries are imported where they are used."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from counterfoil import __version__
from counterfoil.cli import (
    insights,
    labels,
    operations,
    pipeline,
    privacy,
    references,
    release,
    serve,
    thresholds,
)
from counterfoil.cli.failures import complain
from counterfoil.cli.options import (
    Day,
    DelayDays,
    Files,
    MappingName,
    ParquetFile,
    ReleaseId,
    WorkspaceFolder,
    existing_workspace,
)
from counterfoil.cores import settle_threads
from counterfoil.domain.periods import LABEL_DELAY_DAYS
from counterfoil.errors import BusyError, CounterfoilError, InputFileError, UsageError

if TYPE_CHECKING:
    from counterfoil.domain.periods import Period

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help=(
    "Fraud and anomaly detection in payments: every score names its precedents."
))  # fmt: skip
mapping_app = typer.Typer(no_args_is_help=True, help="Source mappings: how a file's columns become transactions.")
app.add_typer(mapping_app, name="mapping")
app.add_typer(release.app, name="release")
app.add_typer(pipeline.app, name="pipeline")
app.add_typer(serve.token_app, name="token")
app.add_typer(serve.profiles_app, name="profiles")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the CLI. Exit codes: 0 done, 1 failed, 2 wrong usage, 130 stopped by Ctrl-C."""
    settle_threads()
    try:
        app(args=arguments)
    except UsageError as error:
        complain(error)
        sys.exit(2)
    except (CounterfoilError, OSError) as error:
        complain(error)
        sys.exit(1)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version")
    ] = False,
) -> None:
    pass


@mapping_app.command("list")
def mapping_list() -> None:
    """List the shipped mappings."""
    from counterfoil.adapters.files.mapping_files import load_mapping, shipped_mappings

    for name in shipped_mappings():
        typer.echo(f"{name:<46} {load_mapping(name).description}")


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


@app.command()
def collect(files: Files, mapping: MappingName, workspace: WorkspaceFolder = None) -> None:
    """Collect payment files: clean every row, keep what is good, say why of the rest.

    Folders are walked; hidden and temporary files in them are left out. A file that cannot be read fails by itself.
    """
    from counterfoil.adapters.files.folders import find_files
    from counterfoil.adapters.files.mapping_files import load_mapping
    from counterfoil.cli.show import runs
    from counterfoil.cli.show import terminal as console
    from counterfoil.steps.intake.collect import collect as run
    from counterfoil.workspace.wiring import open_workspace

    place, found = open_workspace(workspace), find_files(files)
    with console.progress("collecting") as steps:
        collected = run(
            found.files, load_mapping(mapping), key=place.pseudonym_key, reader=place.reader, tables=place.tables,
            ledger=place.ledger, on_progress=lambda p: steps.count(p.rows_in, 0), keep_going=True,
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


@app.command()
def curate(
    blocklist: Annotated[
        Path | None, typer.Option(help="A text file of addresses and how many lists each is on, a tab between")
    ] = None,
    label_delay_days: DelayDays = LABEL_DELAY_DAYS, workspace: WorkspaceFolder = None,
) -> None:  # fmt: skip
    """Curate the source IPs of all collected payments: what each address is, and what each did day by day."""
    from counterfoil.cli.show import runs
    from counterfoil.cli.show import terminal as console
    from counterfoil.steps.intake.curate import curate as run

    place = existing_workspace(workspace)
    with console.progress("curating") as steps:
        steps.tell("source IPs by day")
        delay = timedelta(days=label_delay_days)
        summary = run(place.tables, blocklist=blocklist, networks=place.networks, label_delay=delay)
    runs.show_curated(summary)


@app.command()
def features(
    mapping: MappingName, label_delay_days: DelayDays = LABEL_DELAY_DAYS, since: Day = None, until: Day = None,
    workspace: WorkspaceFolder = None,
) -> None:  # fmt: skip
    """Build the evidence of all collected payments, or of a span of days (both ends included)."""
    from counterfoil.adapters.files.mapping_files import load_mapping
    from counterfoil.cli.show import terminal as console
    from counterfoil.steps.features import build_features

    place = existing_workspace(workspace)
    with console.progress("features") as steps:
        steps.tell("windows over accounts, merchants and IPs")
        rows = build_features(
            place.tables,
            load_mapping(mapping),
            label_delay=timedelta(days=label_delay_days),
            period=_period(since, until),
        )
    console.out.print(f"{rows:,} payments with evidence in {place.root / 'lake' / 'evidence'}")


@app.command()
def train(
    mapping: MappingName, since: Day = None, until: Day = None,
    known_until: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Use labels known by this midnight [default: all]")
    ] = None,
    label_delay_days: DelayDays = LABEL_DELAY_DAYS, workspace: WorkspaceFolder = None,
) -> None:  # fmt: skip
    """Train a release on a span of days (both ends included) and register it."""
    from counterfoil.adapters.files.mapping_files import load_mapping
    from counterfoil.cli.show import runs
    from counterfoil.cli.show import terminal as console
    from counterfoil.steps.train import TrainingRequest
    from counterfoil.steps.train import train as run

    place = existing_workspace(workspace)
    request = TrainingRequest(_period(since, until), _utc(known_until), label_delay_days)
    with console.progress("training") as steps:
        release = run(
            place.tables, place.references, place.registry, place.embedder, load_mapping(mapping), request,
            progress=steps.tell,
        )  # fmt: skip
    runs.show_release(release)


@app.command()
def score(
    release: ReleaseId = None, since: Day = None, until: Day = None,
    out: ParquetFile = None,
    workspace: WorkspaceFolder = None,
) -> None:  # fmt: skip
    """Score the payments that have evidence, of all days or of a span (both ends included)."""
    from counterfoil.cli.show import runs
    from counterfoil.cli.show import terminal as console
    from counterfoil.domain.tables import SCORE_TABLE
    from counterfoil.steps.insights.riskiest import riskiest
    from counterfoil.steps.insights.scores import write_scores
    from counterfoil.steps.scoring.score import detect

    period = _period(since, until)
    place = existing_workspace(workspace)
    with console.progress("scoring") as steps:
        steps.tell("loading the release")
        detector = place.detector(release)
        run = detect(
            place.tables, detector, period=period, compute=place.compute, progress=steps.count
        )  # fmt: skip
    written = write_scores(place.tables, run, out) if out else place.tables.files(SCORE_TABLE, run)[0]
    runs.show_cases(riskiest(place.tables, place.references_for_scoring, run))
    console.out.print(f"run {run}: scores of release {detector.release_id} in {written}")


@app.command()
def evaluate(
    run: Annotated[str, typer.Argument(help="The run that 'counterfoil score' named")],
    alerts_per_day: Annotated[int, typer.Option(min=1)] = 100, label_delay_days: DelayDays = LABEL_DELAY_DAYS,
    workspace: WorkspaceFolder = None,
) -> None:  # fmt: skip
    """Compare the scores of a run with the labels that can be trusted by now."""
    from counterfoil.cli.show import runs
    from counterfoil.steps.insights.evaluate_run import judge

    judged = judge(
        existing_workspace(workspace).tables, run, alerts_per_day=alerts_per_day,
        label_delay=timedelta(days=label_delay_days), known_until=datetime.now(UTC) if label_delay_days else None,
    )  # fmt: skip
    runs.show_evaluation(judged.evaluation, run)
    runs.show_unripe(judged.unripe, label_delay_days)


@app.command()
def backtest(
    files: Files, mapping: MappingName,
    train_from: Day = None, train_until: Day = None, test_from: Day = None, test_until: Day = None,
    train_fraction: Annotated[float | None, typer.Option(help="Train on this share of the payments, by time")] = None,
    label_delay_days: DelayDays = LABEL_DELAY_DAYS,
    exclude_compromised: Annotated[
        bool, typer.Option(help="Accounts leave the test once a fraud since --train-from is known")
    ] = False,
    scores: ParquetFile = None,
    json: Annotated[Path | None, typer.Option(help="Write the figures to this JSON file")] = None,
    workspace: WorkspaceFolder = None,
) -> None:  # fmt: skip
    """Train on one span of days, score a later one with the code that serves, and evaluate (both ends included)."""
    from counterfoil.adapters.files.folders import find_files
    from counterfoil.cli.backtest_run import BacktestRequest, run_backtest
    from counterfoil.workspace.wiring import open_workspace

    days = (train_from, train_until, test_from, test_until)
    if (train_fraction is None) == (test_from is None) or (train_fraction is not None and any(days)):
        raise UsageError(
            "give either --train-fraction, or --test-from with --train-until (and --train-from, --test-until)"
        )
    found = find_files(files)
    if found.problems or not found.files:
        problems = [f"{path} {problem}" for path, problem in found.problems]
        raise InputFileError("\n".join(problems) or "every file was left out by its name (rename it to read it)")
    request = BacktestRequest(
        found.files, mapping, timedelta(days=label_delay_days), exclude_compromised, train_fraction,
        _period(train_from, train_until), _period(test_from, test_until), scores, json,
    )  # fmt: skip
    run_backtest(open_workspace(workspace), request)


@app.command()
def simulate(
    out: Annotated[Path, typer.Option(help="The CSV file to write")],
    accounts: Annotated[int, typer.Option(min=20)] = 400, merchants: Annotated[int, typer.Option(min=1)] = 300,
    days: Annotated[int, typer.Option(min=30)] = 120,
    start: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="First day (UTC)")] = datetime(2026, 1, 1),
    seed: int = 0, spoil: Annotated[bool, typer.Option(help="Add a few dirty rows")] = False,
) -> None:  # fmt: skip
    """Simulate payments with four kinds of fraud, for the mapping 'counterfoil-simulated'."""
    from counterfoil.cli.demo_run import write_simulation

    rows = write_simulation(out, accounts, merchants, days, start.date(), seed, spoil)
    typer.echo(f"{rows:,} payments in {out} (mapping: counterfoil-simulated)")


@app.command()
def demo(
    data: Annotated[Path | None, typer.Option(help="Your own file instead of simulated payments", exists=True)] = None,
    mapping: Annotated[str | None, typer.Option("--mapping", "-m", help="The mapping of your file")] = None,
    label_delay_days: DelayDays = LABEL_DELAY_DAYS, workspace: WorkspaceFolder = None,
) -> None:  # fmt: skip
    """Run the main job from raw file to scored payments, on simulated payments or on your own file."""
    from counterfoil.cli.demo_run import run_demo
    from counterfoil.workspace.wiring import open_workspace

    if (data is None) != (mapping is None):
        raise UsageError("give both --data and --mapping, or neither for simulated payments")
    run_demo(open_workspace(workspace), data, mapping, timedelta(days=label_delay_days))


app.command("replay-score")(release.replay_score)
app.command()(thresholds.thresholds)
app.command()(references.references)
app.command()(insights.query)
app.command()(insights.report)
app.command()(labels.labels)
app.command()(operations.status)
app.command()(operations.replay)
app.command()(serve.serve)
app.command()(serve.watch)
app.command()(privacy.forget)
app.command()(privacy.rotate_key)


def _utc(day: datetime | None) -> datetime | None:
    return None if day is None else day.replace(tzinfo=UTC)


def _period(since: datetime | None, until: datetime | None) -> "Period":
    """Days with both ends included, as the half-open span of the steps. Raises UsageError where they are reversed."""
    from counterfoil.domain.periods import Period

    if since is not None and until is not None and until < since:
        raise UsageError(f"the span ends on {until:%Y-%m-%d}, before it begins on {since:%Y-%m-%d}: swap the two days")
    return Period(_utc(since), None if until is None else until.replace(tzinfo=UTC) + timedelta(days=1))


if __name__ == "__main__":
    main()
