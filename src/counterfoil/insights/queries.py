"""Named questions to the lake, written once in Athena's dialect; here DuckDB answers them over the same files."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from counterfoil.domain.evaluation.metrics import ALERTS_PER_DAY
from counterfoil.domain.periods import LABEL_DELAY
from counterfoil.domain.schemas import EVENT_DATE, LABELS
from counterfoil.domain.tables import LABELS_TABLE, SCORE_TABLE, table_of
from counterfoil.domain.views import KNOWN_BY_FILES, VIEWS
from counterfoil.errors import NotFoundError, UsageError
from counterfoil.ports.lake import TableStore
from counterfoil.steps.lake.engine import engine, parquet_source

if TYPE_CHECKING:
    import duckdb
    import sqlglot.expressions as exp

_SUFFIX = ".sql"
_COMMANDS = {"detect": "score"}
"""Commands that are not called like the step that they run."""


@dataclass(frozen=True)
class QueryParameters:
    """What a question may be asked with; each query takes those that it names.

    The period is half-open, `[since, until)`, of UTC dates. A label counts if it was known at `known_until`, at least
    `label_delay` after its payment. `review` is the threshold of an alert, `release` the release whose scores count.
    """

    since: date = date(1970, 1, 1)
    until: date = date(2200, 1, 1)
    known_until: datetime = datetime(2200, 1, 1, tzinfo=UTC)
    label_delay: timedelta = LABEL_DELAY
    release: str | None = None
    review: float | None = None
    alerts_per_day: int = ALERTS_PER_DAY
    top: int = 20

    def __post_init__(self) -> None:
        """Raise UsageError for an empty period and for numbers below 1."""
        if self.until <= self.since:
            last = self.until - timedelta(days=1)
            raise UsageError(f"the period ends on {last}, before it begins on {self.since}: exchange the two")
        for name in ("alerts_per_day", "top"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}: give 1 at least")

    def values(self) -> dict[str, Any]:
        """The parameters as both engines take them: times in UTC without a zone, the delay in seconds."""
        known = {field.name: getattr(self, field.name) for field in fields(self)}
        moment = self.known_until.astimezone(UTC).replace(tzinfo=None)
        return known | {"known_until": moment, "label_delay": round(self.label_delay.total_seconds())}


@dataclass(frozen=True)
class Query:
    """A named question. `text` is as it was written, in Athena's dialect, over tables and views."""

    name: str
    question: str
    text: str

    @property
    def parameters(self) -> frozenset[str]:
        """The names of the parameters that it needs, its views' included."""
        import sqlglot.expressions as exp

        return frozenset(str(found.this) for found in _whole(self.text).find_all(exp.Placeholder))

    @property
    def tables(self) -> frozenset[str]:
        """The tables of the lake that it reads."""
        import sqlglot.expressions as exp

        return frozenset(table.name for table in _whole(self.text).find_all(exp.Table) if table.name)

    def athena(self) -> str:
        """The whole query for Athena, views written out; parameters stay as `:name`, which awswrangler fills in."""
        return str(_whole(self.text).sql("athena", pretty=True))

    def duckdb(self, *, said: bool = True) -> str:
        """The whole query for DuckDB; parameters stay as `$name`. Without `said` no words of people are looked at."""
        return str(_whole(self.text, said).sql("duckdb"))


@lru_cache(maxsize=100)  # a page asks many questions twice, and one takes as long to read as to answer
def _whole(text: str, said: bool = True) -> "exp.Expr":
    """The question with its views written out; nobody may change it."""
    import sqlglot
    import sqlglot.expressions as exp

    return exp.expand(sqlglot.parse_one(text, read="athena"), _views(said), dialect="athena")  # type: ignore[arg-type]


@cache
def _views(said: bool) -> "dict[str, exp.Expr]":
    import sqlglot

    texts = VIEWS if said else {**VIEWS, "known_payments": KNOWN_BY_FILES}
    return {name: sqlglot.parse_one(text, read="athena") for name, text in texts.items()}


@cache
def queries() -> Mapping[str, Query]:
    """All questions by name, sorted. The first comment of a file is its question."""
    files = (file for file in resources.files("counterfoil.insights").iterdir() if file.name.endswith(_SUFFIX))
    found = {}
    for file in sorted(files, key=lambda file: file.name):
        text = file.read_text(encoding="utf-8")
        name = file.name.removesuffix(_SUFFIX)
        found[name] = Query(name, text.partition("\n")[0].removeprefix("--").strip(), text)
    return found


