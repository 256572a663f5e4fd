"""Commands that build evidence and train: features, train, backtest, demo."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from counterfoil.cli.options import (
    Day,
    DelayDays,
    Files,
    MappingName,
    ParquetFile,
    WorkspaceFolder,
    day_option,
    days,
    existing_workspace,
    utc,
)
from counterfoil.domain.periods import LABEL_DELAY_DAYS
from counterfoil.errors import InputFileError, UsageError
from counterfoil.steps.options import FeaturesOptions, TrainOptions


def features(
    mapping: MappingName, label_delay_days: DelayDays = LABEL_DELAY_DAYS, since: Day = None, until: Day = None,
    workspace: WorkspaceFolder = None,
) -> None:  # fmt: skip
    """Build the evidence of all collected payments, or of a span of days (both ends included)."""
    from counterfoil.adapters.files.mapping_files import load_mapping
    from counterfoil.cli.show import terminal
    from counterfoil.domain.tables import TRANSACTIONS
    from counterfoil.steps.features import build_features
    from counterfoil.steps.lake.span import require_payments

    options = FeaturesOptions(mapping=mapping, label_delay_days=label_delay_days, since=utc(since), until=utc(until))
    period, source = options.period, load_mapping(options.mapping)
    place = existing_workspace(workspace)
    require_payments(place.tables, TRANSACTIONS, period)
    with terminal.progress("features") as progress:
        progress.begin("windows over accounts, merchants and IPs")
        rows = build_features(
            place.tables,
            source,
            label_delay=options.label_delay,
            period=period,
        )
    terminal.out.print(f"{rows:,} payments with evidence in {place.root / 'lake' / 'evidence'}")


def train(
    mapping: MappingName, since: Day = None, until: Day = None,
    known_until: Annotated[
        datetime | None, day_option("Use labels known by this midnight [default: all]")
    ] = None,
    label_delay_days: DelayDays = LABEL_DELAY_DAYS, workspace: WorkspaceFolder = None,
) -> None:  # fmt: skip
    """Train a release on a span of days (both ends included) and register it."""
    from counterfoil.adapters.files.mapping_files import load_mapping
    from counterfoil.cli.show import runs, terminal
    from counterfoil.domain.tables import EVIDENCE
    from counterfoil.steps import train as step
    from counterfoil.steps.lake.span import require_payments

    options = TrainOptions(
        mapping=mapping, since=utc(since), until=utc(until), known_until=utc(known_until),
        label_delay_days=label_delay_days,
    )  # fmt: skip
    request = step.TrainingRequest(options.period, options.known_until, options.label_delay_days)
    source = load_mapping(options.mapping)
    place = existing_workspace(workspace)
    require_payments(place.tables, EVIDENCE, request.period)
    with terminal.progress("training") as progress:
        release = step.train(
            place.stores, source, request, progress=progress,
        )  # fmt: skip
    runs.show_release(release)


def backtest(
    files: Files, mapping: MappingName,
    train_from: Day = None, train_until: Day = None, test_from: Day = None, test_until: Day = None,
    train_fraction: Annotated[
        float | None, typer.Option(help="Train on this share of the payments, by time: above 0 and below 1")
    ] = None,
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

    named = (train_from, train_until, test_from, test_until)
    if (train_fraction is None) == (test_from is None) or (train_fraction is not None and any(named)):
        raise UsageError(
            "give either --train-fraction, or --test-from with --train-until (and --train-from, --test-until)"
        )
    if train_fraction is not None and not 0 < train_fraction < 1:
        raise UsageError(f"--train-fraction is {train_fraction:g}: give a share above 0 and below 1")
    if test_from is not None and train_until is None:
        raise UsageError("--train-until is needed: the training window must end before the test begins")
    if test_from is not None and train_until is not None and test_from <= train_until:
        raise UsageError(f"the test begins on {test_from:%Y-%m-%d}, and training ends later, on {train_until:%Y-%m-%d}")
    training, test = days(train_from, train_until), days(test_from, test_until)
    found = find_files(files)
    if found.problems or not found.files:
        problems = [f"{path} {problem}" for path, problem in found.problems]
        raise InputFileError("\n".join(problems) or "every file was left out by its name (rename it to read it)")
    request = BacktestRequest(
        found.files, mapping, timedelta(days=label_delay_days), exclude_compromised, train_fraction,
        training, test, scores, json,
    )  # fmt: skip
    run_backtest(open_workspace(workspace), request)


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
