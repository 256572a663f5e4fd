"""Payments in files, collected by processes that wait for each other."""

from collections.abc import Callable
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from counterfoil.adapters.files.input_files import InputFiles
from counterfoil.adapters.memory.ledger import MemoryLedger
from counterfoil.domain.intake.mapping import parse_mapping
from counterfoil.ports.lake import TableStore, Version
from counterfoil.steps.intake.collect import CollectedFile, collect

TEXT = '[fields]\ntransaction_id = "id"\nevent_time = "t"\naccount = "a"\nsource_ip = "ip"\namount = "n"\n'
MAPPING = parse_mapping(TEXT, "m")
HEADER = "id,t,a,ip,n\n"


def payments_file(path: Path, ids: range, address: str) -> Path:
    """Payments of two days; each file's are from an address of its own."""
    rows = [f"p{n},2026-01-0{1 + n % 2}T10:00:00Z,a{n % 7},{address},1.00\n" for n in ids]
    path.write_text(HEADER + "".join(rows))
    return path


class Meeting:
    """A TableStore that waits for the others before its first publication of `table`."""

    def __init__(self, tables: TableStore, table: str, barrier: Barrier) -> None:
        self._tables, self._table, self._barrier = tables, table, barrier
        self._met = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tables, name)

    def publish(
        self,
        table: str,
        run: str,
        *,
        replace: bool = False,
        instead_of: Any = (),
        check: Callable[[Version], None] | None = None,
    ) -> None:
        if table == self._table and not self._met:
            self._met = True
            self._barrier.wait(30)
        self._tables.publish(table, run, replace=replace, instead_of=instead_of, check=check)


def collect_one(path: Path, tables: TableStore) -> CollectedFile:
    [collected] = collect([path], MAPPING, key=b"k" * 16, reader=InputFiles(), tables=tables, ledger=MemoryLedger())
    return collected


def rows_of(tables: TableStore, table: str) -> list[dict[str, Any]]:
    return [row for path in tables.files(table) for row in pq.ParquetFile(path).read().to_pylist()]
