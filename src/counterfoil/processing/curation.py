"""The curation container: source IPs of the collected payments, for Athena and QuickSight."""

from dataclasses import asdict
from datetime import timedelta

from counterfoil.adapters.files.mapping_files import load_mapping
from counterfoil.domain.tables import LABELS_TABLE, SOURCE_IP_TABLE, TRANSACTIONS
from counterfoil.processing.collector import AS_OF
from counterfoil.processing.commands import container
from counterfoil.processing.job import Job, log
from counterfoil.steps.intake import curate as step
from counterfoil.steps.options import CurateOptions


def curate(options: CurateOptions) -> None:
    """Bring the tables of source IPs up to date with the payments that are new."""
    job = Job.here()
    tables = job.tables
    touched = [path for run in tables.carried_runs(TRANSACTIONS) for path in tables.files(TRANSACTIONS, run)]
    said = [path for run in tables.carried_runs(LABELS_TABLE) for path in tables.files(LABELS_TABLE, run)]
    summary = step.curate(
        tables, load_mapping(options.mapping), touched=touched, said=said, networks=job.workspace.networks,
        label_delay=timedelta(days=options.label_delay_days),
    )  # fmt: skip
    log().info("source IPs curated", **asdict(summary))
    job.write_json("summary", "summary.json", asdict(summary))
    read = {TRANSACTIONS: tables.lake_version(TRANSACTIONS), "label_delay_days": options.label_delay_days}
    job.write_json(SOURCE_IP_TABLE, AS_OF, read)
    job.finish("curate")


app = container("Curate source IPs.", (CurateOptions, curate))
