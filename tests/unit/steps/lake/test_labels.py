"""Labels that come later: what is kept, what counts at which moment, and that nothing is thrown away."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.domain.schemas import LABELS, transactions_schema
from counterfoil.errors import UsageError
from counterfoil.steps.lake.engine import engine
from counterfoil.steps.lake.labels import Contradiction, append_labels, labelled, moments_of_withdrawal

DAY = timedelta(days=1)
START = datetime(2026, 1, 1, tzinfo=UTC)
DELAY = timedelta(days=7)
SCHEMA = transactions_schema()


def day(number: float) -> datetime:
    return START + number * DAY


def _lake(folder: Path, *payments: tuple[str, float, int | None, float | None]) -> FolderTables:
    """Return a lake of payments: id, day, label and the day of the label."""
    tables = FolderTables(folder / "lake")
    rows: list[dict[str, Any]] = [
        {
            "transaction_id": name, "event_time": day(at), "label": label, "account_id": f"of {name}",
            "label_time": None if told is None else day(told), "source": "payments.csv", "source_line": number,
        }
        for number, (name, at, label, told) in enumerate(payments, 2)
    ]  # fmt: skip
    staged = tables.stage("transactions", "first")
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), staged / "part-0.parquet")
    tables.publish("transactions", "first")
    return tables


def _said(*labels: tuple[str, int, float | None]) -> pa.Table:
    names, values, told = zip(*labels, strict=True)
    times = [None if at is None else day(at) for at in told]
    return pa.table(
        {"transaction_id": names, "label": values, "label_time": pa.array(times, pa.timestamp("us", "UTC"))}
    )


def _labels(tables: FolderTables, before: datetime | None = None) -> dict[str, tuple[int | None, datetime | None]]:
    with engine() as database:
        source = labelled(tables, DELAY, before=before)
        rows = database.execute(f"SELECT transaction_id, label, label_time FROM {source}").fetchall()
    return {name: (label, time) for name, label, time in rows}


def _table(tables: FolderTables) -> list[dict[str, Any]]:
    parts = [pq.read_table(path) for path in tables.files("labels")]
    return sorted((row for part in parts for row in part.to_pylist()), key=lambda row: row["sequence"])


def test_a_label_that_comes_later_is_the_payments_label(tmp_path: Path) -> None:
    tables = _lake(tmp_path, ("a", 0, None, None), ("b", 0, None, None))
    appended = append_labels(tables, _said(("a", 1, 20)), said_by="chargebacks", said_at=day(30), run="feed-1")
    assert (appended.new, appended.changed, appended.repeated, appended.unknown) == (1, 0, 0, 0)
    assert _labels(tables) == {"a": (1, day(20)), "b": (None, None)}
    [row] = _table(tables)
    assert (row["said_by"], row["said_at"], row["sequence"]) == ("chargebacks", day(30), 1)
    assert pq.read_schema(tables.files("labels")[0]).equals(LABELS)


def test_a_label_without_a_time_counts_from_when_it_was_said(tmp_path: Path) -> None:
    tables = _lake(tmp_path, ("a", 0, None, None))
    append_labels(tables, _said(("a", 1, None)), said_by="mallory", said_at=day(30), run="feed-1")
    assert _labels(tables) == {"a": (1, day(30))}
    assert _labels(tables, before=day(30)) == {"a": (None, None)}
    assert _labels(tables, before=day(30.001)) == {"a": (1, day(30))}


def test_a_label_counts_from_the_end_of_the_delay(tmp_path: Path) -> None:
    tables = _lake(tmp_path, ("a", 10, None, None))
    append_labels(tables, _said(("a", 1, 11)), said_by="x", said_at=day(12), run="feed-1")
    assert _labels(tables, before=day(17)) == {"a": (None, None)}
    assert _labels(tables, before=day(17.001)) == {"a": (1, day(11))}


def test_a_contradiction_is_told_and_counts_from_when_it_was_said(tmp_path: Path) -> None:
    tables = _lake(tmp_path, ("a", 0, 1, 8))
    appended = append_labels(tables, _said(("a", 0, 9)), said_by="x", said_at=day(40), run="feed-1")
    assert appended.changed == 1
    assert appended.examples == (Contradiction("a", 1, 0),)
    assert _labels(tables) == {"a": (0, day(40))}
    assert _labels(tables, before=day(40)) == {"a": (1, day(8))}
    assert _labels(tables, before=day(8)) == {"a": (None, None)}
    assert moments_of_withdrawal(tables, tables.files("transactions"), DELAY) == [day(40)]
    own, later = _table(tables)
    assert (own["said_by"], own["said_at"], own["label"], own["source_line"]) == ("own file", None, 1, 2)
    assert (later["said_by"], later["label"], later["sequence"]) == ("x", 0, 2)


def test_what_only_repeats_a_label_is_counted_and_not_kept(tmp_path: Path) -> None:
    tables = _lake(tmp_path, ("a", 0, 1, 8), ("b", 0, None, None))
    first = append_labels(tables, _said(("a", 1, 30), ("b", 0, None)), said_by="x", said_at=day(40), run="feed-1")
    again = append_labels(tables, _said(("a", 1, 30), ("b", 0, 35)), said_by="y", said_at=day(50), run="feed-2")
    assert (first.new, first.repeated) == (1, 1)
    assert (again.new, again.repeated) == (0, 2)
    assert _labels(tables) == {"a": (1, day(8)), "b": (0, day(40))}


def test_a_run_that_was_said_stays_what_it_is(tmp_path: Path) -> None:
    tables = _lake(tmp_path, ("a", 0, None, None))
    append_labels(tables, _said(("a", 1, None)), said_by="x", said_at=day(40), run="feed-1")
    assert append_labels(tables, _said(("a", 1, None)), said_by="x", said_at=day(60), run="feed-1").already
    assert [row["said_at"] for row in _table(tables)] == [day(40)]


def test_labels_of_payments_that_come_later_are_kept_and_counted(tmp_path: Path) -> None:
    tables = _lake(tmp_path, ("a", 0, None, None))
    appended = append_labels(tables, _said(("later", 1, None)), said_by="x", said_at=day(9), run="feed-1")
    assert (appended.new, appended.unknown) == (1, 1)
    assert _labels(tables) == {"a": (None, None)}


def test_what_is_taken_back_is_no_label_from_then_on_and_may_be_said_again(tmp_path: Path) -> None:
    tables = _lake(tmp_path, ("a", 0, None, None))
    none = pa.table({"transaction_id": ["a"], "label": pa.array([None], pa.int8())})
    one = _said(("a", 1, None))
    for number, (labels, moment) in enumerate([(none, 8), (one, 10), (none, 20), (none, 25), (one, 30)]):
        append_labels(tables, labels, said_by="x", said_at=day(moment), run=f"feed-{number}")
    assert tables.runs("labels") == ["feed-1", "feed-2", "feed-4"]
    moments = [15, 22, 35]
    assert [_labels(tables, day(moment))["a"][0] for moment in moments] == [1, None, 1]
    assert moments_of_withdrawal(tables, tables.files("transactions"), DELAY) == [day(20)]


def test_where_nothing_was_said_the_files_are_read_as_they_are(tmp_path: Path) -> None:
    tables = _lake(tmp_path, ("a", 0, 1, 8))
    assert labelled(tables, DELAY).startswith("read_parquet(")


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (pa.table({"transaction_id": ["a"]}), "no column 'label'"),
        (pa.table({"transaction_id": ["a"], "label": [2]}), "1 (fraud), 0 (good) or null"),
        (pa.table({"transaction_id": pa.array([None], pa.string()), "label": [1]}), "has a transaction id"),
    ],
)
def test_what_is_no_label_is_refused(tmp_path: Path, labels: pa.Table, words: str) -> None:
    tables = _lake(tmp_path, ("a", 0, None, None))
    with pytest.raises(UsageError, match=words.replace("(", r"\(").replace(")", r"\)")):
        append_labels(tables, labels, said_by="x", said_at=day(1), run="feed-1")
    with pytest.raises(UsageError, match="zone"):
        append_labels(tables, _said(("a", 1, None)), said_by="x", said_at=datetime(2026, 1, 1), run="feed-1")


_moments = st.integers(0, 60)
_statements = st.lists(st.tuples(st.integers(0, 1), st.none() | _moments, st.integers(0, 20)), max_size=5)


def _expected(
    own: tuple[int | None, int | None], statements: list[tuple[int, int | None, int]], at: float
) -> int | None:
    """What is known before `at` of a payment of day 5, told without SQL."""
    current, last = None, own[0]
    if own[0] is not None and max(own[1] or 5, 12) < at:
        current = own[0]
    said = 0
    for label, told, later in statements:
        said += later
        first = last is None
        from_day = said if told is None else (told if first else max(told, said))
        if label != last and max(from_day, 12) < at:
            current = label
        last = label
    return current


@pytest.mark.slow
@settings(deadline=None, max_examples=examples(15))
@given(st.sampled_from([None, 0, 1]), st.none() | _moments, _statements, st.sampled_from([1, 12, 13, 20, 35, 60, 200]))
def test_what_is_known_at_a_moment_is_what_was_said_last_by_then(
    tmp_path_factory: pytest.TempPathFactory,
    own: int | None, told: int | None, statements: list[tuple[int, int | None, int]], at: int,
) -> None:  # fmt: skip
    told = None if own is None else told
    tables = _lake(tmp_path_factory.mktemp("said"), ("a", 5, own, told))
    said = 0
    for number, (label, time, later) in enumerate(statements):
        said += later
        append_labels(tables, _said(("a", label, time)), said_by="x", said_at=day(said), run=f"r{number}")
    assert _labels(tables, before=day(at))["a"][0] == _expected((own, told), statements, at)
    everything = _labels(tables)["a"][0]
    assert everything == (statements[-1][0] if statements else own)
