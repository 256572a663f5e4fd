"""Build evidence with Spark: the fold, over Parquet that no single machine holds.

Places are texts: folders, or whatever else the cluster's file systems can open (`s3://...` on SageMaker).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from typing import TYPE_CHECKING, Any

from counterfoil.adapters.folder.manifest import find_manifest, parse_manifest
from counterfoil.adapters.spark.folding import features_frame, passed_on_frame, spark_schema
from counterfoil.domain.features.span import read_back
from counterfoil.domain.features.spec import FeatureSpec, specs_with
from counterfoil.domain.intake.mapping_model import SourceMapping
from counterfoil.domain.labels import current_labels, spans_between, withdrawals
from counterfoil.domain.periods import EPOCH, Period
from counterfoil.domain.schemas import LABELS
from counterfoil.errors import NotFoundError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

CONFIGURATION = {
    "spark.sql.session.timeZone": "UTC",
    # A sum that does not fit fails instead of lying.
    "spark.sql.ansi.enabled": "true",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
}
"""What a session must have for evidence to be the same as DuckDB's."""

_ROWS_PER_PARTITION = 262_144
"""Payments that a worker folds at once, if entities are small."""


def open_session(**configuration: str) -> "SparkSession":
    """Return the session that spark-submit prepared, or a new one on this machine."""
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.appName("counterfoil-features")
    for name, value in {**CONFIGURATION, **configuration}.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


@dataclass(frozen=True)
class Transactions:
    """Where the payments are: Parquet files and folders. `new` are those among them that were just collected."""

    lake: tuple[str, ...]
    new: tuple[str, ...]
    new_runs: tuple[str, ...]


def find_transactions(spark: "SparkSession", lake: str, collected: str) -> Transactions:
    """What the manifest of the table at `lake` names, and the runs in the folder `collected`, which replace theirs.

    Raises StoreUnavailableError if the manifest cannot be understood.
    """
    runs = tuple(sorted(_folders(spark, collected)))
    found = find_manifest(lambda name: _content(spark, f"{lake}/{name}") or None)
    published = [] if found is None else parse_manifest(found[1], f"{lake}/{found[0]}")
    kept = tuple(f"{lake}/{file}" for run in published if run.run not in runs for file in run.files)
    return Transactions(kept, tuple(f"{collected}/{run}" for run in runs), runs)


def build_features_with_spark(
    spark: "SparkSession",
    transactions: Transactions,
    target: str,
    mapping: SourceMapping,
    *,
    labels: Sequence[str] = (),
    label_delay: timedelta,
    since: datetime | None = None,
    until: datetime | None = None,
    only_new: bool = False,
    specs: tuple[FeatureSpec, ...] | None = None,
    rows_per_file: int = 131_072,
) -> int:
    """Write the evidence of the payments in `[since, until)` into the folder `target` and return how many there are.

    The result is that of `steps.features.build_features`: Parquet files whose names sort by time, of at most
    `rows_per_file` rows. `labels` are the files and folders of what was said of payments later. With
    `only_new`, just the newly collected payments get a row. Raises NotFoundError if there are no transactions.
    """
    if not transactions.lake and not transactions.new:
        raise NotFoundError("no transactions, neither in the lake nor newly collected: run 'counterfoil collect' first")
    if specs is None:
        specs = specs_with(mapping.entities)
    new = _read(spark, transactions.new, mapping) if only_new else None
    if new is not None:
        since, until = _span(new)
    payments = _read(spark, (*transactions.lake, *transactions.new), mapping)
    evidence = reduce(
        lambda earlier, later: earlier.unionByName(later),
        [
            _evidence(_labelled(spark, payments, labels, label_delay, before), new, mapping, specs, label_delay, span)
            for span, before in spans_between(Period(since, until), _withdrawn(spark, payments, labels, label_delay))
        ],
    )
    ordered = evidence.orderBy("event_time", "transaction_id")
    ordered.write.mode("overwrite").option("maxRecordsPerFile", rows_per_file).parquet(target)
    return int(spark.read.parquet(target).count())


