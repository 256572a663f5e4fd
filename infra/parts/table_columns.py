"""The tables' columns as Glue calls them, from the schemas that the steps write by."""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from counterfoil.domain.schemas import EVENT_DATE
from counterfoil.domain.tables import PUBLISHED_TABLES, TABLES, Table
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
    """A table as Glue knows it. `partitions`: keys and their types; `restricted`: not to be shown."""

    name: str
    meaning: str
    columns: tuple[Column, ...]
    partitions: Mapping[str, str]
    restricted: bool


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


def _catalogued(table: Table) -> Catalogued:
    dates = {EVENT_DATE: "date"} if table.by_date else {}
    # A key of the partitions is in the path, and no column of the files.
    columns = tuple(Column(one.name, glue_type(one.type), one.about) for one in table.columns if one.name not in dates)
    return Catalogued(table.name, table.about, columns, {**dates, RUN: "string"}, table.restricted)


CATALOGUED = tuple(_catalogued(table) for table in TABLES if table.name in PUBLISHED_TABLES)
"""The published tables; a mapping's own columns are added by the step `publish`."""
