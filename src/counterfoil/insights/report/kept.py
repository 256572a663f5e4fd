"""The scored payments of a period, worked out once for all questions of a report: each takes longer than they do."""

from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Self

import pyarrow as pa

from counterfoil.domain.tables import LABELS_TABLE, SCORE_TABLE, TRANSACTIONS
from counterfoil.insights.queries import Query, QueryParameters, answer, lake, with_plain_counts
from counterfoil.ports.lake import TableStore

if TYPE_CHECKING:
    import duckdb

_KEPT = Query("kept", "Which payments were scored?", """
SELECT
  transaction_id, event_time, event_date, account_id, anomaly_signal, novelty, amount, currency, label
FROM scored_payments
""")  # fmt: skip
_VIEWS = {"scored_once", "scored_payments"}


class KeptScores:
    """Answers questions; those that read nothing but scored payments it answers from what it keeps while it is open."""

    def __init__(self, tables: TableStore) -> None:
        self._tables = tables
        self._open = ExitStack()
        self._database: duckdb.DuckDBPyConnection | None = None
        self._made: dict[tuple[object, ...], str] = {}

    def __enter__(self) -> Self:
        """Nothing is opened before a question needs it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drop what was kept."""
        self._open.close()
        self._database = None
        self._made.clear()

    def answer(self, wanted: Query, parameters: QueryParameters) -> pa.Table:
        """Answer a question as `queries.answer` does. Raises the same."""
        import sqlglot
        import sqlglot.expressions as exp

        question = sqlglot.parse_one(wanted.text, read="athena")
        read = {table.name for table in question.find_all(exp.Table)}
        if not read or not read <= _VIEWS or parameters.release is None or parameters.review is None:
            return answer(self._tables, wanted, parameters)
        database = self._opened()
        name = self._kept(database, parameters)
        text = question.transform(
            lambda node: exp.to_table(name, alias=node.alias_or_name) if isinstance(node, exp.Table) else node
        )
        needed = {str(found.this) for found in question.find_all(exp.Placeholder)}
        values = {key: value for key, value in parameters.values().items() if key in needed}
        return with_plain_counts(database.sql(text.sql("duckdb"), params=values).to_arrow_table())

    def _opened(self) -> "duckdb.DuckDBPyConnection":
        if self._database is None:
            names = frozenset({TRANSACTIONS, SCORE_TABLE, LABELS_TABLE})
            self._database = self._open.enter_context(lake(self._tables, names))
        return self._database

    def _kept(self, database: "duckdb.DuckDBPyConnection", parameters: QueryParameters) -> str:
        """The table that keeps the scored payments of these parameters."""
        values = {key: value for key, value in parameters.values().items() if key in _KEPT.parameters}
        key = tuple(values[name] for name in sorted(values))
        if key not in self._made:
            name = f"kept_{len(self._made)}"
            text = _KEPT.duckdb(said=bool(self._tables.files(LABELS_TABLE)))
            database.execute(f"CREATE TEMP TABLE {name} AS {text}", values)
            self._made[key] = name
        return self._made[key]