def _evidence(
    payments: "DataFrame",
    new: "DataFrame | None",
    mapping: SourceMapping,
    specs: tuple[FeatureSpec, ...],
    label_delay: timedelta,
    span: Period,
) -> "DataFrame":
    """The evidence of the payments of a span, or of those among them that are `new`."""
    payments = payments.where(_condition(read_back(specs, label_delay, span.since, span.until)))
    wanted = _condition(span.condition())
    chosen = payments.where(wanted)
    if new is not None:
        chosen = chosen.join(new.select("transaction_id"), "transaction_id", "left_semi")
    own = (*mapping.numeric, *mapping.own_categorical, *mapping.own_textual)
    evidence = passed_on_frame(chosen, mapping.schema, label_delay, own)
    partitions = payments.count() // _ROWS_PER_PARTITION + 1
    columns = evidence.columns
    for column in dict.fromkeys(spec.entity.columns[0] for spec in specs):
        features = features_frame(
            payments, tuple(spec for spec in specs if spec.entity.columns[0] == column),
            column=column, partitions=partitions, wanted=wanted,
            label_delay=label_delay, by_currency=mapping.currency_meaningful,
        )  # fmt: skip
        evidence = evidence.join(features, "transaction_id", "left")
    return evidence.select(*columns, *(spec.name for spec in specs))


def _withdrawn(
    spark: "SparkSession", payments: "DataFrame", labels: Sequence[str], label_delay: timedelta
) -> list[datetime]:
    """When payments that were known as frauds became known as good."""
    if not labels:
        return []
    _view(spark, payments, labels)
    query = _condition(withdrawals(_PAYMENTS, _SAID, label_delay))
    rows = spark.sql(f"SELECT unix_micros(known_at) FROM ({query}) ORDER BY 1").collect()
    return [EPOCH + timedelta(microseconds=micros) for (micros,) in rows]


def _labelled(
    spark: "SparkSession",
    payments: "DataFrame",
    labels: Sequence[str],
    label_delay: timedelta,
    before: datetime | None,
) -> "DataFrame":
    """The payments, with the labels that were known before a moment."""
    if not labels:
        return payments
    _view(spark, payments, labels)
    current = spark.sql(_condition(current_labels(_PAYMENTS, _SAID, label_delay, before)))
    told = current.selectExpr("transaction_id AS told_id", "label AS told", "label_time AS told_time")
    joined = payments.join(told, payments.transaction_id == told.told_id, "left")
    values = {"label": "told", "label_time": "told_time"}
    return joined.selectExpr(
        *(
            f"CASE WHEN told_id IS NULL THEN {name} ELSE {values[name]} END AS {name}"
            if name in values
            else f"`{name}`"
            for name in payments.columns
        )
    )


_PAYMENTS, _SAID = "labelled_payments", "said_labels"


def _view(spark: "SparkSession", payments: "DataFrame", labels: Sequence[str]) -> None:
    payments.createOrReplaceTempView(_PAYMENTS)
    _files_of(spark, labels, spark_schema(LABELS)).createOrReplaceTempView(_SAID)


def _condition(condition: str) -> str:
    """A condition as Spark reads it: its TIMESTAMP has the time zone that is written in it."""
    return condition.replace("TIMESTAMPTZ", "TIMESTAMP")


def _read(spark: "SparkSession", places: Sequence[str], mapping: SourceMapping) -> "DataFrame":
    """Payments; evidence that a file does not have is null. No partition is read from a path."""
    return _files_of(spark, places, spark_schema(mapping.schema))


def _files_of(spark: "SparkSession", places: Sequence[str], schema: str) -> "DataFrame":
    reader = spark.read.schema(schema).option("recursiveFileLookup", True).option("pathGlobFilter", "*.parquet")
    return reader.parquet(*places) if places else spark.createDataFrame([], schema)


def _span(new: "DataFrame") -> tuple[datetime, datetime]:
    """The half-open time of these payments, in UTC; an empty one if there is none."""
    [(first, last)] = new.selectExpr("unix_micros(min(event_time))", "unix_micros(max(event_time))").collect()
    if first is None:
        return EPOCH, EPOCH
    return EPOCH + timedelta(microseconds=first), EPOCH + timedelta(microseconds=last + 1)


def _folders(spark: "SparkSession", place: str) -> list[str]:
    """The names of the folders at a place; none if it is not there."""
    path, system = _file_system(spark, place)
    if not system.exists(path):
        return []
    return [str(status.getPath().getName()) for status in system.listStatus(path) if status.isDirectory()]


def _content(spark: "SparkSession", place: str) -> bytes | None:
    """The bytes of a small file, or None if it is not there. Spark's own readers leave out names with a dot."""
    path, system = _file_system(spark, place)
    if not system.exists(path):
        return None
    context: Any = spark.sparkContext
    stream = system.open(path)
    try:
        return bytes(context._jvm.org.apache.commons.io.IOUtils.toByteArray(stream))
    finally:
        stream.close()


def _file_system(spark: "SparkSession", place: str) -> tuple[Any, Any]:
    """A place as Hadoop's path, and the file system that it is on: pyspark itself has no list of files."""
    context: Any = spark.sparkContext
    path = context._jvm.org.apache.hadoop.fs.Path(place)
    return path, path.getFileSystem(context._jsc.hadoopConfiguration())
