"""Find where an account is: its rows, the scores that cite its payments, the references that it gave, its files."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from counterfoil.domain.privacy.forgetting import Marks, Trace, columns_of_others, has_texts, mentions
from counterfoil.domain.privacy.pseudonyms import PseudonymKeys, pseudonymise
from counterfoil.domain.tables import FORGOTTEN_TABLE, SCORE_TABLE, TRANSACTIONS
from counterfoil.ports.lake import FileLedger, TableStore
from counterfoil.ports.releases import ReferenceStore
from counterfoil.steps.lake.engine import engine, parquet_source
from counterfoil.steps.lake.forgotten import Traces
from counterfoil.steps.lake.keys import HASHED
from counterfoil.steps.lake.runs import run_ending

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
    as_payee = [*_in_rows_of_others(tables, account), *_in_references_of_others(references, account)]
    return traces.joined([*later, *as_payee, *_in_files(tables, ledger, account)])


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


def rows_of_merchant(tables: TableStore, account: str, key: PseudonymKeys) -> int:
    """Count the payments to a merchant whose name, kept as it is, would have the account's pseudonym."""
    found = 0
    for path in tables.files(TRANSACTIONS):
        schema = pq.read_schema(path)
        hashed = "merchant" in (schema.metadata or {}).get(HASHED, b"").decode().split(",")
        if hashed or "merchant_id" not in schema.names:
            continue
        merchants = pq.read_table(path, columns=["merchant_id"], partitioning=None).column(0).combine_chunks()
        names = merchants.unique()
        same = names.filter(pc.fill_null(pc.equal(pseudonymise(names, "account", key), account), False))
        found += int(pc.sum(pc.is_in(merchants, value_set=same)).as_py() or 0)
    return found


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


def _in_rows_of_others(tables: TableStore, account: str) -> Iterator[Found]:
    """Rows of others that name the account as the one that is paid, and the scores of these payments."""
    paid: set[str] = set()
    for table in tables_to_search(tables):
        files = [path for path in tables.files(table) if columns_of_others(pq.read_schema(path))]
        rows = 0
        for path in files:
            with pq.ParquetFile(path) as file:
                for group in range(file.num_row_groups):
                    named = _naming(file, group, account)
                    rows += named.num_rows
                    if "transaction_id" in named.column_names:
                        paid.update(named.column("transaction_id").to_pylist())
        if rows:
            yield Trace.PAYEE_ROWS, table, str(rows)
    yield from _scores_of(tables, paid)


def _naming(file: pq.ParquetFile, group: int, account: str) -> pa.Table:
    """The rows of a row group that are not the account's and name it."""
    wanted = columns_of_others(file.schema_arrow)
    whose = [name for name in ("account_id", "transaction_id") if name in file.schema_arrow.names]
    rows = file.read_row_group(group, columns=[*dict.fromkeys([*wanted, *whose])])
    named = pa.array([False] * rows.num_rows, pa.bool_())
    for name in wanted:
        named = pc.or_(named, pc.fill_null(pc.equal(rows.column(name), account), False))
    if "account_id" in whose:
        named = pc.and_(named, pc.fill_null(pc.not_equal(rows.column("account_id"), account), True))
    return rows.filter(named)


def _scores_of(tables: TableStore, payments: set[str]) -> Iterator[Found]:
    wanted = pa.array(sorted(payments), pa.string())
    for run in tables.runs(SCORE_TABLE) if payments else ():
        for path in tables.files(SCORE_TABLE, run):
            ids = pq.read_table(path, columns=["transaction_id"], partitioning=None).column(0)
            for name in ids.filter(pc.is_in(ids, value_set=wanted)).to_pylist():
                yield Trace.TOUCHED_SCORE, run, str(name)


def _in_references_of_others(references: ReferenceStore, account: str) -> Iterator[Found]:
    for release, count in mentions_in_references(references, Marks(account, frozenset())).items():
        yield Trace.PAYEE_REFERENCES, release, str(count)


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
