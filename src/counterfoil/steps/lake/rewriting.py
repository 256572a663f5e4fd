"""Published runs, rewritten with some of their rows or values changed."""

import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from itertools import takewhile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

Change = Callable[[pa.Table], pa.Table]

_PARTITION = re.compile(r"\w+=[^.]*")  # the folder of a run has a point in its name


def rewrite(
    source: Path, target: Path, change: Change, *, marks: Mapping[bytes, bytes] | None = None, whole: bool = False
) -> None:
    """Write a Parquet file with `change` applied to each row group, or with `whole` to all rows at once.

    Schema, metadata and compression stay, but for `marks`, which are added to the metadata. A file whose rows are
    all gone is not written; one that never had any is copied.
    """
    if not pq.read_metadata(source).num_rows:
        keep(source, target)
        return
    with pq.ParquetFile(source) as file:
        metadata = {**(file.schema_arrow.metadata or {}), **(marks or {})}
        schema = file.schema_arrow.with_metadata(metadata or None)
        compression = file.metadata.row_group(0).column(0).compression
        writer: pq.ParquetWriter | None = None
        try:
            for group in _groups(file, whole=whole):
                rows = change(group)
                if rows.num_rows:
                    target.parent.mkdir(parents=True, exist_ok=True)
                    writer = writer or pq.ParquetWriter(target, schema, compression=compression.lower())
                    writer.write_table(rows.cast(schema), row_group_size=rows.num_rows)
        finally:
            if writer is not None:
                writer.close()


def keep(source: Path, target: Path) -> None:
    """Copy a file as it is."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def below_run(path: Path) -> Path:
    """A published file's path within its run: its name, below its partitions (`event_date=...`) if it has some."""
    partitions = takewhile(_PARTITION.fullmatch, reversed(path.parts[:-1]))
    return Path(*reversed(list(partitions)), path.name)


def _groups(file: pq.ParquetFile, *, whole: bool) -> Iterable[pa.Table]:
    if whole:
        return [file.read()]
    return map(file.read_row_group, range(file.num_row_groups))
