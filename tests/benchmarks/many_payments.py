"""A lake of millions of scored payments: the demo's payments many times over, with other ids and accounts each time."""

from datetime import date
from pathlib import Path

import duckdb

from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.ports.lake import TableStore

ACCOUNTS, IPS, FILES = 400, 100, 20
"""So many different accounts, source IPs and files are made of one."""
RUN = "copies"

_NAMES = {
    "transaction_id": "{} || '-' || copy", "account_id": f"{{}} || '-' || (copy % {ACCOUNTS})",
    "device_id": f"{{}} || '-' || (copy % {ACCOUNTS})", "source_ip_id": f"{{}} || '-' || (copy % {IPS})",
    "source": f"{{}} || '-' || (copy % {FILES})",
}  # fmt: skip


def make_lake(demo: TableStore, root: Path, copies: int) -> tuple[FolderTables, date, date]:
    """Write the scored payments, and those of as many days before them, `copies` times into a lake at `root`.

    Returns the lake, its first day with scores and the day after the last one.
    """
    lake = FolderTables(root)
    scores = _files(demo, "scores")
    with duckdb.connect(config={"memory_limit": "4GB"}) as database:
        database.execute("SET TimeZone = 'UTC'; SET preserve_insertion_order = false")
        span = database.execute(f"SELECT min(event_time)::DATE, max(event_time)::DATE + 1 FROM {scores}").fetchall()
        [(first, end)] = span
        before = f"event_time >= DATE '{first}' - {(end - first).days}"
        for table in ("transactions", "scores", "scored_evidence"):
            _write(database, lake, table, f"(FROM {_files(demo, table)} WHERE {before})", copies)
        _write(database, lake, "source_ips", _files(demo, "source_ips"), IPS)
        _write(database, lake, "rejected", _files(demo, "rejected"), 1)
    return lake, first, end


def _files(demo: TableStore, table: str) -> str:
    return f"read_parquet({[str(path) for path in demo.files(table)]}, hive_partitioning = false)"


def _write(database: duckdb.DuckDBPyConnection, lake: FolderTables, table: str, source: str, copies: int) -> None:
    columns = {name for name, *_ in database.execute(f"DESCRIBE FROM {source}").fetchall()}
    changed = ", ".join(f'{how.format(name)} AS "{name}"' for name, how in _NAMES.items() if name in columns)
    folder = lake.stage(table, RUN)
    rows = f"SELECT * EXCLUDE (copy) REPLACE ({changed}) FROM {source} CROSS JOIN range({copies}) AS t(copy)"
    if table == "transactions":  # in folders by day, as it is published
        rows = f"SELECT *, event_time::DATE AS event_date FROM ({rows})"
        how = f"TO '{folder}' (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (event_date), OVERWRITE_OR_IGNORE)"
    else:
        how = f"TO '{folder / 'part-0.parquet'}' (FORMAT parquet, COMPRESSION zstd)"
    database.execute(f"COPY ({rows}) {how}")
    lake.publish(table, RUN)
