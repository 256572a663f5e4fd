"""What the engine says when its files fail it."""

from pathlib import Path

import pytest

from counterfoil.errors import StoreUnavailableError
from counterfoil.steps.engine import engine


def test_files_that_cannot_be_written_are_told_in_one_line_with_a_way_out(tmp_path: Path) -> None:
    target = tmp_path / "no folder" / "part-0.parquet"
    with pytest.raises(StoreUnavailableError, match="make room on the disk") as raised, engine(tmp_path) as database:
        database.execute(f"COPY (SELECT 1) TO '{target}' (FORMAT parquet)")
    assert "no folder" in str(raised.value)
    assert "\n" not in str(raised.value)
    assert list(tmp_path.iterdir()) == []