def query(name: str) -> Query:
    """The question of that name. Raises NotFoundError, which lists those there are."""
    try:
        return queries()[name]
    except KeyError:
        raise NotFoundError(f"no query is called {name!r}; there are: {', '.join(queries())}") from None


def ask(tables: TableStore, name: str, parameters: QueryParameters = QueryParameters()) -> pa.Table:
    """Answer a named question from the lake with DuckDB.

    Without `release`, the release of the newest run of scores counts. Raises NotFoundError for an unknown name and
    for a table that is not there, UsageError for a parameter that is needed and has no value.
    """
    return answer(tables, query(name), parameters)


def answer(tables: TableStore, wanted: Query, parameters: QueryParameters) -> pa.Table:
    """Answer a question, named or not, as `ask` does."""
    needed = wanted.parameters
    values = {key: value for key, value in parameters.values().items() if key in needed}
    with lake(tables, wanted.tables) as database:
        if "release" in values and values["release"] is None:
            values["release"] = newest_release(tables)
        missing = [key for key, value in values.items() if value is None]
        if missing:
            raise UsageError(f"query {wanted.name!r} needs {' and '.join(missing)}: give --{missing[0]}")
        text = wanted.duckdb(said=bool(tables.files(LABELS_TABLE)))
        return with_plain_counts(database.sql(text, params=values).to_arrow_table())


def with_plain_counts(answer: pa.Table) -> pa.Table:
    """The same with counts as 64-bit integers, as Athena gives them; DuckDB sums integers as decimals of 38 digits."""
    wide = [pa.types.is_decimal(column.type) and column.type.scale == 0 for column in answer.schema]
    plain = zip(answer.schema, wide, strict=True)
    return answer.cast(pa.schema([column.with_type(pa.int64()) if cut else column for column, cut in plain]))


def newest_release(tables: TableStore) -> str | None:
    """The release of the newest run of scores that has any; None without scores."""
    for run in reversed(tables.runs(SCORE_TABLE)):
        with engine() as database:
            found = database.execute(
                f"SELECT release_id FROM {parquet_source(tables.files(SCORE_TABLE, run))} LIMIT 1"
            ).fetchall()
        if found:
            return str(found[0][0])
    return None


@contextmanager
def lake(tables: TableStore, names: frozenset[str]) -> Iterator["duckdb.DuckDBPyConnection"]:
    """DuckDB with these tables as views, their times in UTC without a zone, as Athena has them.

    The table `labels` is there without rows where nothing was said.

    Raises NotFoundError for a table that is not there; it names the command that makes it.
    """
    with engine() as database:
        # In DuckDB 2.0.0 it loses conditions on folders: max(x) OVER (PARTITION BY y) saw days that were ruled out.
        database.execute("SET disabled_optimizers = 'window_self_join'")
        for name in sorted(names):
            files = tables.files(name)
            if not files and name == LABELS_TABLE:  # nothing was said but what the payments' own files said
                database.register("nothing_said", LABELS.empty_table())
                source = "nothing_said"
            elif not files:
                raise NotFoundError(f"the lake has no table {name!r}{_way_out(name)}")
            else:
                source = dated_source(files)
            columns = database.execute(f"DESCRIBE FROM {source}").fetchall()
            zoned = [column for column, kind, *_ in columns if kind == "TIMESTAMP WITH TIME ZONE"]
            plain = ", ".join(f'"{column}" AT TIME ZONE \'UTC\' AS "{column}"' for column in zoned)
            star = f"* REPLACE ({plain})" if plain else "*"
            database.execute(f'CREATE VIEW "{name}" AS SELECT {star} FROM {source}')
        yield database


def dated_source(files: Sequence[Path]) -> str:
    """The rows of these files as SQL takes them; files in folders by date have the column `event_date`.

    The engine then opens only the files that a condition on the date leaves.
    """
    source = parquet_source(files)
    if not any(part.startswith(f"{EVENT_DATE}=") for part in files[0].parts):
        return source
    dated = f"hive_partitioning = true, hive_types = {{'{EVENT_DATE}': DATE}}"
    return source.replace("hive_partitioning = false", dated)


def _way_out(table: str) -> str:
    """What to run for a table that is not there."""
    declared = table_of(table)
    return "" if declared is None else f": run 'counterfoil {_COMMANDS.get(declared.step, declared.step)}' first"
