"""Which days a table has payments of."""

from counterfoil.domain.periods import Period
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
