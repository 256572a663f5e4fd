"""Cutting a Parquet file into parts loses nothing and keeps the order."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from counterfoil.steps.lake.parts import split


def _file(path: Path, rows: int, group: int) -> Path:
    pq.write_table(pa.table({"x": pa.array(range(rows), pa.int64())}), path, row_group_size=group)
    return path


@pytest.mark.parametrize(
    ("rows", "group", "most", "sizes"),
    [
        (10, 2, 4, [4, 4, 2]),
        (10, 2, 5, [4, 4, 2]),
        (10, 4, 3, [4, 4, 2]),
        (10, 10, 100, [10]),
        (0, 5, 3, [0]),
    ],
)
def test_parts_are_whole_row_groups_in_order(
    tmp_path: Path, rows: int, group: int, most: int, sizes: list[int]
) -> None:
    parts = split(_file(tmp_path / "part-0.parquet", rows, group), most)
    assert [path.name for path in parts] == [f"part-{number:05d}.parquet" for number in range(len(sizes))]
    assert [pq.read_metadata(path).num_rows for path in parts] == sizes
    whole = pa.concat_tables([pq.read_table(path) for path in parts])
    assert whole["x"].to_pylist() == list(range(rows))
    assert sorted(tmp_path.iterdir()) == parts
