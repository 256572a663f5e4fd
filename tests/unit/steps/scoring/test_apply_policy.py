"""A policy decides on scores alike in a batch and one by one, and each score records it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.domain.periods import EPOCH, Period
from counterfoil.domain.policy.cel_tree import Kind
from counterfoil.domain.policy.contender import Change, Contender
from counterfoil.domain.policy.decide import decide
from counterfoil.domain.policy.fields import known_fields
from counterfoil.domain.policy.lists import ENTRIES, Lists
from counterfoil.domain.policy.policy import Policy
from counterfoil.domain.policy.rules import read_rules
from counterfoil.domain.schemas import SCORES, TRANSACTION_FIELDS
from counterfoil.domain.tables import SCORE_TABLE, TRANSACTIONS
from counterfoil.errors import UsageError
from counterfoil.steps.insights.policy_trial import backtest_policy
from counterfoil.steps.releases.registration import Candidate
from counterfoil.steps.scoring.apply_policy import (
    decide_rows,
    decided_in_batch,
    inputs,
    payments_of_lake,
)
from counterfoil.steps.scoring.score import as_scored, detect
from counterfoil.steps.scoring.scorer import Detector

LAST_WEEK = Period(since=datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=83))
NOW = datetime(2026, 1, 1, tzinfo=UTC)

RULES = """
name = "cards"
[[rule]]
id = "dear"
when = "amount > 50.0 && anomaly_signal < 0.9"
effect = "review"
owner = "desk"
reason = "few people spend so much"
[[rule]]
id = "odd"
when = "n0 > 1.0 || n1 / n2 > 3.0"
effect = "block"
owner = "desk"
reason = "seen in the ring of May"
"""


@pytest.fixture(scope="module")
def detector(candidate: Candidate, embedder: Any) -> Detector:
    return Detector(candidate.release, candidate.references, embedder)


@pytest.fixture
def tables(lake: Callable[..., FolderTables], payments: pa.Table, tmp_path: Path) -> FolderTables:
    """A lake with evidence, and the payments behind all but the last of it."""
    tables = lake(tmp_path / "lake", payments)
    there = payments.slice(0, payments.num_rows - 1)
    amounts = pa.array([Decimal(number % 100) for number in range(there.num_rows)], pa.decimal128(18, 4))
    columns = [
        amounts if field.name == "amount" else there[field.name].cast(field.type)
        if field.name in ("transaction_id", "event_time", "account_id", "merchant_id", "label")
        else pa.array(["file"] * there.num_rows) if field.name == "source"
        else pa.array(range(there.num_rows), pa.int64()) if field.name == "source_line"
        else pa.nulls(there.num_rows, field.type)
        for field in TRANSACTION_FIELDS
    ]  # fmt: skip
    target = tables.stage(TRANSACTIONS, "run") / "part-0.parquet"
    pq.write_table(pa.table(columns, schema=pa.schema(list(TRANSACTION_FIELDS))), target)
    tables.publish(TRANSACTIONS, "run")
    return tables


@pytest.fixture
def policy(payments: pa.Table) -> Policy:
    account = payments["account_id"][payments.num_rows - 1].as_py()
    entry = dict(zip(ENTRIES.names, ("staff", "allow", "account", account, NOW, None), strict=True))
    kinds = known_fields() | dict.fromkeys(("n0", "n1", "n2"), Kind.NUMBER)
    return Policy(read_rules(RULES, kinds), Lists(pa.Table.from_pylist([entry], schema=ENTRIES)))


def test_a_batch_and_single_payments_get_the_same_decisions(
    tables: FolderTables, policy: Policy, detector: Detector, payments: pa.Table
) -> None:
    evidence = as_scored(payments.slice(2_500), detector.release)
    scores = detector.score(evidence)
    found = payments_of_lake(policy, tables, scores)
    in_batch = decided_in_batch(policy, scores, evidence, found, NOW)
    one_by_one = scores.to_pylist()
    decide_rows(policy, one_by_one, evidence.to_pylist(), found.to_pylist(), NOW)
    assert in_batch.to_pylist() == one_by_one
    assert in_batch.schema.equals(SCORES)
    spoken = {hit for hits in in_batch["policy_hits"].to_pylist() for hit in hits}
    assert spoken == {"review: rule dear", "block: rule odd", "allow: list staff"}
    assert in_batch["transaction_id"].equals(scores["transaction_id"])
    assert not in_batch["decision"].equals(scores["decision"])


def test_an_amount_is_not_above_a_bound_that_it_equals() -> None:
    rules = RULES.split("[[rule]]")[1].replace("amount > 50.0 && anomaly_signal < 0.9", "amount > 5636.78")
    policy = Policy(read_rules(f'name = "bound"\n[[rule]]{rules}', known_fields()), Lists(ENTRIES.empty_table()))
    amount = Decimal("5636.7800")
    batch = pa.table({"amount": pa.array([amount], pa.decimal128(18, 4))})
    read = inputs(policy, pa.table({"decision": ["allow"]}), pa.table({}), batch)
    assert read["amount"].to_pylist() == [5636.78]
    scores: list[dict[str, Any]] = [{"decision": "allow"}]
    decide_rows(policy, scores, [{}], [{"amount": amount}], NOW)
    assert (scores[0]["decision"], scores[0]["policy_hits"]) == ("allow", [])


def test_a_run_records_the_policy_in_every_score(tables: FolderTables, policy: Policy, detector: Detector) -> None:
    run = detect(tables, detector, period=LAST_WEEK, policy=policy)
    [path] = tables.files(SCORE_TABLE, run)
    scores = pq.read_table(path)
    assert run.endswith(f"-{policy.version}")
    assert set(scores["policy_version"].to_pylist()) == {policy.version}
    rows = scores.to_pylist()
    assert any("review: rule dear" in row["policy_hits"] for row in rows)
    assert rows[-1]["policy_hits"][0] == "allow: list staff"
    assert rows[-1]["decision"] == "allow"


def test_without_a_policy_the_thresholds_decide_alone(tables: FolderTables, detector: Detector) -> None:
    [path] = tables.files(SCORE_TABLE, detect(tables, detector, period=LAST_WEEK))
    scores = pq.read_table(path)
    assert scores["policy_version"].null_count == scores["policy_hits"].null_count == scores.num_rows


def _by(detector: Detector, policy: Policy | None) -> Contender:
    return Contender(policy, detector.release.thresholds)


def test_a_backtest_makes_the_decisions_that_a_run_made(
    tables: FolderTables, policy: Policy, detector: Detector
) -> None:
    rules = Policy(policy.rules)
    run = detect(tables, detector, period=LAST_WEEK, policy=rules)
    [path] = tables.files(SCORE_TABLE, run)
    stored = pq.read_table(path)
    trial = backtest_policy(tables, run, _by(detector, rules), _by(detector, None))
    assert trial.tried["alerts"] == sum(decision != "allow" for decision in stored["decision"].to_pylist())
    alone = decide(stored["anomaly_signal"].to_numpy(), detector.release.thresholds).to_pylist()
    assert trial.today["alerts"] == sum(decision != "allow" for decision in alone)
    assert trial.changed == sum(a != b for a, b in zip(alone, stored["decision"].to_pylist(), strict=True)) > 0
    assert (trial.payments, trial.unlabelled) == (stored.num_rows, 1)
    assert trial.differences["alerts"].low is not None
    assert trial.differences["alerts"].low <= trial.differences["alerts"].value <= trial.differences["alerts"].high


def test_a_long_span_is_decided_part_by_part(
    tables: FolderTables, policy: Policy, detector: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = detect(tables, detector, period=LAST_WEEK)
    whole = backtest_policy(tables, run, _by(detector, policy), _by(detector, None))
    decided: list[int] = []
    monkeypatch.setattr("counterfoil.steps.insights.policy_trial.AT_A_TIME", 50)
    monkeypatch.setattr(
        "counterfoil.steps.insights.policy_trial.payments_of_lake",
        lambda *given: decided.append(given[2].num_rows) or payments_of_lake(*given),
    )
    assert backtest_policy(tables, run, _by(detector, policy), _by(detector, None)) == whole
    assert sum(decided) == whole.payments
    assert len(decided) > 1
    assert max(decided) < whole.payments / 2


def test_a_list_of_today_changes_nothing_of_the_past(tables: FolderTables, policy: Policy, detector: Detector) -> None:
    run = detect(tables, detector, period=LAST_WEEK)
    trial = backtest_policy(tables, run, _by(detector, policy), _by(detector, Policy(policy.rules)))
    assert trial.changed == 0
    assert all(difference.value in (0.0, None) for difference in trial.differences.values())


def test_a_span_without_payments_is_told(tables: FolderTables, policy: Policy, detector: Detector) -> None:
    run = detect(tables, detector, period=LAST_WEEK)
    with pytest.raises(UsageError, match="no payments in this span"):
        backtest_policy(tables, run, _by(detector, policy), _by(detector, None), period=Period(since=NOW))


def test_thresholds_are_tried_beside_those_of_the_release(tables: FolderTables, detector: Detector) -> None:
    run = detect(tables, detector, period=LAST_WEEK)
    [path] = tables.files(SCORE_TABLE, run)
    signal = pq.read_table(path)["anomaly_signal"].to_numpy()
    lower, today = float(np.quantile(signal, 0.5)), _by(detector, None)
    trial = backtest_policy(tables, run, Change(review=lower, block=1.0).of(today), today)
    assert trial.tried["alerts"] == (signal >= lower).sum() > trial.today["alerts"]


def test_a_budget_sends_the_riskiest_and_no_more_a_day(tables: FolderTables, detector: Detector) -> None:
    run = detect(tables, detector, period=LAST_WEEK)
    everything = Contender(None, replace(detector.release.thresholds, review=0.0))
    trial = backtest_policy(tables, run, Change(alerts_per_day=3).of(everything), everything)
    assert trial.busiest_day is not None
    assert trial.busiest_day[0] == 3 < trial.busiest_day[1]
    assert trial.tried["alerts"] <= 3 * 8 < trial.today["alerts"] == trial.payments
    assert trial.changed == 0  # a budget says who is told, not what is decided


def test_a_list_that_is_tried_counts_for_the_whole_past(
    tables: FolderTables, policy: Policy, detector: Detector
) -> None:
    run = detect(tables, detector, period=LAST_WEEK)
    account = policy.lists.entries["value"][0].as_py()
    entry = dict(zip(ENTRIES.names, ("tried", "block", "account", account, EPOCH, None), strict=True))
    today = _by(detector, None)
    added = Lists(pa.Table.from_pylist([entry], schema=ENTRIES))
    trial = backtest_policy(tables, run, Change(added=added).of(today), today)
    assert trial.changed > 0
    assert Change().of(today) == today
