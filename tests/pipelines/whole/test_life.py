"""Champion, challenger, rollback and replay: two releases through both pipelines."""

import random

import pyarrow.parquet as pq
import pytest

from counterfoil.domain.tables import TABLES
from counterfoil.errors import UsageError
from counterfoil.ports.stores import Stores
from counterfoil.steps.releases.releases import CHAMPION, resolve, retire
from counterfoil.steps.scoring.replay_score import Replayer

pytestmark = pytest.mark.xdist_group("whole_pipelines")  # they share their workspaces

DETECTIONS = ("first detection", "second detection", "whole detection")


def test_each_execution_came_to_its_end(life):
    ended = {name: (done.status, done.failed_step) for name, done in life.executions.items()}
    assert ended.pop("refused training") == ("Failed", "fail")
    assert set(ended.values()) == {("Succeeded", None)}


def test_a_candidate_is_held_against_the_champion_of_its_time(life, output):
    first, second = life.releases
    assert first != second
    alone = output(life.executions["first training"], "gate", "verdict", "verdict.json")
    assert alone["passed"]
    assert "champion_average_precision" not in alone["figures"]
    held = output(life.executions["second training"], "gate", "verdict", "verdict.json")
    assert life.executions["second training"].parameters["Champion"] == first
    assert f"of champion {first}: difference" in held["summary"]
    figures = held["figures"]
    assert figures["lead"] == pytest.approx(figures["average_precision"] - figures["champion_average_precision"])
    # Three accounts have frauds: too few for an interval.
    assert figures["lead_low"] is figures["lead_high"] is None
    assert "too few accounts with frauds for an interval: 3, at least 10" in held["summary"]


def test_training_finds_what_detection_collected(life, output):
    collected = output(life.executions["second training"], "collect", "summary", "summary.json")
    assert (collected["files_skipped"], collected["rows_in"]) == (1, 0)
    trained = output(life.executions["second training"], "train", "summary", "summary.json")
    before = output(life.executions["first training"], "train", "summary", "summary.json")
    assert trained["rows"] > before["rows"]
    assert trained["frauds"] > before["frauds"]


def test_every_table_has_the_columns_that_its_declaration_names(life):
    for table in TABLES:
        files = life.place.workspace.tables.files(table.name)
        missing = {column.name for column in table.columns} - {*pq.read_schema(files[0]).names} if files else set()
        assert not missing, table.name


@pytest.mark.parametrize(("detection", "release"), zip(DETECTIONS, (0, 1, 0), strict=True))
def test_scores_name_the_release_that_was_champion(life, output, detection, release):
    run = life.run_of(detection)
    scores = life.place.rows("scores", run)
    assert set(scores["release_id"].to_pylist()) == {life.releases[release]}
    assert run.startswith(life.releases[release])
    summary = output(life.executions[detection], "report", "report", "summary.json")
    assert summary["payments"] == scores.num_rows > 100
    assert sum(entry["payments"] for entry in summary["days"]) == scores.num_rows


@pytest.mark.parametrize("detection", DETECTIONS[:2])
def test_a_hundred_scores_of_each_release_are_replayed(life, replayer, detection):
    run = life.run_of(detection)
    ids = life.place.rows("scores", run)["transaction_id"].to_pylist()
    replayed = [replayer.replay(name, run) for name in random.Random(5).sample(ids, 100)]
    assert [replay.transaction_id for replay in replayed if not replay.ok] == []
    assert max(replay.difference for replay in replayed) <= 1e-6
    assert len({replay.stored["anomaly_signal"] for replay in replayed}) > 50


@pytest.fixture(scope="module")
def replayer(life, embedder):
    here = life.place.workspace
    return Replayer(Stores(here.tables, here.references_for_scoring, here.registry, embedder))


def test_payments_get_the_same_score_whenever_one_release_scores_them(life):
    columns = ["transaction_id", "anomaly_signal", "precedents"]
    then = life.place.rows("scores", life.run_of("first detection")).select(columns).to_pylist()
    later = life.place.rows("scores", life.run_of("whole detection")).select(columns).to_pylist()
    later_by_id = {row["transaction_id"]: row for row in later}
    assert max(abs(row["anomaly_signal"] - later_by_id[row["transaction_id"]]["anomaly_signal"]) for row in then) < 1e-6


def test_a_retired_release_is_refused_and_the_log_tells_it_all(life, given):
    here, (first, second) = life.place.workspace, life.releases
    assert resolve(here.registry, CHAMPION) == first
    retire(here.registry, here.decisions, second, "bob", "not better")
    before = len(list((life.place.root / "executions").iterdir()))
    with pytest.raises(UsageError, match=f"release {second} is retired"):
        life.place.run("detection", {**given["second detection"], "Release": second})
    assert len(list((life.place.root / "executions").iterdir())) == before
    told = [(e.kind, e.subject, e.actor, e.details.get("previous")) for e in here.decisions.entries()]
    assert told == [
        ("promote", first, "ci", None), ("promote", first, "ada", None),
        ("promote", second, "ci", None), ("promote", second, "bob", first),
        ("rollback", first, "ada", second), ("retire", second, "bob", None),
    ]  # fmt: skip
    reasons = [entry.reason for entry in here.decisions.entries()]
    assert "AUC" in reasons[0]
    assert reasons[3:] == ["it knows the frauds of February", "too many alerts", "not better"]
    assert [entry.details.get("gate") for entry in here.decisions.entries()[:4]] == ["passed"] * 4
