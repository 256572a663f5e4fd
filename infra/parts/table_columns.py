"""The tables' columns as Glue calls them, from the schemas that the steps write by."""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from counterfoil.domain import schemas
from counterfoil.errors import UsageError

RUN = "run"
"""Partition key of every table: the run of a step that wrote it."""


@dataclass(frozen=True)
class Column:
    """A column; `kind` is Glue's type."""

    name: str
    kind: str
    comment: str = ""


@dataclass(frozen=True)
class Catalogued:
    """A table as Glue knows it. `partitions`: keys and their types."""

    name: str
    meaning: str
    columns: tuple[Column, ...]
    partitions: Mapping[str, str]


def glue_type(kind: pa.DataType) -> str:
    """Glue's name of an Arrow type. Raises UsageError for one that no table of ours has."""
    if pa.types.is_timestamp(kind):
        return "timestamp"
    if pa.types.is_decimal(kind):
        return f"decimal({kind.precision},{kind.scale})"
    if pa.types.is_list(kind):
        return f"array<{glue_type(kind.value_type)}>"
    if pa.types.is_struct(kind):
        fields = (f"{field.name}:{glue_type(field.type)}" for field in kind)
        return f"struct<{','.join(fields)}>"
    plain = {"string": "string", "int8": "tinyint", "int32": "int", "int64": "bigint", "double": "double",
             "float": "float", "bool": "boolean", "date32[day]": "date"}  # fmt: skip
    if str(kind) not in plain:
        raise UsageError(f"Arrow type {kind} has no Glue type here: add it to infra/parts/table_columns.py")
    return plain[str(kind)]


def _table(name: str, meaning: str, schema: pa.Schema, *, dated: bool = False) -> Catalogued:
    dates = {schemas.EVENT_DATE: "date"} if dated else {}
    columns = tuple(Column(field.name, glue_type(field.type)) for field in schema)
    return Catalogued(name, meaning, columns, {**dates, RUN: "string"})


CATALOGUED = (
    _table(
        "transactions", "Payments, cleaned, their people under keyed hashes", schemas.transactions_schema(), dated=True
    ),
    _table("rejected", "Records that were refused, with the reason", schemas.REJECTED),
    _table("source_ips", "Every source IP with what is known of it; restricted", schemas.SOURCE_IPS),
    _table("source_ip_days", "What each source IP did, day by day", schemas.SOURCE_IP_DAYS),
)
