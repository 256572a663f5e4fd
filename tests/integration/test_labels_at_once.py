"""Two processes say labels at once: none is lost, and none is kept twice."""

import multiprocessing
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import pyarrow as pa
from two_processes import TEXT, Meeting, collect_one, payments_file, rows_of

from counterfoil.adapters.files.input_files import InputFiles
from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.adapters.memory.ledger import MemoryLedger
from counterfoil.domain.intake.mapping import parse_mapping
from counterfoil.domain.periods import LABEL_DELAY
from counterfoil.domain.privacy.pseudonyms import PseudonymKeys
from counterfoil.domain.tables import LABELS_TABLE, TRANSACTIONS
from counterfoil.ports.lake import TableStore
from counterfoil.steps.intake.collect import collect
from counterfoil.steps.intake.say_labels import say_labels
from counterfoil.steps.lake.engine import engine
from counterfoil.steps.lake.labels import OWN_FILE, append_labels, labelled

FORK = multiprocessing.get_context("fork")
FEED = parse_mapping(
    '[fields]\ntransaction_id = "id"\nevent_time = "t"\nlabel = "y"\n[labels]\nfraud = ["1"]\ngood = ["0"]\n', "feed"
)


def _both(work: Callable[[str, Barrier], None]) -> None:
    barrier = FORK.Barrier(2)
    workers = [FORK.Process(target=work, args=(name, barrier)) for name in "ab"]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0]


def _feed(path: Path, ids: range, label: int) -> Path:
    path.write_text("id,t,y\n" + "".join(f"p{n},2026-01-05T10:00:00Z,{label}\n" for n in ids))
    return path


def _say(path: Path, tables: TableStore) -> None:
    say_labels([path], FEED, key=PseudonymKeys((b"k" * 16,)), reader=InputFiles(), tables=tables)


def _labels(tables: TableStore) -> dict[str, int]:
    with engine() as database:
        rows = database.execute(f"SELECT transaction_id, label FROM {labelled(tables, LABEL_DELAY)}").fetchall()
    assert len(rows) == len({name for name, _ in rows}) == 40
    return dict(rows)


def test_the_same_file_given_twice_at_once_is_said_once(tmp_path: Path) -> None:
    lake = FolderTables(tmp_path / "lake")
    collect_one(payments_file(tmp_path / "p.csv", range(40), "192.0.2.1"), lake)
    feed = _feed(tmp_path / "feed.csv", range(10), 1)
    _both(lambda _, barrier: _say(feed, Meeting(FolderTables(tmp_path / "lake"), LABELS_TABLE, barrier)))
    kept = Counter(row["transaction_id"] for row in rows_of(lake, LABELS_TABLE))
    assert len(kept) == 10
    assert set(kept.values()) == {1}
    labels = _labels(lake)
    assert [labels[row["transaction_id"]] for row in rows_of(lake, LABELS_TABLE)] == [1] * 10
    _say(feed, lake)
    assert len(rows_of(lake, LABELS_TABLE)) == 10


def test_two_files_said_at_once_are_both_kept(tmp_path: Path) -> None:
    """Five payments are in both: their labels are the same, whoever said them first."""
    lake = FolderTables(tmp_path / "lake")
    collect_one(payments_file(tmp_path / "p.csv", range(40), "192.0.2.1"), lake)
    feeds = {"a": _feed(tmp_path / "a.csv", range(10), 1), "b": _feed(tmp_path / "b.csv", range(5, 20), 1)}
    _both(lambda name, barrier: _say(feeds[name], Meeting(FolderTables(tmp_path / "lake"), LABELS_TABLE, barrier)))
    said = {row["transaction_id"] for row in rows_of(lake, LABELS_TABLE)}
    assert len(said) == 20
    labels = _labels(lake)
    assert {name for name, label in labels.items() if label == 1} == said
    assert sum(label is None for label in labels.values()) == 20
    assert len(rows_of(lake, TRANSACTIONS)) == 40


def test_contradictions_and_retractions_said_at_once_are_judged_one_after_the_other(tmp_path: Path) -> None:
    """The own file's label is kept once, each word has a sequence of its own, and the last word holds."""
    lake = FolderTables(tmp_path / "lake")
    own = parse_mapping(TEXT + 'label = "y"\n[labels]\nfraud = ["1"]\ngood = ["0"]\n', "own")
    path = tmp_path / "p.csv"
    path.write_text("id,t,a,ip,n,y\n" + "".join(f"p{n},2026-01-05T10:00:00Z,a,192.0.2.1,1.00,1\n" for n in range(40)))
    collect([path], own, key=b"k" * 16, reader=InputFiles(), tables=lake, ledger=MemoryLedger())
    words = {"a": (None, 2), "b": (0, 3)}

    def say(name: str, barrier: Barrier) -> None:
        label, day = words[name]
        named = pa.table({"transaction_id": [f"p{n}" for n in range(10)], "label": pa.array([label] * 10, pa.int8())})
        tables: Any = Meeting(FolderTables(tmp_path / "lake"), LABELS_TABLE, barrier)
        moment = datetime(2026, 3, day, tzinfo=UTC)
        append_labels(tables, named, said_by=name, said_at=moment, run=f"feed-{name}")

    _both(say)
    rows = rows_of(lake, LABELS_TABLE)
    assert Counter(row["said_by"] for row in rows) == {OWN_FILE: 10, "a": 10, "b": 10}
    assert sorted(row["sequence"] for row in rows) == list(range(1, 31))
    labels = _labels(lake)
    assert {labels[f"p{n}"] for n in range(10)} == {0}
    assert {labels[f"p{n}"] for n in range(10, 40)} == {1}
