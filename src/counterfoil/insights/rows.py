"""Tables of the lake, and answers, as a data scientist takes them: Arrow, pandas or DuckDB."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from counterfoil.adapters.report.page import Table, snippet
from counterfoil.domain.tables import table_of
from counterfoil.errors import NotFoundError
from counterfoil.insights.queries import dated_source
from counterfoil.ports.lake import TableStore

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

    from counterfoil.insights.results import Drawing

_SHOWN = 20


@dataclass(frozen=True)
class Rows:
    """Rows that are in memory, with the question or name that they answer to."""

    title: str
    table: pa.Table

    def arrow(self) -> pa.Table:
        """The rows as an Arrow table; money is exact."""
        return self.table

    def pandas(self) -> "pd.DataFrame":
        """The rows as a data frame; money stays exact, as `decimal.Decimal`."""
        frame: pd.DataFrame = self.table.to_pandas()
        return frame

    def duckdb(self) -> "duckdb.DuckDBPyRelation":
        """The rows as a relation that can be filtered, joined and summed.

        >>> lab.query("fraud_by_day").duckdb().aggregate("sum(payments)").fetchall()
        [(4000,)]
        """
        import duckdb

        return duckdb.from_arrow(self.table)

    def plot(self, column: str, unit: str, title: str = "") -> "Drawing":
        """Draw a column by day or week, a line for each value of the first column of text (three at most).

        The figure has a title, its unit, and words for those who do not see it.

        >>> print(lab.query("fraud_by_day").plot("payments", "payments").charts[0].words)
        payments by event_date, in payments: CHF from 8 to 22; EUR from 38 to 76; no currency from 1 to 5

        Raises UsageError for a column that is not there, and for rows without days.
        """
        from counterfoil.insights.results import drawn_by_day

        return drawn_by_day(self.table, column, unit, title)

    def __len__(self) -> int:
        """How many rows there are."""
        return int(self.table.num_rows)

    def _repr_html_(self) -> str:
        more = f" (the first {_SHOWN} of {len(self):,})" if len(self) > _SHOWN else ""
        return snippet(f"{self.title}{more}", tables=[Table("", self.table.slice(0, _SHOWN))])


@dataclass(frozen=True)
class LakeTable:
    """A published table of the lake; nothing is read before it is asked for."""

    name: str
    files: tuple[Path, ...]

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The columns' names."""
        return tuple(self.duckdb().columns)

    def arrow(self) -> pa.Table:
        """All rows as an Arrow table."""
        return self.duckdb().to_arrow_table()

    def pandas(self) -> "pd.DataFrame":
        """All rows as a data frame; money stays exact, as `decimal.Decimal`."""
        frame: pd.DataFrame = self.arrow().to_pandas()
        return frame

    def duckdb(self) -> "duckdb.DuckDBPyRelation":
        """The table as a relation: only what it comes to is read, in bounded memory. Times are UTC."""
        import duckdb

        database = duckdb.connect(config={"memory_limit": "1GB"})
        database.execute("SET TimeZone = 'UTC'")
        return database.sql(f"FROM {dated_source(self.files)}")

    def __len__(self) -> int:
        """How many rows there are, by the files' own count."""
        return sum(pq.read_metadata(path).num_rows for path in self.files)

    def _repr_html_(self) -> str:
        declared = table_of(self.name)
        about = "" if declared is None else f": {declared.about}"
        first = self.duckdb().limit(_SHOWN).to_arrow_table()
        flat = [field.name for field in first.schema if not pa.types.is_nested(field.type)]
        return snippet(f"{self.name}{about} ({len(self):,} rows)", tables=[Table("", first.select(flat))])


@dataclass(frozen=True)
class LakeTables:
    """The tables of a lake, by name: `tables.transactions` or `tables["transactions"]`.

    >>> list(lab.tables)
    ['rejected', 'scores', 'source_ips', 'transactions']
    >>> len(lab.tables.transactions)
    4000
    """

    store: TableStore

    def __getitem__(self, name: str) -> LakeTable:
        """The table of that name. Raises NotFoundError, which lists those there are."""
        files = self.store.files(name) if name in self.store.tables() else []
        if not files:
            raise NotFoundError(f"the lake has no table {name!r}; there are: {', '.join(self) or 'none'}")
        return LakeTable(name, tuple(files))

    def __getattr__(self, name: str) -> LakeTable:
        """The same by attribute."""
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self[name]
        except NotFoundError as error:
            raise AttributeError(str(error)) from None

    def __iter__(self) -> Iterator[str]:
        """The names of the tables that have rows to read."""
        return (name for name in self.store.tables() if self.store.files(name))

    def _repr_html_(self) -> str:
        rows = [{"table": name, "rows": len(self[name]), "what it holds": _about(name)} for name in self]
        if not rows:
            return snippet(
                "The lake has no tables yet: lab.collect and 'counterfoil demo' fill one, or open another folder"
            )
        return snippet("Tables of the lake", tables=[Table("", pa.Table.from_pylist(rows))])


def _about(name: str) -> str:
    declared = table_of(name)
    return "" if declared is None else declared.about
