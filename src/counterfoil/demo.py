"""The demo: the main job from a raw file to scored payments, in one workspace, with what a person would look at."""

import os
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from counterfoil import console
from counterfoil.adapters.mapping_files import load_mapping
from counterfoil.domain.simulation import as_csv, simulate, spoil
from counterfoil.steps.backtest import Windows, backtest, windows_by_fraction
from counterfoil.steps.collect import collect
from counterfoil.steps.features import Period, build_features
from counterfoil.steps.riskiest import riskiest
from counterfoil.wiring import Workspace

SIMULATED = "counterfoil-simulated"
TRAINING_SHARE = 0.7


def write_simulation(path: Path, accounts: int, merchants: int, days: int, start: date, seed: int, dirty: bool) -> int:
    """Write simulated payments as CSV, in place when the file is whole; return the number of payments."""
    table = simulate(accounts=accounts, merchants=merchants, days=days, start=start, seed=seed)
    content = spoil(table, np.random.default_rng(seed)) if dirty else as_csv(table)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.write_bytes(content)
    aside.replace(path)
    return int(table.num_rows)


def run_demo(workspace: Workspace, data: Path | None, mapping_name: str | None, label_delay: timedelta) -> None:
    """Collect, build features, train, score held-out days, evaluate; simulated payments if there is no `data`.

    A second run finds its file collected and comes to the same release and the same scores.
    """
    if data is None:
        data, mapping_name = workspace.root / "demo" / "payments.csv", SIMULATED
        console.out.rule("simulate")
        rows = write_simulation(data, 300, 250, 100, date(2026, 1, 1), 7, dirty=True)
        console.out.print(f"{rows:,} payments of 300 accounts over 100 days, and a few dirty rows")
    mapping = load_mapping(mapping_name or SIMULATED)
    console.out.rule("collect")
    with console.progress("collecting") as steps:
        collected = collect(
            [data], mapping, key=workspace.pseudonym_key, reader=workspace.reader, tables=workspace.tables,
            ledger=workspace.ledger, on_progress=lambda p: steps.count(p.rows_in, 0),
        )  # fmt: skip
    console.show_collected(collected)
    with console.progress("demo") as steps:
        steps.tell("building features")
        build_features(workspace.tables, mapping, label_delay=label_delay)
        result = backtest(
            workspace.tables, workspace.references, workspace.registry, workspace.embedder, mapping,
            _windows(workspace, label_delay), label_delay=label_delay, compute=workspace.compute, steps=steps,
        )  # fmt: skip
    console.out.rule("release")
    console.show_release(result.release)
    console.out.rule("held-out days")
    console.show_evaluation(result.judged.evaluation, f"from {result.windows.test.since:%Y-%m-%d %H:%M} UTC on")
    console.out.rule("the riskiest payments and their precedents")
    console.show_cases(riskiest(workspace.tables, workspace.references_for_scoring, result.run))
    _show_files(workspace, result.run)


def _windows(workspace: Workspace, label_delay: timedelta) -> Windows:
    """Training ends one label delay before the test begins: later payments have no labels yet."""
    test = windows_by_fraction(workspace.tables, TRAINING_SHARE).test
    assert test.since is not None
    return Windows(Period(until=test.since - label_delay), test)


def _show_files(workspace: Workspace, run: str) -> None:
    console.out.rule("where the files are")
    console.out.print(f"transactions  {workspace.root / 'lake' / 'transactions'}")
    console.out.print(f"rejected      {workspace.root / 'lake' / 'rejected'}")
    console.out.print(f"evidence      {workspace.root / 'lake' / 'evidence'}")
    console.out.print(f"scores        {workspace.tables.files('scores', run)[0]}", soft_wrap=True)
    console.out.print(f"releases      {workspace.root / 'mlflow'}")
    console.out.print(f"references    {workspace.root / 'postgres'} (PostgreSQL with pgvector)")
