"""The step `features` on Spark: the same channels, arguments and result as the detector's.

A cluster has no folder that all its machines see. So payments and evidence may be given as places in S3, which
Spark reads and writes itself; what the job says of itself (`_done.json`, `summary`) goes through its channels.
"""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from counterfoil.adapters.files.mapping_files import load_mapping
from counterfoil.adapters.spark.features import build_features_with_spark, find_transactions, open_session
from counterfoil.domain.periods import LABEL_DELAY_DAYS, Period
from counterfoil.domain.tables import EVIDENCE, LABELS_TABLE, TRANSACTIONS
from counterfoil.errors import UsageError
from counterfoil.processing.detection import ROWS_PER_FILE, evidence_run
from counterfoil.processing.job import NONE, Job, given, log
from counterfoil.processing.options import NO_DAY, DelayDays, Mapping, Since, Until, period

app = typer.Typer()


@app.callback()
def _features_spark() -> None:
    """Build evidence of more payments than one machine holds."""


@app.command()
def features(
    mapping: Mapping,
    scope: Annotated[str, typer.Option(help="'new' (payments that were just collected) or 'all'")] = "all",
    since: Since = NO_DAY,
    until: Until = NO_DAY,
    label_delay_days: DelayDays = LABEL_DELAY_DAYS,
    lake_uri: Annotated[str, typer.Option(help="The published table of payments; - for the channel's folder")] = NONE,
    transactions_uri: Annotated[str, typer.Option(help="The payments that were just collected; - as above")] = NONE,
    labels_uri: Annotated[str, typer.Option(help="The published table of labels; - as above")] = NONE,
    new_labels_uri: Annotated[str, typer.Option(help="The labels that were just collected; - as above")] = NONE,
    evidence_uri: Annotated[str, typer.Option(help="Where evidence is written; - as above")] = NONE,
) -> None:
    """Build evidence of the new payments, or of all payments of a period."""
    if scope not in ("new", "all"):
        raise UsageError(f"--scope {scope!r}: 'new' or 'all' is expected")
    job, span = Job.here(), period(since, until)
    only_new = scope == "new" and span == Period()
    evidence = _place(evidence_uri, job.output(EVIDENCE))
    spark = open_session()
    transactions = find_transactions(
        spark,
        _place(lake_uri, job.inputs / "lake" / TRANSACTIONS),
        _place(transactions_uri, job.inputs / TRANSACTIONS),
    )
    said = find_transactions(
        spark,
        _place(labels_uri, job.inputs / "lake" / LABELS_TABLE),
        _place(new_labels_uri, job.inputs / LABELS_TABLE),
    )
    run = evidence_run(list(transactions.new_runs) if only_new else [], since, until)
    rows = build_features_with_spark(
        spark, transactions, f"{evidence}/{run}", load_mapping(mapping),
        label_delay=timedelta(days=label_delay_days), since=span.since, until=span.until,
        only_new=only_new, labels=(*said.lake, *said.new), rows_per_file=ROWS_PER_FILE,
    )  # fmt: skip
    spark.stop()
    log().info("evidence built", rows=rows, scope="new" if only_new else f"{since} to {until}", engine="spark")
    job.write_json("summary", "summary.json", {"rows": rows})
    job.finish("features")


def _place(uri: str, folder: Path) -> str:
    """A place as Spark opens it; without a scheme it would look for a folder in the cluster's HDFS."""
    return (given(uri) or f"file://{folder.resolve()}").rstrip("/")
