"""Write what queries give to a file of a table, in bounded memory."""

from collections.abc import Callable, Iterable
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

_ROWS_AT_ONCE = 65_536


def write_results(
    results: Iterable[duckdb.DuckDBPyRelation],
    schema: pa.Schema,
    folder: Path,
    change: Callable[[pa.Table], pa.Table] = lambda rows: rows,
) -> int:
    """Write the rows in their order to `folder`/part-0.parquet, and return how many; no file if there is none.

    A result is read to its end before the next is asked for. `change` is applied to some rows at a time, whose
    columns are then cast to `schema`.
    """
    written = 0
    file: pq.ParquetWriter | None = None
    try:
        for batch in (batch for result in results for batch in result.to_arrow_reader(_ROWS_AT_ONCE)):
            rows = change(pa.Table.from_batches([batch])).select(schema.names).cast(schema)
            file = file or pq.ParquetWriter(folder / "part-0.parquet", schema, compression="zstd")
            file.write_table(rows)
            written += rows.num_rows
    finally:
        if file is not None:
            file.close()
    return written
