"""What the tables of learning curves and of weekly retraining are made of: who is known when."""

import importlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.domain.encoding.evidence import EvidenceSchema
from counterfoil.domain.features.spec import DEFAULT_SPECS
from counterfoil.domain.periods import Period
from counterfoil.domain.schemas import TIMESTAMP
from counterfoil.steps.backtest import Windows

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
START = datetime(2024, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
WINDOWS = Windows(Period(START, START + 7 * DAY), Period(START + 14 * DAY, START + 21 * DAY))


@pytest.fixture(scope="module")
def benchmark() -> Iterator[dict[str, ModuleType]]:
    names = (
        "quality_ablation",
        "quality_daily",
        "quality_evidence",
        "quality_few_labels",
        "quality_groups",
        "quality_novelty",
        "quality_prequential",
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        yield {name.removeprefix("quality_"): importlib.import_module(name) for name in names}


def payments(*rows: tuple[float, float, int], account: str = "a") -> pa.Table:
    """Rows of days after START on which they were made and on which their label became known, and the label."""
    made, known, labels = zip(*rows, strict=True)
    return pa.table(
        {
            "transaction_id": [f"t{place}" for place in range(len(rows))],
            "account_id": [account] * len(rows),
            "event_time": pa.array([START + days * DAY for days in made], TIMESTAMP),
            "known_at": pa.array([START + days * DAY for days in known], TIMESTAMP),
            "label": pa.array(labels, pa.int8()),
        }
    )


def test_frauds_are_added_from_the_midnight_on_at_which_they_are_known(benchmark: Any) -> None:
    daily = benchmark["daily"]
    table = payments((8, 15.5, 1), (8, 15, 1), (-1, 15, 1), (15, 22, 1), (8, 15, 0))
    way = daily.Way("frauds", frauds=True)
    by_day = [daily.addable(table, WINDOWS, moment, way).tolist() for moment in daily.days(WINDOWS)]
    assert by_day[0] == [False] * 5
    assert by_day[1] == [False, True, False, False, False]
    assert by_day[2] == [True, True, False, False, False]
    assert by_day[6] == by_day[2]  # one from before the training window, one whose label comes too late


def test_what_was_trained_on_is_not_added_again_but_late_labels_are(benchmark: Any) -> None:
    daily = benchmark["daily"]
    table = payments((3, 10, 1), (3, 14, 1), (3, 15, 1))
    found = daily.addable(table, WINDOWS, START + 16 * DAY, daily.Way("frauds", frauds=True))
    assert found.tolist() == [False, False, True]


def test_of_each_day_only_the_first_good_payments_are_added(benchmark: Any) -> None:
    daily = benchmark["daily"]
    table = payments(*[(8.1, 15.1, 0)] * 3, (8.2, 15.2, 1), *[(9.1, 16.1, 0)] * 3)
    way = daily.Way("both", frauds=True, good_a_day=2)
    found = [daily.addable(table, WINDOWS, START + days * DAY, way).tolist() for days in (15, 16, 17)]
    assert found[0] == [False] * 7
    assert found[1] == [True, True, False, True, False, False, False]
    assert found[2] == [True, True, False, True, True, True, False]
    thinned = table.filter(pa.array(found[2]))
    assert daily.addable(thinned, WINDOWS, START + 17 * DAY, way).all()  # a pool may be thinned before


def test_a_week_is_cut_into_its_days(benchmark: Any) -> None:
    daily = benchmark["daily"]
    table = payments((14, 21, 0), (14.999, 22, 1), (15, 22, 0), (20.5, 28, 1))
    flags = np.array([daily.of_day(table, moment) for moment in daily.days(WINDOWS)])
    assert flags.shape == (7, 4)
    assert flags.argmax(axis=0).tolist() == [0, 0, 1, 6]
    assert (flags.sum(axis=0) == 1).all()


def test_a_base_grows_by_the_rows_that_are_named(benchmark: Any) -> None:
    base = (np.eye(3, dtype=np.float32)[:1], np.array([0], np.int8))
    more = (np.eye(3, dtype=np.float32)[1:], np.array([1, 0], np.int8))
    vectors, labels = benchmark["daily"].grown(base, more, np.array([False, True]))
    assert vectors.tolist() == [[1, 0, 0], [0, 0, 1]]
    assert labels.tolist() == [0, 0]


def test_weeks_follow_each_other_and_each_waits_for_its_labels(benchmark: Any) -> None:
    cases = benchmark["prequential"].weeks("2018-06-27", 3)
    assert [case.name for case in cases] == ["2018-06-27", "2018-07-04", "2018-07-11"]
    for case in cases:
        assert case.split.test.since.date().isoformat() == case.name
        assert case.split.test.since - case.split.training.until == 7 * DAY
        assert case.exclude_compromised


def test_the_first_frauds_stay_and_all_good_payments(benchmark: Any) -> None:
    labels = np.array([0, 1, 1, 0, 1, 0], np.int8)
    kept = [benchmark["few_labels"].first_frauds(labels, most) for most in (0, 2, 9)]
    assert [np.flatnonzero(one).tolist() for one in kept] == [[0, 3, 5], [0, 1, 2, 3, 5], [0, 1, 2, 3, 4, 5]]


def test_a_curve_ends_with_all_frauds_and_never_asks_for_more(benchmark: Any) -> None:
    points = benchmark["few_labels"].points
    assert points((100, 0, 20), 365) == (0, 20, 100, 365)
    assert points((0, 20, 100), 60) == (0, 20, 60)
    assert points((0, 20), 20) == (0, 20)


def test_the_best_peer_is_not_ours(benchmark: Any) -> None:
    point = benchmark["few_labels"].Point(20, "calibrated", {"Counterfoil": 0.9, "forest": 0.7, "boosting": 0.8})
    assert point.best_peer == ("boosting", 0.8)
    assert "| ours less the best peer | +.100 |" in benchmark["few_labels"].table_of("cards", [point])


def test_accounts_leave_the_test_at_the_midnight_at_which_they_are_known_to_be_compromised(
    benchmark: Any, tmp_path: Path
) -> None:
    tables = FolderTables(tmp_path)
    found_out = payments((8, 15.5, 1), (14, 21, 0), (15.9, 23, 0), (16, 23, 1))
    before = payments((-1, 6, 1), (17, 24, 1), account="before the training window")
    other = payments((18, 25, 0), account="other")
    everything = pa.concat_tables([found_out, before, other]).set_column(0, "transaction_id", pa.array(list("abcdefg")))
    pq.write_table(everything, tables.stage("evidence", "all") / "part-0.parquet")
    tables.publish("evidence", "all")
    case = benchmark["prequential"].week("2024-01-15", "week")
    assert case.split == WINDOWS
    judged = benchmark["evidence"].judged_payments(tables, case, case.split)
    assert judged.column("transaction_id").to_pylist() == ["b", "c", "f", "g"]


SCHEMA = EvidenceSchema(
    ("amount", "v1", *(spec.name for spec in DEFAULT_SPECS)), ("category",), ("merchant_id", "category")
)


def test_each_column_is_in_one_group_of_evidence(benchmark: Any) -> None:
    groups = benchmark["groups"]
    sizes = {name: groups.size_of(SCHEMA, name) for name in groups.NAMES}
    assert min(sizes.values()) > 0
    assert sum(sizes.values()) == len(SCHEMA.numeric) + len(SCHEMA.cyclic) + 1 + 2


def test_a_group_leaves_the_schema_whole_and_alone(benchmark: Any) -> None:
    without = benchmark["groups"].without
    assert without(SCHEMA, "all evidence") == SCHEMA
    assert without(SCHEMA, "text block").categorical == ("category",)
    assert without(SCHEMA, "category").textual == ("merchant_id", "category")
    timeless = without(SCHEMA, "time of day and week")
    assert timeless.cyclic == ()
    assert set(SCHEMA.numeric) - set(timeless.numeric) == {"account_quarter_share_30d"}
    riskless = without(SCHEMA, "IP's frauds")
    rates = {f"source_ip_fraud_rate_{days}d" for days in (1, 7, 30)}
    counts = {f"source_ip_frauds_{days}d" for days in (90, 365)}
    assert set(SCHEMA.numeric) - set(riskless.numeric) == rates | counts
    assert "merchant_fraud_rate_1d" in riskless.numeric


def test_a_group_counts_where_every_seed_loses_without_it(benchmark: Any) -> None:
    ablation = benchmark["ablation"]
    columns = {ablation.ALL: 9, "amount": 1, "category": 2}
    cards = ablation.Ablated(columns, {ablation.ALL: (0.8, 0.82), "amount": (0.7, 0.7), "category": (0.8, 0.8)})
    other = ablation.Ablated(columns, {ablation.ALL: (0.5, 0.5), "amount": (0.51, 0.51)})
    mixed = ablation.Ablated(columns, {ablation.ALL: (0.8, 0.804), "amount": (0.7, 0.81)})
    table = ablation.table_of({"cards": cards, "other": other, "mixed": mixed})
    assert "| without amount | -.110 (1) | +.010 (1) | -.047 (1) | 1 of 3 |" in table
    assert "| without category | -.010 (2) | - | - | 0 of 1 |" in table
    assert "| without text block | - | - | - | 0 of 0 |" in table


def test_scenarios_are_looked_up_by_the_id_of_the_payment(benchmark: Any, tmp_path: Path) -> None:
    novelty = benchmark["novelty"]
    frauds = pa.table({"TRANSACTION_ID": [7, 8, 9], "TX_FRAUD_SCENARIO": [0, 3, 1]})
    pq.write_table(frauds, tmp_path / "handbook.parquet")
    scenarios = novelty.scenario_by_id(tmp_path / "handbook.parquet")
    assert novelty.of_payments(pa.table({"transaction_id": ["9", "7"]}), scenarios).tolist() == [1, 0]


def test_an_unseen_scenario_has_a_row_a_system(benchmark: Any) -> None:
    novelty = benchmark["novelty"]
    figures = {"ours": novelty.ranked(np.array([True, False, False]), np.array([0.9, 0.1, 0.95]))}
    table = novelty.table_of("2018-07-11", dict.fromkeys(novelty.SCENARIOS, figures))
    assert table.splitlines()[-1].split("|")[1:4] == [" ours ", " .500 ", " .500 "]
