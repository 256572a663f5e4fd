"""Scores against labels: which payments count, and by whom intervals are drawn."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.domain.schemas import TIMESTAMP
from counterfoil.errors import NotFoundError
from counterfoil.steps.insights.evaluate_run import evaluate_run

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
ACCOUNTS = ["a", "a", "b", None, None, "b"]
LABELS = [1, 0, 0, 0, 1, None]
SIGNALS = [0.9, 0.2, 0.1, 0.3, 0.8, 0.5]


@pytest.fixture
def tables(tmp_path: Path) -> FolderTables:
    """One payment a day at noon; labels are known at noon of the next day."""
    times = [NOON + timedelta(days=day) for day in range(6)]
    ids = [f"t{number}" for number in range(6)]
    payments = pa.table(
        {
            "transaction_id": ids,
            "event_time": pa.array(times, TIMESTAMP),
            "label_time": pa.array([time + timedelta(days=1) for time in times], TIMESTAMP),
            "account_id": ACCOUNTS,
            "label": pa.array(LABELS, pa.int8()),
        }
    )
    scores = payments.select(["transaction_id", "event_time", "account_id"]).append_column(
        "anomaly_signal", pa.array(SIGNALS)
    )
    found = FolderTables(tmp_path)
    for table, run, rows in (("transactions", "bank", payments), ("scores", "run", scores)):
        pq.write_table(rows, found.stage(table, run) / "part-0.parquet")
        found.publish(table, run)
    return found


def test_unknown_labels_do_not_count_and_a_payment_without_account_is_its_own(tables: FolderTables) -> None:
    evaluated = evaluate_run(tables, "run")
    assert evaluated.scores.num_rows == 6
    assert (evaluated.evaluation.rows, evaluated.evaluation.frauds, evaluated.evaluation.accounts) == (5, 2, 4)
    assert evaluated.evaluation.metrics["auc"] == 1.0
    assert evaluated.left_out == 0


def test_an_account_leaves_once_its_fraud_was_known_at_midnight(tables: FolderTables) -> None:
    # The fraud of a is known at noon of day 1: not yet at that day's midnight, so its second payment stays.
    assert evaluate_run(tables, "run", exclude_compromised_since=NOON).left_out == 0
    later = pa.table({"account_id": ["a"], "transaction_id": ["t9"], "label": pa.array([0], pa.int8())})
    when = pa.array([NOON + timedelta(days=2)], TIMESTAMP)
    later = later.append_column("event_time", when).append_column("label_time", when)
    pq.write_table(later, tables.stage("transactions", "more") / "part-0.parquet")
    tables.publish("transactions", "more")
    scored = later.select(["transaction_id", "event_time", "account_id"]).append_column(
        "anomaly_signal", pa.array([0.4])
    )
    pq.write_table(scored, tables.stage("scores", "next") / "part-0.parquet")
    tables.publish("scores", "next")
    assert evaluate_run(tables, "next", exclude_compromised_since=NOON).left_out == 1
    assert evaluate_run(tables, "next", exclude_compromised_since=NOON + timedelta(hours=1)).left_out == 0


def test_a_run_that_is_not_there_is_named(tables: FolderTables) -> None:
    with pytest.raises(NotFoundError, match="'nope'"):
        evaluate_run(tables, "nope")


WEEKS_END = datetime(2024, 3, 29, tzinfo=UTC)


@pytest.fixture
def four_weeks(tmp_path: Path) -> FolderTables:
    """The four weeks before `WEEKS_END`: two payments a day, of which good ones are labelled at once, frauds later."""
    days = [NOON + timedelta(days=day) for day in range(28)]
    times = [time for time in days for _ in range(2)]
    labels = [1, 0] * 28
    payments = pa.table(
        {
            "transaction_id": [f"t{number:02}" for number in range(56)],
            "event_time": pa.array(times, TIMESTAMP),
            # A good one is known when it happens, a fraud five days later.
            "label_time": pa.array(
                [t + timedelta(days=5 * label) for t, label in zip(times, labels, strict=True)], TIMESTAMP
            ),
            "account_id": [f"a{number}" for number in range(56)],
            "label": pa.array(labels, pa.int8()),
        }
    )
    scores = payments.select(["transaction_id", "event_time", "account_id"]).append_column(
        "anomaly_signal", pa.array([0.4 + 0.01 * (n % 7) if n % 2 == 0 else 0.3 + 0.02 * (n % 9) for n in range(56)])
    )
    found = FolderTables(tmp_path)
    for table, run, rows in (("transactions", "bank", payments), ("scores", "run", scores)):
        pq.write_table(rows, found.stage(table, run) / "part-0.parquet")
        found.publish(table, run)
    return found


def test_of_the_last_four_weeks_the_days_younger_than_the_label_delay_do_not_count(four_weeks: FolderTables) -> None:
    """At the end of the weeks the frauds of the last five days are unknown, and their good payments are known."""
    ripe = evaluate_run(four_weeks, "run", label_delay=timedelta(days=7), known_until=WEEKS_END)
    unripe = evaluate_run(four_weeks, "run", label_delay=timedelta(0), known_until=WEEKS_END)
    truth = evaluate_run(four_weeks, "run")
    assert (ripe.evaluation.rows, ripe.evaluation.frauds, ripe.unripe) == (42, 21, 14)
    assert (unripe.evaluation.rows, unripe.evaluation.frauds, unripe.unripe) == (51, 23, 0)
    assert (truth.evaluation.rows, truth.evaluation.frauds, truth.unripe) == (56, 28, 0)
    assert ripe.scores.num_rows == 56
    assert ripe.labels.null_count == 14
    assert ripe.evaluation.metrics["average_precision"] > unripe.evaluation.metrics["average_precision"]
    later = evaluate_run(four_weeks, "run", label_delay=timedelta(days=7), known_until=WEEKS_END + timedelta(days=7))
    assert later.evaluation.metrics == truth.evaluation.metrics
