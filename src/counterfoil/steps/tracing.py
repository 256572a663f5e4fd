"""Find where an account is: its rows, the scores that cite its payments, the references that it gave, its files."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from counterfoil.domain.forgetting import Marks, Trace, has_texts, mentions
from counterfoil.ports import FileLedger, ReferenceStore, TableStore
from counterfoil.steps.collect import TRANSACTIONS, run_ending
from counterfoil.steps.detect import SCORE_TABLE
from counterfoil.steps.engine import engine, parquet_source
from counterfoil.steps.forgotten import FORGOTTEN_TABLE, Traces

Found = tuple[str, str, str]


def tables_to_search(tables: TableStore) -> list[str]:
    """All tables but that of the forgotten accounts, which has to name them."""
    return [table for table in tables.tables() if table != FORGOTTEN_TABLE]


def find_traces(
    tables: TableStore, references: ReferenceStore, ledger: FileLedger, account: str, known: Traces | None
) -> Traces:
    """Look for an account in all tables and references, and add what is found to what is known of it."""
    traces = (known or Traces(account, frozenset())).joined(_in_rows(tables, account))
    payments = traces.names(Trace.PAYMENT)
    later = [*_in_scores(tables, account, payments), *_in_references(references, payments)]
    return traces.joined([*later, *_in_files(tables, ledger, account)])


def own_source_ips(tables: TableStore, account: str) -> frozenset[str]:
    """The source IPs (pseudonyms) that no payment of another account came from."""
    files = tables.files(TRANSACTIONS)
    if not files:
        return frozenset()
    query = (
        f"SELECT source_ip_id FROM {parquet_source(files)} WHERE source_ip_id IS NOT NULL "
        "GROUP BY source_ip_id HAVING bool_and(account_id IS NOT DISTINCT FROM $account)"
    )
    with engine() as database:
        return frozenset(row[0] for row in database.execute(query, {"account": account}).fetchall())


def mentions_in(files: Sequence[Path], marks: Marks, *, of_anybody: bool = False) -> int:
    """Count what names the account in Parquet files, reading them row group by row group."""
    found = 0
    for path in files:
        with pq.ParquetFile(path) as file:
            columns = [field.name for field in file.schema_arrow if has_texts(field.type)]
            for group in range(file.num_row_groups):
                found += mentions(file.read_row_group(group, columns=columns), marks, of_anybody=of_anybody)
    return found


def mentions_in_references(references: ReferenceStore, marks: Marks) -> dict[str, int]:
    """Count what names the account in each base reference set that does."""
    found = {release: mentions(references.read_base(release), marks) for release in references.releases()}
    return {release: count for release, count in found.items() if count}


def _in_rows(tables: TableStore, account: str) -> Iterator[Found]:
    for table in tables_to_search(tables):
        files = tables.files(table)
        with engine() as database:
            columns = _columns(database, files)
            if "account_id" not in columns:
                continue
            rows = _select(database, files, "count(*)", account)[0][0]
            if rows:
                yield Trace.ROWS, table, str(rows)
            if "transaction_id" in columns:
                for (name,) in _select(database, files, "DISTINCT transaction_id", account):
                    yield Trace.PAYMENT, "", str(name)


def _in_scores(tables: TableStore, account: str, payments: frozenset[str]) -> Iterator[Found]:
    """Its own scores, and those of others that cite its payments."""
    named = "list_has_any(list_transform(precedents, lambda p: p.reference_id), $payments)"
    for run in tables.runs(SCORE_TABLE):
        files = tables.files(SCORE_TABLE, run)
        if not files:
            continue
        query = (
            "SELECT transaction_id, account_id IS NOT DISTINCT FROM $account "
            f"FROM {parquet_source(files)} WHERE account_id IS NOT DISTINCT FROM $account OR {named}"
        )
        with engine() as database:
            rows = database.execute(query, {"account": account, "payments": sorted(payments)}).fetchall()
        for name, own in rows:
            yield Trace.OWN_SCORE if own else Trace.TOUCHED_SCORE, run, str(name)


def _in_references(references: ReferenceStore, payments: frozenset[str]) -> Iterator[Found]:
    wanted = pa.array(sorted(payments), pa.string())
    for release in references.releases() if payments else ():
        ids = references.read_base(release).column("reference_id")
        for name in ids.filter(pc.is_in(ids, value_set=wanted)).to_pylist():
            yield Trace.REFERENCE, release, str(name)


def _in_files(tables: TableStore, ledger: FileLedger, account: str) -> Iterator[Found]:
    """The input files whose rows are the account's: their place by the ledger, else the name that the rows have."""
    endings = {run_ending(entry.file): entry.file.location for entry in ledger.entries()}
    for run in tables.runs(TRANSACTIONS):
        with engine() as database:
            names = _select(database, tables.files(TRANSACTIONS, run), "DISTINCT source", account)
        places = [place for ending, place in endings.items() if run.endswith(ending)]
        for (name,) in names:
            yield Trace.SOURCE, places[0] if places else str(name), ""


def _columns(database: duckdb.DuckDBPyConnection, files: Sequence[Path]) -> set[str]:
    if not files:
        return set()
    return {row[0] for row in database.execute(f"DESCRIBE FROM {parquet_source(files)}").fetchall()}


def _select(
    database: duckdb.DuckDBPyConnection, files: Sequence[Path], what: str, account: str
) -> Sequence[tuple[object, ...]]:
    if not files:
        return []
    query = f"SELECT {what} FROM {parquet_source(files)} WHERE account_id = $account"
    return database.execute(query, {"account": account}).fetchall()
