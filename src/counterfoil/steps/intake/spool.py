"""Rows of one file on their way into the tables: spooled as they come, then written out by date.

Files arrive in any order of time, and a table wants one file per date. Rows are spooled to Parquet in bounded
memory; DuckDB then finds the duplicates among the ids and sorts, spilling to disk when it must.
"""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from counterfoil.domain.periods import EPOCH
from counterfoil.domain.schemas import ADDRESSES, EVENT_DATE
from counterfoil.steps.intake.duplicates import Duplicates
from counterfoil.steps.lake.ahead import ahead
from counterfoil.steps.lake.engine import open_engine
from counterfoil.steps.lake.interruption import ended_by_ctrl_c
from counterfoil.steps.lake.results import write_results

_ROWS_AT_ONCE = 65_536
_MEMORY, _THREADS = "300MB", 2
"""What DuckDB may use: each thread wants at least 125 MB."""
SORTED_AT_ONCE = 2_000_000
"""Hours are sorted together as long as they have no more rows: a whole file of 10 GB was too much."""
_DAY_MICROS = 86_400_000_000
_HOUR_MICROS = 3_600_000_000


class Spool:
    """Transactions and source IPs of one file, written once and then read back in order. A context manager.

    `folder` does not exist yet; it holds raw addresses until it is removed at the end.
    """

    def __init__(self, folder: Path, schema: pa.Schema) -> None:
        folder.mkdir(parents=True)
        self._folder = folder
        self._schema = schema
        self._path = folder / "rows.parquet"
        # Of the statistics only those of the time are asked for; those of texts cost as much as writing.
        self._rows = pq.ParquetWriter(
            self._path, schema, compression="lz4", use_dictionary=False, write_statistics=["event_time"]
        )
        self._database = open_engine(folder / "overflow", _MEMORY, _THREADS)
        self._database.execute("CREATE TABLE address (source_ip_id VARCHAR, address VARCHAR)")
        self._has_addresses = False

    def __enter__(self) -> Self:
        self._watched = ended_by_ctrl_c(self._database)
        self._watched.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watched.__exit__(None, None, None)
        self._rows.close()
        self._database.close()
        # After a failure the next stage() of the run removes what is left; the failure is what matters then.
        shutil.rmtree(self._folder, ignore_errors=error is not None)

    def add(self, transactions: pa.Table, addresses: pa.Table) -> None:
        """Append rows, and the source IPs in them (schemas.ADDRESSES)."""
        self._rows.write_table(transactions)
        if addresses.num_rows:
            self._database.register("found", addresses)
            self._database.execute("INSERT INTO address FROM found")
            self._database.unregister("found")
            self._has_addresses = True

    def find_duplicates(self, published: Sequence[Path]) -> Duplicates:
        """Close the spool for writing; return the rows whose id came before. They are left out from now on."""
        self._rows.close()
        run = self._database.execute
        # A row is known by its place in the spool: the members of an archive each have a line 2.
        self._database.read_parquet(str(self._path), file_row_number=True).create_view("spooled")
        run("CREATE TABLE duplicate (file_row_number BIGINT PRIMARY KEY, earlier VARCHAR)")
        if published:
            # The file's ids are the smaller side; published ones stream past them.
            run(
                "INSERT INTO duplicate SELECT file_row_number, 'table' FROM spooled "
                "WHERE transaction_id IN (SELECT transaction_id FROM read_parquet($published))",
                {"published": [str(path) for path in published]},
            )
        run(
            "INSERT OR IGNORE INTO duplicate SELECT file_row_number, 'file' FROM spooled JOIN ("
            "  SELECT transaction_id, min(file_row_number) AS first_row FROM spooled"
            "  GROUP BY transaction_id HAVING count(*) > 1"
            ") USING (transaction_id) WHERE file_row_number > first_row"
        )
        return Duplicates.found(self._database, published, self._schema)

    def write_by_date(self, folder: Path) -> None:
        """Write the rows without duplicates to `folder`/event_date=YYYY-MM-DD/part-0.parquet.

        Rows are in the order of event time and id, so the same content always makes the same files.
        """
        with _DatedWriter(folder, self._schema) as writer, closing(ahead(self._sorted())) as batches:
            for batch in batches:
                writer.write(batch)

    def write_addresses(self, folder: Path) -> None:
        """Write the source IPs of the rows without duplicates to `folder`/part-0.parquet, each once, ordered by id."""
        if not self._has_addresses:
            return
        query = (
            "SELECT DISTINCT source_ip_id, address FROM address SEMI JOIN ("
            "  SELECT source_ip_id FROM spooled ANTI JOIN duplicate USING (file_row_number)"
            ") USING (source_ip_id) ORDER BY source_ip_id"
        )
        write_results([self._database.sql(query)], ADDRESSES, folder)

    def _sorted(self) -> Iterator[pa.Table]:
        query = (
            "SELECT * FROM spooled ANTI JOIN duplicate USING (file_row_number) "
            "WHERE event_time >= $since AND event_time < $until ORDER BY event_time, transaction_id"
        )
        for since, until in self._spans():
            span = self._database.sql(query, params={"since": since, "until": until})
            for batch in span.to_arrow_reader(_ROWS_AT_ONCE):
                table = pa.Table.from_batches([batch]).select(self._schema.names)
                yield table.cast(self._schema)

    def _spans(self) -> Iterator[tuple[datetime, datetime]]:
        """Cut the time of the rows, between hours, into spans of few enough rows: [since, until)."""
        begins: list[int] = []
        there, last = 0, None
        # As numbers: DuckDB would look up a time zone for each of the hours.
        hours = f"epoch_us(date_trunc('hour', event_time)) // {_HOUR_MICROS}"
        counts = f"SELECT {hours}, count(*) FROM spooled GROUP BY ALL ORDER BY ALL"
        for hour, rows in self._database.execute(counts).fetchall():
            there, last = there + rows, hour
            if not begins or there > SORTED_AT_ONCE:
                begins.append(hour)
                there = rows
        if last is not None:
            yield from pairwise(EPOCH + timedelta(hours=hour) for hour in [*begins, last + 1])


class _DatedWriter:
    """Writes rows that come in the order of time, one file open at a time."""

    def __init__(self, folder: Path, schema: pa.Schema) -> None:
        self._folder = folder
        self._schema = schema
        # No two rows have one id, so a dictionary of ids would only cost; so would one of a day's numbers.
        texts = [field.name for field in schema if pa.types.is_string(field.type)]
        self._repeating = [name for name in texts if name != "transaction_id"]
        self._day: int | None = None
        self._file: pq.ParquetWriter | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def write(self, rows: pa.Table) -> None:
        micros = pc.cast(rows["event_time"], pa.int64()).to_numpy()
        days = micros // _DAY_MICROS
        starts = np.flatnonzero(np.diff(days, prepend=days[0] - 1))
        for start, end in zip(starts, [*starts[1:], len(days)], strict=True):
            self._open(int(days[start])).write_table(rows.slice(start, end - start))

    def _open(self, day: int) -> pq.ParquetWriter:
        if self._file is None or day != self._day:
            self._close()
            partition = self._folder / f"{EVENT_DATE}={EPOCH.date() + timedelta(days=day)}"
            partition.mkdir(parents=True)
            path = partition / "part-0.parquet"
            self._file = pq.ParquetWriter(path, self._schema, compression="zstd", use_dictionary=self._repeating)
            self._day = day
        return self._file

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
