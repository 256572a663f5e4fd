"""The scores of a run beside labels, amounts and the thresholds of the release that made them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.domain.evaluation.alert_costs import AlertCosts
from counterfoil.domain.policy.thresholds import Thresholds
from counterfoil.domain.schemas import MONEY, TIMESTAMP
from counterfoil.errors import NotFoundError, ReleaseMismatchError
from counterfoil.ports.releases import ReleaseRegistry
from counterfoil.steps.insights.thresholds import thresholds_of_run
from counterfoil.steps.releases.registration import Candidate, write_candidate

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
LABELS = [1, 0, 1, None, 0]
AMOUNTS = [Decimal("100.25"), Decimal(7), None, Decimal(50), Decimal(1)]
SIGNALS = [0.9, 0.8, 0.7, 0.6, 0.1]
COSTS = AlertCosts(cost_per_alert=1.0, cost_per_false_alarm=2.0, recovered=1.0)


class OneRelease:
    """A registry that holds one release, and fetches it under any of its names."""

    def __init__(self, folder: Path, *names: str) -> None:
        self._folder, self._names = folder, names

    def fetch(self, release_id: str) -> Path:
        if release_id not in self._names:
            raise NotFoundError(f"no release {release_id}")
        return self._folder


@pytest.fixture
def registry(candidate: Candidate, tmp_path: Path) -> ReleaseRegistry:
    """Return a registry of a release that reviews from 0.65 and blocks from 0.85."""
    thresholds = replace(candidate.release, thresholds=Thresholds(0.65, 0.85))
    write_candidate(replace(candidate, release=thresholds), tmp_path / "release")
    return OneRelease(tmp_path / "release", "r1", "r2")  # type: ignore[return-value]


def write(tables: FolderTables, table: str, run: str, rows: pa.Table) -> None:
    pq.write_table(rows, tables.stage(table, run) / "part-0.parquet")
    tables.publish(table, run)


@pytest.fixture
def scored(tmp_path: Path) -> Callable[..., FolderTables]:
    """Return a maker of a lake with one scored payment a day; `gone` leaves the first out of `transactions`."""

    def make(*release_ids: str, rows: int = 5, gone: bool = False) -> FolderTables:
        tables = FolderTables(tmp_path / "lake")
        payments = pa.table(
            {
                "transaction_id": [f"t{number}" for number in range(5)],
                "event_time": pa.array([NOON + timedelta(days=day) for day in range(5)], TIMESTAMP),
                "label": pa.array(LABELS, pa.int8()),
                "label_time": pa.nulls(5, TIMESTAMP),
                "amount": pa.array(AMOUNTS, MONEY),
                "currency": ["EUR"] * 5,
            }
        )
        write(tables, "transactions", "bank", payments.slice(int(gone)))
        scores = payments.select(["transaction_id", "event_time"])
        scores = scores.append_column("anomaly_signal", pa.array(SIGNALS))
        names = release_ids or ("r1",)
        releases = pa.array([names[number % len(names)] for number in range(5)])
        write(tables, "scores", "run", scores.append_column("release_id", releases).slice(0, rows))
        return tables

    return make


def test_scores_meet_their_labels_amounts_and_thresholds(
    scored: Callable[..., FolderTables], registry: ReleaseRegistry
) -> None:
    table = thresholds_of_run(scored(), registry, "run", alerts_per_day=(1,), costs=COSTS)
    assert (table.payments, table.frauds, table.days, table.currency) == (5, 2, 5, "EUR")
    assert table.review is not None
    assert table.block is not None
    assert (table.review.threshold, table.block.threshold) == (0.65, 0.85)
    assert (table.review.recall, table.review.precision, table.review.alerts_per_day) == (1.0, 2 / 3, 0.6)
    assert table.review.money_saved == 100.25 - 3 - 2
    assert (table.block.recall, table.block.recall_by_amount, table.block.money_saved) == (0.5, 1.0, 99.25)
    assert table.notes == (
        "payments without a label: 1; alerts on them cost, and count as neither right nor wrong",
        "payments without an amount: 1; it counts as 0",
    )
    ((_, everything),) = table.by_budget
    assert (everything.threshold, everything.money_saved) == (0.1, 100.25 - 5 - 2 * 2)


def test_a_score_whose_payment_is_gone_is_an_alert_all_the_same(
    scored: Callable[..., FolderTables], registry: ReleaseRegistry
) -> None:
    table = thresholds_of_run(scored(gone=True), registry, "run", costs=COSTS)
    assert (table.payments, table.frauds) == (5, 1)
    assert table.block is not None
    assert (table.block.alerts_per_day, table.block.precision) == (0.2, None)


def test_a_run_that_is_not_there_is_named_beside_those_that_are(
    scored: Callable[..., FolderTables], registry: ReleaseRegistry
) -> None:
    with pytest.raises(NotFoundError, match=r"'nope': 'counterfoil score' makes them; there are: run"):
        thresholds_of_run(scored(), registry, "nope")


def test_a_run_without_payments_is_told(scored: Callable[..., FolderTables], registry: ReleaseRegistry) -> None:
    with pytest.raises(NotFoundError, match="'run' scored no payments"):
        thresholds_of_run(scored(rows=0), registry, "run")


def test_signals_of_two_releases_are_not_mixed(scored: Callable[..., FolderTables], registry: ReleaseRegistry) -> None:
    with pytest.raises(ReleaseMismatchError, match=r"2 releases \(r1, r2\)"):
        thresholds_of_run(scored("r1", "r2"), registry, "run")


def test_a_release_that_is_gone_is_named(scored: Callable[..., FolderTables], registry: ReleaseRegistry) -> None:
    with pytest.raises(NotFoundError, match="no release r9"):
        thresholds_of_run(scored("r9"), registry, "run")


def test_payments_younger_than_the_label_delay_are_left_out_and_told(
    scored: Callable[..., FolderTables], registry: ReleaseRegistry
) -> None:
    ask = partial(thresholds_of_run, scored(), registry, "run", alerts_per_day=(1,), costs=COSTS)
    table = ask(label_delay=timedelta(days=7), known_until=NOON + timedelta(days=8))
    assert (table.payments, table.frauds) == (2, 1)
    assert "3 payments younger than 7 days are left out" in " ".join(table.notes)
    with pytest.raises(NotFoundError, match=r"all payments of run 'run' are younger than 7 days.*label-delay-days 0"):
        ask(label_delay=timedelta(days=7), known_until=NOON)
    assert ask(label_delay=timedelta(days=7), known_until=NOON + timedelta(days=30)).payments == 5
