"""Two processes that score one run at once: evidence and scores are of one of them, and the other is told."""

import multiprocessing
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from two_processes import Meeting, rows_of

from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.domain.periods import Period
from counterfoil.domain.tables import SCORE_TABLE, SCORED_EVIDENCE
from counterfoil.errors import ChangedError
from counterfoil.steps.releases.registration import Candidate
from counterfoil.steps.scoring.score import detect
from counterfoil.steps.scoring.scorer import Detector

FORK = multiprocessing.get_context("fork")
TOLD = "another process scored run mine meanwhile, and its result stays"
PERIODS = {
    name: Period(since=datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=days)) for name, days in (("a", 83), ("b", 87))
}
"""What each process scores as the same run: other payments, so that a mixture shows."""


@pytest.fixture(scope="module")
def detector(candidate: Candidate, embedder: Any) -> Detector:
    return Detector(candidate.release, candidate.references, embedder)


@pytest.fixture
def tables(lake: Callable[[Path, pa.Table], FolderTables], payments: pa.Table, tmp_path: Path) -> FolderTables:
    return lake(tmp_path / "lake", payments)


def _ids(tables: FolderTables, table: str) -> list[str]:
    return sorted(row["transaction_id"] for row in rows_of(tables, table))


def _of(payments: pa.Table, name: str) -> list[str]:
    rows = payments.select(["transaction_id", "event_time"]).to_pylist()
    return sorted(row["transaction_id"] for row in rows if row["event_time"] >= PERIODS[name].since)


@pytest.mark.parametrize("moment", [SCORED_EVIDENCE, SCORE_TABLE])
def test_two_processes(
    tables: FolderTables, detector: Detector, payments: pa.Table, tmp_path: Path, moment: str
) -> None:
    def score(name: str, barrier: Barrier) -> None:
        try:
            mine: Any = Meeting(FolderTables(tmp_path / "lake"), SCORED_EVIDENCE, barrier)
            detect(mine, detector, period=PERIODS[name], run="mine")
        except ChangedError as error:
            (tmp_path / f"{name}.told").write_text(str(error))

    if moment == SCORE_TABLE:  # in the place of an earlier result
        detect(tables, detector, period=PERIODS["a"], run="mine")
    barrier = FORK.Barrier(2)
    workers = [FORK.Process(target=score, args=(name, barrier)) for name in "ab"]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0]
    [loser] = tmp_path.glob("*.told")
    assert loser.read_text().startswith(TOLD)
    winner = "b" if loser.stem == "a" else "a"
    assert tables.runs(SCORE_TABLE) == tables.runs(SCORED_EVIDENCE) == ["mine"]
    assert _ids(tables, SCORE_TABLE) == _ids(tables, SCORED_EVIDENCE) == _of(payments, winner)


def test_one_that_began_later_and_is_done_between_the_others_two_publications(
    tables: FolderTables, detector: Detector, payments: pa.Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish = tables.publish

    def overtaken(table: str, run: str, **options: Any) -> None:
        if table == SCORE_TABLE:
            detect(FolderTables(tmp_path / "lake"), detector, period=PERIODS["b"], run="mine")
        publish(table, run, **options)

    monkeypatch.setattr(tables, "publish", overtaken)
    with pytest.raises(ChangedError, match=TOLD):
        detect(tables, detector, period=PERIODS["a"], run="mine")
    there = FolderTables(tmp_path / "lake")
    assert _ids(there, SCORE_TABLE) == _ids(there, SCORED_EVIDENCE) == _of(payments, "b")
    detect(there, detector, period=PERIODS["a"], run="mine")
    assert _ids(there, SCORE_TABLE) == _ids(there, SCORED_EVIDENCE) == _of(payments, "a")
