"""The fold in Spark's hands: the functions that run on its workers, with Arrow tables in and out.

`mapInArrow` on payments that are partitioned by entity takes the place of `applyInArrow`: an entity alone is too
small a group (a call costs milliseconds), and SageMaker's Spark 3.5 has no `applyInArrow`.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

import pyarrow as pa

from counterfoil.domain.features.fold import Kept, behaviour_of, columns_of, passed_on
from counterfoil.domain.features.payments import Payments, in_order
from counterfoil.domain.features.spec import FeatureSpec

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

TYPES = {
    pa.string(): "STRING", pa.int8(): "TINYINT", pa.int64(): "BIGINT", pa.float64(): "DOUBLE",
    pa.timestamp("us", tz="UTC"): "TIMESTAMP", pa.decimal128(18, 4): "DECIMAL(18, 4)",
}  # fmt: skip

_WANTED = "wanted"

Batches = Iterable[pa.RecordBatch]
Mapped = Callable[[Batches], Iterator[pa.RecordBatch]]


def spark_schema(schema: pa.Schema) -> str:
    """An Arrow schema in Spark's words."""
    return ", ".join(f"`{field.name}` {TYPES[field.type]}" for field in schema)


def features_frame(
    payments: "DataFrame",
    specs: tuple[FeatureSpec, ...],
    *,
    column: str,
    partitions: int,
    wanted: str,
    label_delay: timedelta,
    by_currency: bool,
    kept: Kept = Kept(),
) -> "DataFrame":
    """The features of the entities that begin with `column`, by `transaction_id`, of the payments `wanted`.

    A partition has all payments of its entities, and a worker holds one at a time in memory.
    """
    columns = dict.fromkeys(["transaction_id", *columns_of(specs, by_currency=by_currency)])
    narrow = payments.where(f"{column} IS NOT NULL").selectExpr(*columns, f"{wanted} AS {_WANTED}")
    schema = pa.schema([("transaction_id", pa.string()), *((spec.name, pa.float64()) for spec in specs)])
    return narrow.repartition(partitions, column).mapInArrow(
        _folded(specs, label_delay, by_currency, kept), spark_schema(schema)
    )


def passed_on_frame(
    payments: "DataFrame", schema: pa.Schema, label_delay: timedelta, own_columns: tuple[str, ...]
) -> "DataFrame":
    """The columns of evidence that are no features; `schema` is that of the payments."""
    made = pa.table(passed_on(schema.empty_table(), label_delay, own_columns)).schema
    return payments.mapInArrow(_passed_on(label_delay, own_columns), spark_schema(made))


def _folded(specs: tuple[FeatureSpec, ...], label_delay: timedelta, by_currency: bool, kept: Kept) -> Mapped:
    def fold(batches: Batches) -> Iterator[pa.RecordBatch]:
        held = list(batches)
        if not held:
            return
        table = pa.Table.from_batches(held)
        table = table.take(pa.array(in_order(table)))
        wanted = table[_WANTED].to_numpy()
        payments = Payments(table, label_delay)
        values = behaviour_of(payments, specs, by_currency=by_currency, wanted=wanted, kept=kept)
        ids = table["transaction_id"].filter(table[_WANTED])
        features = {spec.name: pa.array(one[wanted], from_pandas=True) for spec, one in zip(specs, values, strict=True)}
        yield from pa.table({"transaction_id": ids, **features}).to_batches(max_chunksize=65_536)

    return fold


def _passed_on(label_delay: timedelta, own_columns: tuple[str, ...]) -> Mapped:
    def pass_on(batches: Batches) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            columns = passed_on(pa.Table.from_batches([batch]), label_delay, own_columns)
            yield pa.RecordBatch.from_struct_array(pa.table(columns).to_struct_array().combine_chunks())

    return pass_on
