"""Evidence of any size: a workspace's own over and over, under new ids, in files as the step features writes them."""

from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

ROWS_PER_FILE = 131_072
_ROW_GROUP = 32_768


def write_repeated(sources: Sequence[Path], folder: Path, files: int, rows_per_file: int = ROWS_PER_FILE) -> int:
    """Write `files` files of `rows_per_file` rows into a new folder, a row group at a time; return the rows."""
    folder.mkdir(parents=True)
    stream = _endless(sources)
    rest = next(stream)
    for number in range(files):
        with pq.ParquetWriter(folder / f"part-{number:05d}.parquet", rest.schema, compression="snappy") as writer:
            wanted = rows_per_file
            while wanted:
                group = rest.slice(0, min(wanted, _ROW_GROUP))
                writer.write_table(group)
                wanted -= group.num_rows
                rest = rest.slice(group.num_rows)
                if not rest.num_rows:
                    rest = next(stream)
    return files * rows_per_file


def _endless(sources: Sequence[Path]) -> Iterator[pa.Table]:
    """Row groups of the sources, again and again; the ids of each round end with its number."""
    for turn in count():
        for source in sources:
            with pq.ParquetFile(source) as file:
                for batch in file.iter_batches(_ROW_GROUP):
                    yield _renamed(pa.Table.from_batches([batch]), turn)


def _renamed(rows: pa.Table, turn: int) -> pa.Table:
    place = rows.schema.get_field_index("transaction_id")
    ids = pc.binary_join_element_wise(rows.column(place).cast(pa.string()), str(turn), "-")
    return rows.set_column(place, pa.field("transaction_id", pa.string()), ids)
