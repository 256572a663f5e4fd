"""What the engine says when its files fail it."""

from pathlib import Path

import pytest

from counterfoil.errors import StoreUnavailableError
from counterfoil.steps.lake.engine import engine, failures_told, one_row, open_engine


def test_files_that_cannot_be_written_are_told_in_one_line_with_a_way_out(tmp_path: Path) -> None:
    target = tmp_path / "no folder" / "part-0.parquet"
    with pytest.raises(StoreUnavailableError, match="make room on the disk") as raised, engine(tmp_path) as database:
        database.execute(f"COPY (SELECT 1) TO '{target}' (FORMAT parquet)")
    assert "no folder" in str(raised.value)
    assert "\n" not in str(raised.value)
    assert list(tmp_path.iterdir()) == []


def test_an_engine_holds_no_more_than_it_was_told(tmp_path: Path) -> None:
    with open_engine(tmp_path, "64MiB", 1) as database:
        limits = one_row(database, "SELECT current_setting('memory_limit'), current_setting('threads')")
    assert limits == ("64.0 MiB", 1)


def test_too_little_memory_is_told_also_through_arrow_s_reader(tmp_path: Path) -> None:
    query = "SELECT range, repeat('x', 500) AS filler FROM range(200_000) ORDER BY hash(range)"
    with (
        pytest.raises(StoreUnavailableError, match="in memory, then run this again") as raised,
        failures_told(),
        open_engine(tmp_path, "4MB", 1) as database,
    ):
        database.sql(query).to_arrow_reader(1_000).read_all()
    assert "\n" not in str(raised.value)


def test_other_failures_of_files_are_not_duckdb_s(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), failures_told():
        (tmp_path / "nothing").read_bytes()
