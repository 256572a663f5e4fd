"""Curate source IPs: each with what is known of its address, and what it did and was found to be, day by day.

`source_ip_days` has one run a month (`2019-01`), so that new payments touch few of them; `source_ips` has one
run. A run is rebuilt from all visible transactions and replaces the one before, so a killed run is run again.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from itertools import groupby, pairwise
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from counterfoil.domain.intake.blocklists import BLOCKLIST, Blocklist, parse_blocklist
from counterfoil.domain.intake.curation import (
    SOURCE_IP_DAYS_QUERY,
    SOURCE_IP_QUERY,
    UNREADABLE,
    described,
    known_frauds_query,
)
from counterfoil.domain.intake.mapping_model import SourceMapping
from counterfoil.domain.periods import LABEL_DELAY
from counterfoil.domain.schemas import ADDRESSES as ADDRESS_SCHEMA
from counterfoil.domain.schemas import EVENT_DATE, FRAUD, SOURCE_IP_DAYS, SOURCE_IPS, TRANSACTION_FIELDS
from counterfoil.domain.tables import ADDRESSES, SOURCE_IP_DAY_TABLE, SOURCE_IP_TABLE, TRANSACTIONS
from counterfoil.errors import InputFileError, NotFoundError
from counterfoil.ports.lake import NetworkDirectory, TableStore, Version
from counterfoil.steps.lake.changes import unchanged, until_unchanged
from counterfoil.steps.lake.engine import engine, one_row, parquet_source
from counterfoil.steps.lake.labels import changes_of, labelled
from counterfoil.steps.lake.results import write_results

PAYMENTS_AT_ONCE = 1_000_000
"""The days of a month are curated together as long as they have no more payments: the memory of a query is bounded."""

_RUN = "all"
_NEEDED = ("source_ip_id", "account_id", "event_time", "amount", "currency", "label", "label_time")
_PAYMENT = pa.schema([field for field in TRANSACTION_FIELDS if field.name in _NEEDED])


@dataclass(frozen=True)
class CurationSummary:
    """What was curated. `months` were rebuilt, with `days` rows; `kinds` counts the source IPs by kind.

    `unreadable` fields held no address; for `without_address` none was kept, since an older version collected
    them. `blocklisted` is null without a blocklist, of which `blocklist_lines_unreadable` were no entries.
    `located` and `announced` source IPs have a country and a network; null without databases of these.
    """

    source_ips: int
    payments: int
    months: tuple[str, ...]
    days: int
    kinds: dict[str, int]
    unreadable: int
    without_address: int
    blocklisted: int | None
    blocklist_lines_unreadable: int | None
    located: int | None
    announced: int | None


def curate(
    tables: TableStore,
    mapping: SourceMapping | None = None,
    *,
    touched: Sequence[Path] | None = None,
    said: Sequence[Path] = (),
    also: Collection[str] = (),
    blocklist: Path | None = None,
    networks: NetworkDirectory | None = None,
    label_delay: timedelta = LABEL_DELAY,
) -> CurationSummary:
    """Make the tables `source_ips` and `source_ip_days` from `transactions` and `addresses`.

    `touched` are the files of `transactions` that are new, collected with `mapping`: only the months are made
    anew in which their payments lie or their frauds became known, and the months `also` (YYYY-MM). Without `touched`
    all months are; so must it be after a change of the label delay. `said` are the files of `labels` that are new:
    their months too are rebuilt. `blocklist` is a text file of addresses and networks.
    Where another process publishes what this one replaces, what that one saw may be newer: all is read again.
    Raises NotFoundError if nothing has been collected, InputFileError if the blocklist cannot be read, ChangedError
    if others are always faster.
    """
    listed = None if blocklist is None else _read_blocklist(blocklist)

    def attempt() -> CurationSummary:
        return _curate(tables, mapping, touched, said, also, listed, networks, label_delay)

    return until_unchanged(attempt)


def _curate(
    tables: TableStore,
    mapping: SourceMapping | None,
    touched: Sequence[Path] | None,
    said: Sequence[Path],
    also: Collection[str],
    listed: Blocklist | None,
    networks: NetworkDirectory | None,
    label_delay: timedelta,
) -> CurationSummary:
    # Before what they are made of: whoever publishes them meanwhile has read no less than this process reads now.
    seen, seen_days = tables.version(SOURCE_IP_TABLE), tables.version(SOURCE_IP_DAY_TABLE)
    files = tables.files(TRANSACTIONS)
    if not files:
        raise NotFoundError("no transactions in this workspace: run 'counterfoil collect' first")
    restricted = tables.stage(SOURCE_IP_TABLE, _RUN)
    # Near the restricted table, since what overflows holds raw addresses too.
    with engine(near=restricted) as database:
        months = _months(database, tables, _new(files, touched, mapping), label_delay)
        months |= _months_of_labels(database, tables, said, label_delay)
        months |= set(also)
        if touched is None:
            months |= set(tables.runs(SOURCE_IP_DAY_TABLE))
        _define(database, "payment", files, _PAYMENT, labelled(tables, label_delay, files=files))
        database.execute(f"CREATE TABLE known_fraud AS {known_frauds_query(label_delay)}")
        _write_source_ips(database, tables.files(ADDRESSES), listed, networks, restricted)
        days = _write_days(database, tables, sorted(months), files, seen_days)
        summary = _summary(database, restricted, days, listed, located=networks is not None)
    tables.publish(SOURCE_IP_TABLE, _RUN, replace=True, check=unchanged(SOURCE_IP_TABLE, seen))
    return summary


def _new(files: Sequence[Path], touched: Sequence[Path] | None, mapping: SourceMapping | None) -> Sequence[Path]:
    """The files whose months are rebuilt."""
    if touched is None:
        return files
    return touched if mapping is None or mapping.fields.source_ip is not None else ()


def _months(
    database: duckdb.DuckDBPyConnection, tables: TableStore, files: Sequence[Path], label_delay: timedelta
) -> set[str]:
    """The months (YYYY-MM) in which the payments of these files lie, or their frauds became known."""
    _define(database, "payment", files, _PAYMENT, labelled(tables, label_delay, files=files) if files else None)
    known = database.execute(
        f"SELECT DISTINCT strftime(event_date, '%Y-%m') FROM ({known_frauds_query(label_delay)})"
    ).fetchall()
    return {_month_of(path) for path in files} | {month for (month,) in known}


def _months_of_labels(
    database: duckdb.DuckDBPyConnection, tables: TableStore, said: Sequence[Path], label_delay: timedelta
) -> set[str]:
    """The months in which payments of which these files of `labels` say something became known as frauds."""
    changes = changes_of(tables, label_delay, files=tables.files(TRANSACTIONS)) if said else None
    if changes is None:
        return set()
    named = f"SELECT transaction_id FROM {parquet_source(said)}"
    became = f"FROM {changes} WHERE label = {FRAUD} AND transaction_id IN ({named})"
    months = database.execute(f"SELECT DISTINCT strftime(known_at, '%Y-%m') {became}").fetchall()
    return {month for (month,) in months}


def _month_of(file: Path) -> str:
    return _day_of(file)[: len("YYYY-MM")]


def _day_of(file: Path) -> str:
    return file.parent.name.removeprefix(f"{EVENT_DATE}=")


def _write_days(
    database: duckdb.DuckDBPyConnection,
    tables: TableStore,
    months: Sequence[str],
    files: Sequence[Path],
    seen: Version,
) -> dict[str, int]:
    """Replace the runs of these months one by one, and return how many rows each has."""
    written: dict[str, int] = {}
    for month in months:
        staged = tables.stage(SOURCE_IP_DAY_TABLE, month)
        of_month = [file for file in files if _month_of(file) == month]
        written[month] = write_results(_by_span(database, month, of_month), SOURCE_IP_DAYS, staged)
        tables.publish(SOURCE_IP_DAY_TABLE, month, check=unchanged(SOURCE_IP_DAY_TABLE, seen, only=month))
    return written


def _by_span(
    database: duckdb.DuckDBPyConnection, month: str, files: Sequence[Path]
) -> Iterator[duckdb.DuckDBPyRelation]:
    """The rows of a month, some days at a time."""
    spans = _spans(files)
    begins = [f"{month}-01", *(_day_of(span[0]) for span in spans[1:]), "9999-12-31"]
    for span, (since, until) in zip(spans or [[]], pairwise(begins), strict=True):
        _define(database, "payment", span, _PAYMENT)
        yield database.sql(SOURCE_IP_DAYS_QUERY, params={"month": month, "since": since, "until": until})


def _spans(files: Sequence[Path]) -> list[list[Path]]:
    """The files in the order of their days, cut between days so that each part has few enough payments, or one day."""
    spans: list[list[Path]] = []
    there = 0
    for _, of_day in groupby(sorted(files, key=_day_of), key=_day_of):
        day = list(of_day)
        payments = sum(pq.read_metadata(file).num_rows for file in day)
        there += payments
        if not spans or there > PAYMENTS_AT_ONCE:
            spans.append([])
            there = payments
        spans[-1] += day
    return spans


def _write_source_ips(
    database: duckdb.DuckDBPyConnection,
    addresses: Sequence[Path],
    listed: Blocklist | None,
    networks: NetworkDirectory | None,
    staged: Path,
) -> None:
    _define(database, "kept_address", addresses, ADDRESS_SCHEMA)
    database.register("blocklist", BLOCKLIST.empty_table() if listed is None else listed.counts)
    result = database.sql(SOURCE_IP_QUERY, params={"unlisted": None if listed is None else 0})
    describe = described if networks is None else partial(described, origin_of=networks.origin)
    if listed is not None and listed.networks:
        describe = partial(describe, listed=listed.networks)
    write_results([result], SOURCE_IPS, staged, describe)


def _summary(
    database: duckdb.DuckDBPyConnection,
    staged: Path,
    days: Mapping[str, int],
    listed: Blocklist | None,
    *,
    located: bool,
) -> CurationSummary:
    _define(database, "source_ip", sorted(staged.glob("*.parquet")), SOURCE_IPS)
    counts = "count(*), coalesce(sum(payments), 0), count(*) FILTER (blocklists > 0), count(country), count(asn)"
    query = f"SELECT {counts} FROM source_ip"
    source_ips, payments, blocklisted, in_country, in_network = map(int, one_row(database, query))
    kinds = dict(database.execute("SELECT kind, count(*) FROM source_ip GROUP BY kind ORDER BY kind").fetchall())
    return CurationSummary(
        source_ips=source_ips,
        payments=payments,
        months=tuple(days),
        days=sum(days.values()),
        without_address=kinds.pop(None, 0),
        unreadable=kinds.pop(UNREADABLE, 0),
        kinds=kinds,
        blocklisted=None if listed is None else blocklisted,
        blocklist_lines_unreadable=None if listed is None else listed.unreadable,
        located=in_country if located else None,
        announced=in_network if located else None,
    )


def _define(
    database: duckdb.DuckDBPyConnection, name: str, files: Sequence[Path], schema: pa.Schema, read: str | None = None
) -> None:
    """Define a view of the rows with a source IP in these files, which may be none; `read` is how SQL takes them."""
    if files:
        source = read or parquet_source(files)
    else:
        source = f"no_{name}"
        database.register(source, schema.empty_table())
    columns = ", ".join(schema.names)
    database.execute(f"CREATE OR REPLACE VIEW {name} AS SELECT {columns} FROM {source} WHERE source_ip_id IS NOT NULL")


def _read_blocklist(path: Path) -> Blocklist:
    try:
        with path.open(encoding="utf-8", errors="replace") as lines:
            listed = parse_blocklist(lines)
    except OSError as error:
        raise InputFileError(f"{path} cannot be read as a blocklist: {error.strerror}") from None
    if listed.unreadable and not listed.counts.num_rows and not listed.networks:
        raise InputFileError(
            f"{path} is no blocklist: none of its {listed.unreadable:,} lines is an address or a network"
        )
    return listed
