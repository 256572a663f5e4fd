"""Build evidence with Spark: the portable feature query over Parquet that no single machine holds.

Places are texts: folders, or whatever else the cluster's file systems can open (`s3://...` on SageMaker).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from counterfoil.adapters.folder.manifest import MANIFEST, parse_manifest
from counterfoil.domain.features.portable import compile_portable
from counterfoil.domain.features.span import read_back
from counterfoil.domain.features.spec import DEFAULT_SPECS, Entity, FeatureSpec
from counterfoil.domain.intake.mapping_model import SourceMapping
from counterfoil.domain.periods import during
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

_TYPES = {
    pa.string(): "STRING", pa.int8(): "TINYINT", pa.int64(): "BIGINT", pa.float64(): "DOUBLE",
    pa.timestamp("us", tz="UTC"): "TIMESTAMP", pa.decimal128(18, 4): "DECIMAL(18, 4)",
}  # fmt: skip


def open_session(**configuration: str) -> "SparkSession":
    """Return the session that spark-submit prepared, or a new one on this machine."""
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.appName("counterfoil-features")
    for name, value in {**CONFIGURATION, **configuration}.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def spark_sql(query: str) -> str:
    """A query in DuckDB's dialect as Spark reads it."""
    import sqlglot
    from sqlglot import exp

    def renamed(node: exp.Expression) -> exp.Expression:
        if isinstance(node, exp.Anonymous) and node.name.lower() == "epoch_us":
            return exp.Anonymous(this="unix_micros", expressions=node.expressions)
        return node

    return sqlglot.parse_one(query, read="duckdb").transform(renamed).sql(dialect="spark")


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
    manifest = _content(spark, f"{lake}/{MANIFEST}")
    published = parse_manifest(manifest, f"{lake}/{MANIFEST}") if manifest else []
    kept = tuple(f"{lake}/{file}" for run in published if run.run not in runs for file in run.files)
    return Transactions(kept, tuple(f"{collected}/{run}" for run in runs), runs)


def build_features_with_spark(
    spark: "SparkSession",
    transactions: Transactions,
    target: str,
    mapping: SourceMapping,
    *,
    label_delay: timedelta,
    since: datetime | None = None,
    until: datetime | None = None,
    only_new: bool = False,
    specs: tuple[FeatureSpec, ...] = DEFAULT_SPECS,
    rows_per_file: int = 131_072,
) -> int:
    """Write the evidence of the payments in `[since, until)` into the folder `target` and return how many there are.

    The result is that of `steps.features.build_features`: Parquet files whose names sort by time, of at most
    `rows_per_file` rows. With `only_new`, just the newly collected payments get a row. Raises NotFoundError if
    there are no transactions.
    """
    if not transactions.lake and not transactions.new:
        raise NotFoundError("no transactions, neither in the lake nor newly collected: run 'counterfoil collect' first")
    new = _read(spark, transactions.new, mapping) if only_new else None
    if new is not None:
        since, until = _span(new)
    seen = read_back(specs, label_delay, since, until)
    payments = _read(spark, (*transactions.lake, *transactions.new), mapping)
    payments.where(_condition(seen)).createOrReplaceTempView("transactions")
    present = _present(spark)
    query = compile_portable(
        specs,
        label_delay=label_delay,
        present=present,
        own_columns=(*mapping.numeric, *mapping.own_categorical, *mapping.own_textual),
        # Where no payment has a currency, all have the same: one relation does for money and for counts.
        by_currency=mapping.currency_meaningful and "currency" in present,
    )
    evidence = spark.sql(spark_sql(query)).where(_condition(during(since, until)))
    if new is not None:
        evidence = evidence.join(new.select("transaction_id"), "transaction_id", "left_semi")
    ordered = evidence.orderBy("event_time", "transaction_id")
    ordered.write.mode("overwrite").option("maxRecordsPerFile", rows_per_file).parquet(target)
    return int(spark.read.parquet(target).count())


def _condition(condition: str) -> str:
    """A condition in DuckDB's dialect as Spark reads it."""
    return spark_sql(f"SELECT {condition}").removeprefix("SELECT ")


def _read(spark: "SparkSession", places: Sequence[str], mapping: SourceMapping) -> "DataFrame":
    """Payments; evidence that a file does not have is null. No partition is read from a path."""
    schema = ", ".join(f"`{field.name}` {_TYPES[field.type]}" for field in mapping.schema)
    reader = spark.read.schema(schema).option("recursiveFileLookup", True).option("pathGlobFilter", "*.parquet")
    return reader.parquet(*places) if places else spark.createDataFrame([], schema)


def _span(new: "DataFrame") -> tuple[datetime, datetime]:
    """The half-open time of these payments, in UTC; an empty one if there is none."""
    [(first, last)] = new.selectExpr("unix_micros(min(event_time))", "unix_micros(max(event_time))").collect()
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    if first is None:
        return epoch, epoch
    return epoch + timedelta(microseconds=first), epoch + timedelta(microseconds=last + 1)


def _present(spark: "SparkSession") -> frozenset[str]:
    """Those of the entity columns and the currency that hold any value."""
    names = sorted({"currency", *(column for entity in Entity for column in entity.columns)})
    [counts] = spark.table("transactions").selectExpr(*(f"count({name})" for name in names)).collect()
    return frozenset(name for name, count in zip(names, counts, strict=True) if count)


def _folders(spark: "SparkSession", place: str) -> list[str]:
    """The names of the folders at a place; none if it is not there."""
    path, system = _file_system(spark, place)
    if not system.exists(path):
        return []
    return [str(status.getPath().getName()) for status in system.listStatus(path) if status.isDirectory()]


def _content(spark: "SparkSession", place: str) -> bytes | None:
    """The bytes of a small file, or None if it is not there."""
    path, system = _file_system(spark, place)
    if not system.exists(path):
        return None
    [(content,)] = spark.read.format("binaryFile").load(place).select("content").collect()
    return bytes(content)


def _file_system(spark: "SparkSession", place: str) -> tuple[Any, Any]:
    """A place as Hadoop's path, and the file system that it is on: pyspark itself has no list of files."""
    context: Any = spark.sparkContext
    path = context._jvm.org.apache.hadoop.fs.Path(place)
    return path, path.getFileSystem(context._jsc.hadoopConfiguration())
