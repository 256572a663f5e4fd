"""Cut a Parquet file into several, so that they can be dealt out to several machines."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

_ROW_GROUP = 32_768


def split(path: Path, rows: int) -> list[Path]:
    """Replace `path` by files of at most about `rows` rows in the same order: `part-00000.parquet` and on.

    Row groups stay whole, so that a file has between one group and `rows` rows, or one group if that is larger.
    A file without rows becomes one part without rows.
    """
    whole = pq.ParquetFile(path)
    parts: list[Path] = []
    for groups in _dealt([whole.metadata.row_group(i).num_rows for i in range(whole.num_row_groups)], rows):
        part = path.with_name(f"part-{len(parts):05d}.parquet")
        content = whole.read_row_groups(groups) if groups else whole.schema_arrow.empty_table()
        _write(content, part)
        parts.append(part)
    whole.close()
    path.unlink()
    return parts


def _dealt(sizes: list[int], rows: int) -> list[list[int]]:
    """Consecutive groups put together while they have at most `rows` rows."""
    dealt: list[list[int]] = [[]]
    held = 0
    for group, size in enumerate(sizes):
        if dealt[-1] and held + size > rows:
            dealt.append([])
            held = 0
        dealt[-1].append(group)
        held += size
    return dealt


def _write(content: pa.Table, path: Path) -> None:
    pq.write_table(content, path, compression="snappy", row_group_size=_ROW_GROUP)
