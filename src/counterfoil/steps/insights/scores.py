"""The scores of a run: their files, the release they are of, and a file of their own to hand out."""

from collections.abc import Collection
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from counterfoil.domain.tables import SCORE_TABLE
from counterfoil.errors import NotFoundError, ReleaseMismatchError
from counterfoil.ports.lake import TableStore


def run_files(tables: TableStore, run: str) -> list[Path]:
    """The files of a run's scores. Raises NotFoundError, which names the runs there are, if it was not published."""
    files = tables.files(SCORE_TABLE, run)
    if not files:
        known = ", ".join(tables.runs(SCORE_TABLE)) or "none"
        raise NotFoundError(f"no scores of run '{run}': 'counterfoil score' makes them; there are: {known}")
    return files


def single_release(release_ids: Collection[str], run: str) -> str:
    """The release that scored a run. Raises NotFoundError if it has no payments, ReleaseMismatchError if many did."""
    if not release_ids:
        raise NotFoundError(f"run '{run}' scored no payments: score a span of days that has some")
    if len(release_ids) > 1:
        raise ReleaseMismatchError(
            f"run '{run}' was scored by {len(release_ids)} releases ({', '.join(sorted(release_ids))}), whose signals "
            "and precedents cannot be compared with each other: score it again with one"
        )
    return next(iter(release_ids))


def release_of_run(tables: TableStore, run: str) -> str:
    """The release that made a run's scores. Raises as `run_files` and `single_release` do."""
    columns = [pq.read_table(file, columns=["release_id"])["release_id"] for file in run_files(tables, run)]
    return single_release({str(name) for column in columns for name in column.unique().to_pylist()}, run)


def write_scores(tables: TableStore, run: str, path: Path) -> Path:
    """Write the scores of a run to one Parquet file."""
    parts = [pq.read_table(file) for file in tables.files(SCORE_TABLE, run)]
    return write_parquet(pa.concat_tables(parts), path)


def write_parquet(table: pa.Table, path: Path) -> Path:
    """Write a table aside and put it in place when it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.new")
    pq.write_table(table, aside, compression="zstd")
    aside.replace(path)
    return path
