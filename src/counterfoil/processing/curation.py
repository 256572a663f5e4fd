"""The curation container: source IPs of the collected payments, for Athena and QuickSight."""

from dataclasses import asdict
from datetime import timedelta
from typing import Annotated

import typer

from counterfoil.adapters.files.mapping_files import load_mapping
from counterfoil.domain.periods import LABEL_DELAY_DAYS
from counterfoil.domain.tables import LABELS_TABLE, TRANSACTIONS
from counterfoil.processing.job import Job, log
from counterfoil.processing.options import DelayDays
from counterfoil.steps.intake.curate import curate

app = typer.Typer()


@app.callback()
def _curation() -> None:
    """Curate source IPs."""


@app.command("curate")
def curate_step(
    mapping: Annotated[str, typer.Option()],
    label_delay_days: DelayDays = LABEL_DELAY_DAYS,
) -> None:
    """Bring the tables of source IPs up to date with the payments that are new."""
    job = Job.here()
    tables = job.tables
    touched = [path for run in tables.carried_runs(TRANSACTIONS) for path in tables.files(TRANSACTIONS, run)]
    said = [path for run in tables.carried_runs(LABELS_TABLE) for path in tables.files(LABELS_TABLE, run)]
    summary = curate(
        tables, load_mapping(mapping), touched=touched, said=said, networks=job.workspace.networks,
        label_delay=timedelta(days=label_delay_days),
    )  # fmt: skip
    log().info("source IPs curated", **asdict(summary))
    job.write_json("summary", "summary.json", asdict(summary))
    job.finish("curate")
