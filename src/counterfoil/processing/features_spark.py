"""The step `features` on Spark: the same channels, arguments and result as the detector's.

A cluster has no folder that all its machines see. So payments and evidence may be given as places in S3, which
Spark reads and writes itself; what the job says of itself (`_done.json`, `summary`) goes through its channels.
"""

from pathlib import Path

from counterfoil.adapters.files.mapping_files import load_mapping
from counterfoil.adapters.spark.features import build_features_with_spark, find_transactions, open_session
from counterfoil.domain.options import text_of
from counterfoil.domain.tables import EVIDENCE, LABELS_TABLE, TRANSACTIONS
from counterfoil.processing.commands import container
from counterfoil.processing.detection import ROWS_PER_FILE, evidence_run
from counterfoil.processing.job import Job, log
from counterfoil.steps.options import SparkFeaturesOptions


def features(options: SparkFeaturesOptions) -> None:
    """Build evidence of the new payments, or of all payments of a period."""
    job, span, only_new = Job.here(), options.period, options.only_new
    evidence = _place(options.evidence_uri, job.output(EVIDENCE))
    spark = open_session()
    transactions = find_transactions(
        spark,
        _place(options.lake_uri, job.inputs / "lake" / TRANSACTIONS),
        _place(options.transactions_uri, job.inputs / TRANSACTIONS),
    )
    said = find_transactions(
        spark,
        _place(options.labels_uri, job.inputs / "lake" / LABELS_TABLE),
        _place(options.new_labels_uri, job.inputs / LABELS_TABLE),
    )
    run = evidence_run(list(transactions.new_runs) if only_new else [], options)
    rows = build_features_with_spark(
        spark, transactions, f"{evidence}/{run}", load_mapping(options.mapping),
        label_delay=options.label_delay, since=span.since, until=span.until,
        only_new=only_new, labels=(*said.lake, *said.new), rows_per_file=ROWS_PER_FILE,
    )  # fmt: skip
    spark.stop()
    scope = "new" if only_new else f"{text_of(options.since)} to {text_of(options.until)}"
    log().info("evidence built", rows=rows, scope=scope, engine="spark")
    job.write_json("summary", "summary.json", {"rows": rows})
    job.finish("features")


def _place(uri: str | None, folder: Path) -> str:
    """A place as Spark opens it; without a scheme it would look for a folder in the cluster's HDFS."""
    return (uri or f"file://{folder.resolve()}").rstrip("/")


app = container("Build evidence of more payments than one machine holds.", (SparkFeaturesOptions, features))
