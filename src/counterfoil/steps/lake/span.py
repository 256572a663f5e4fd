"""Which days a table, or some of its files, have payments of."""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

from counterfoil.domain.periods import EPOCH, Period
from counterfoil.errors import NotFoundError
from counterfoil.ports.lake import TableStore
from counterfoil.steps.lake.engine import engine, one_row, parquet_source


def require_payments(tables: TableStore, table: str, period: Period) -> None:
    """Raise NotFoundError, naming the days that there are, if a table has payments and none of the period.

    A table that nothing was published to is left to the step, which knows what has to be run first.
    """
    files = tables.files(table)
    if not files or period == Period():
        return
    query = (
        "SELECT count(*) FILTER (WHERE inside), min(event_time)::DATE, max(event_time)::DATE "
        f"FROM (SELECT event_time, {period.condition()} AS inside FROM {parquet_source(files)})"
    )
    with engine() as database:
        count, first, last = one_row(database, query)
    if not count:
        there = "it has none at all" if first is None else f"they are of {first} to {last}"
        raise NotFoundError(f"table {table!r} has no payment in this span of days: {there}")


def span_of(files: Sequence[Path]) -> Period:
    """The period from the first to the last payment of these files; an empty one if there is none."""
    if not files:
        return Period(EPOCH, EPOCH)
    with engine() as database:
        first, last = one_row(database, f"SELECT min(event_time), max(event_time) FROM {parquet_source(files)}")
    return Period(EPOCH, EPOCH) if first is None else Period(first, last + timedelta(microseconds=1))


def days_of(files: Sequence[Path]) -> list[Period]:
    """The days (UTC) on which these files have payments, in order."""
    if not files:
        return []
    with engine() as database:
        query = f"SELECT DISTINCT event_time::DATE AS day FROM {parquet_source(files)} ORDER BY day"
        days = [datetime.combine(day, time(), UTC) for (day,) in database.execute(query).fetchall()]
    return [Period(day, day + timedelta(days=1)) for day in days]
