"""Hand out scores as a file of their own."""

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from counterfoil.ports import TableStore
from counterfoil.steps.detect import SCORE_TABLE


def write_scores(tables: TableStore, run: str, path: Path) -> Path:
    """Write the scores of a run to one Parquet file."""
    parts = [pq.read_table(file) for file in tables.files(SCORE_TABLE, run)]
    return write_parquet(pa.concat_tables(parts), path)


def write_parquet(table: pa.Table, path: Path) -> Path:
    """Write a table aside and put it in place when it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    pq.write_table(table, aside, compression="zstd")
    aside.replace(path)
    return path
