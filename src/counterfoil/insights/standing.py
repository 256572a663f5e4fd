"""Questions with values in place of their parameters, as Athena's console and QuickSight keep them."""

from collections.abc import Iterable, Mapping
from functools import lru_cache, partial
from typing import TYPE_CHECKING

import pyarrow as pa

from counterfoil.domain.evaluation.metrics import ALERTS_PER_DAY
from counterfoil.domain.periods import LABEL_DELAY
from counterfoil.domain.schemas import EVENT_DATE
from counterfoil.domain.tables import TABLES, Table
from counterfoil.insights.queries import Query
from counterfoil.steps.lake.engine import engine

if TYPE_CHECKING:
    import sqlglot.expressions as exp

_RELEASE = "(SELECT max_by(release_id, event_time) FROM scores)"
_REVIEW = (
    "(SELECT coalesce(min(anomaly_signal), 2) FROM scores "
    f"WHERE decision <> 'allow' AND policy_version IS NULL AND release_id = {_RELEASE})"
)
STANDING: Mapping[str, str] = {
    "since": "current_date - INTERVAL '90' DAY",
    "until": "current_date + INTERVAL '1' DAY",
    "known_until": "CAST(current_timestamp AS timestamp)",
    "label_delay": str(round(LABEL_DELAY.total_seconds())),
    "release": _RELEASE,
    "review": _REVIEW,
    "alerts_per_day": str(ALERTS_PER_DAY),
    "top": "1000",
}
"""The last 90 days, labels as they are known now (Athena's clock shows UTC), the release of the newest scored payment.

A release's threshold of review stands in no table: the lowest signal that it alone did not allow comes to the same.
"""


def standing_text(query: Query, values: Mapping[str, str] = STANDING) -> str:
    """The query in Athena's dialect, whole; each parameter is replaced by its value, an expression in SQL.

    Its comments stay first.
    """
    return _standing_text(query, tuple(values.items()))


@lru_cache(maxsize=100)  # an environment's stacks ask for each question's text three times
def _standing_text(query: Query, values: tuple[tuple[str, str], ...]) -> str:
    import sqlglot

    said = "\n".join(line for line in query.text.splitlines() if line.startswith("--"))
    whole = sqlglot.parse_one(query.athena(), read="athena").transform(partial(_filled, values=dict(values)))
    return f"{said}\n{whole.sql('athena', pretty=True, comments=False)}"


def answer_schemas(queries: Iterable[Query]) -> dict[str, pa.Schema]:
    """The columns of each query's answer with their types, by its name; DuckDB plans it over tables without rows."""
    import sqlglot

    found = {}
    with engine() as database:
        for table in TABLES:
            database.register(table.name, pa.schema(_as_athena_reads(table)).empty_table())
        for query in queries:
            text = sqlglot.transpile(standing_text(query), read="athena", write="duckdb")[0]
            found[query.name] = database.sql(text).to_arrow_table().schema
    return found


def _as_athena_reads(table: Table) -> list[pa.Field]:
    """The table's columns with times without a zone; the folders of a table by date are a column."""
    dates = [pa.field(EVENT_DATE, pa.date32())] if table.by_date and EVENT_DATE not in table.schema.names else []
    plain = pa.timestamp("us")
    return [field.with_type(plain) if pa.types.is_timestamp(field.type) else field for field in table.schema] + dates


def _filled(node: "exp.Expr", values: Mapping[str, str]) -> "exp.Expr":
    import sqlglot
    import sqlglot.expressions as exp

    if not isinstance(node, exp.Placeholder):
        return node
    return sqlglot.parse_one(values[str(node.this)], read="athena")
