"""What fails fails as on SageMaker: with the step, the reason and the end of its log, and nothing registered."""

import csv
import json
import re
import shutil

import pytest

from counterfoil.errors import NotFoundError, UsageError

pytestmark = pytest.mark.xdist_group("whole_pipelines")  # they share their workspaces

SECRETS = ("jane.doe@example.com", "4111111111111111", "198.18.7.7")


@pytest.fixture
def untrained(given):
    """Parameters of a training that has no champion to look for."""
    return {**given["second training"], "Champion": "-"}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"MinAuc": "high"}, "MinAuc is 'high': give a number from 0 to 1"),
        ({"TrainUntil": "2024-02-31"}, "TrainUntil is '2024-02-31': give a day"),
        ({"EvaluateFrom": "2024-01-05"}, "EvaluateFrom 2024-01-05 must be after TrainUntil"),
        ({"Colour": "red"}, "unknown: Colour"),
    ],
    ids=["share", "day", "order", "unknown"],
)
def test_a_wrong_parameter_is_refused_before_anything_runs(other, untrained, wrong, words):
    before = set((other.root / "executions").glob("*"))
    with pytest.raises(UsageError, match=words):
        other.run("training", {**untrained, **wrong})
    assert set((other.root / "executions").glob("*")) == before


def test_no_raw_files(other, untrained):
    with pytest.raises(NotFoundError, match="no raw files under 's3://counterfoil-local/raw/none'"):
        other.run("training", {**untrained, "RawUri": "s3://counterfoil-local/raw/none"})


@pytest.mark.parametrize("gone", ["raw/second", "lake/transactions"])
def test_an_input_that_is_gone_when_its_step_starts(other, untrained, gone):
    other.workspace.tables.prepare("transactions")
    where = other.root / gone
    aside = where.rename(where.with_name(f"{where.name}-aside"))
    shutil.move(aside, other.root / "aside")
    try:
        execution = other.run("training", {**untrained, "InputVersion": "1"}, prepared=True)
    finally:
        shutil.move(other.root / "aside", where)
    assert (execution.status, execution.failed_step) == ("Failed", "collect")
    assert f'ClientError: No S3 objects found under S3 URL "s3://counterfoil-local/{gone}"' in execution.reason
    assert {step.status for step in execution.steps[1:]} == {"Waiting"}


def test_a_wrong_mapping(other, untrained):
    execution = other.run("training", {**untrained, "Mapping": "counterfoil-simulate"})
    assert (execution.status, execution.failed_step) == ("Failed", "collect")
    assert "AlgorithmError: " in execution.reason
    assert "counterfoil-simulate" in execution.reason
    assert "counterfoil-simulated" in execution.reason
    assert execution.log_tail[-1] in execution.reason
    assert "Traceback" not in "\n".join(execution.log_tail)


def test_a_crash_tells_no_personal_data(other, untrained):
    fault = {"at": "counterfoil.steps.features:_sort", "do": "crash", "say": " ".join(SECRETS)}
    with other.fault("features", fault=fault):
        execution = other.run("training", {**untrained, "LabelDelayDays": "6"})  # no other test's: it is not cached
    assert execution.failure == "step 'features' failed: AlgorithmError: unexpected ValueError: see the log"
    log = (execution.folder / "logs" / "features" / "algo-1.log").read_text()
    assert execution.log_tail == tuple(log.splitlines()[-20:])
    assert "Traceback" in log
    assert execution.log_tail[-1] == "unexpected ValueError: see the log"
    assert not any(secret in execution.failure for secret in SECRETS)


def test_a_gate_that_fails_ends_the_execution_with_its_figures(life, output):
    refused = life.executions["refused training"]
    assert (refused.status, refused.failed_step) == ("Failed", "fail")
    verdict = output(refused, "gate", "verdict", "verdict.json")
    assert not verdict["passed"]
    assert verdict["summary"] in refused.reason
    auc = verdict["figures"]["auc"]
    assert f"AUC {auc:.4f}, at least 1.0000: not held" in refused.reason
    assert refused.step("register").status == "Skipped"
    assert not (refused.folder / "register").exists()
    assert (life.refused["releases"], life.refused["decisions"]) == ({}, 0)


def test_months_without_frauds_are_trained_on_and_fail_at_the_gate_in_words(alone, given, output):
    raw = alone.root / "raw" / "quiet"
    raw.mkdir()
    for name in ("0.csv", "1.csv"):
        with (
            (alone.root / "raw" / "first" / name).open(newline="") as source,
            (raw / name).open("w", newline="") as out,
        ):
            header, *rows = csv.reader(source)
            place = header.index("is_fraud")
            csv.writer(out).writerows([header, *([*row[:place], "0", *row[place + 1 :]] for row in rows)])
    parameters = {**given["first training"], "Champion": "-", "RawUri": "s3://counterfoil-local/raw/quiet"}
    execution = alone.run("training", parameters)
    assert (execution.status, execution.failed_step) == ("Failed", "fail")
    assert re.search(r"0 frauds among [\d,]+ labelled payments, at least 5: not held", execution.reason)
    verdict = output(execution, "gate", "verdict", "verdict.json")
    assert not verdict["passed"]
    json.dumps(verdict, allow_nan=False)
    assert alone.state()["releases"] == {}


def test_a_file_that_fails_fails_the_execution_and_is_tried_again(alone, untrained):
    raw = alone.root / "raw" / "partly"
    raw.mkdir()
    shutil.copy(alone.root / "raw" / "third" / "0.csv", raw / "good.csv")
    (raw / "bad.csv").write_text("renamed,columns\n1,2\n")
    (raw / "day_$folder$").write_bytes(b"")
    parameters = {**untrained, "RawUri": "s3://counterfoil-local/raw/partly"}
    for _ in range(2):  # the next night it is no success from the cache
        execution = alone.run("training", parameters)
        assert (execution.status, execution.failed_step) == ("Failed", "publish")
        assert "1 of the files could not be collected: bad.csv: " in execution.reason
        assert "AllowFailedFiles=true" in execution.reason
        assert execution.step("collect").cached_from is None
        [run] = alone.workspace.tables.runs("transactions")
        assert alone.rows("transactions", run).num_rows > 0
        states = {entry.file.location[-8:]: entry.state for entry in alone.workspace.ledger.entries()}
        assert (states["good.csv"], states["/bad.csv"]) == ("done", "failed")
