"""Past predictions of Amazon Fraud Detector stand beside ours on the same events."""

import csv
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.cli.show.policy import show_amazon
from counterfoil.domain.policy.decide import Decision
from counterfoil.domain.policy.rules import Effect
from counterfoil.domain.schemas import TRANSACTION_FIELDS
from counterfoil.domain.tables import SCORE_TABLE, TRANSACTIONS
from counterfoil.errors import InputFileError, UsageError
from counterfoil.steps.insights.amazon_trial import compare_predictions
from counterfoil.steps.releases.registration import Candidate
from counterfoil.steps.scoring.score import detect
from counterfoil.steps.scoring.scorer import Detector
from counterfoil.workspace.amazon_export import read_predictions

EVENT_ROWS = 400


def answer(event: str, outcomes: list[str], *scores: str) -> dict[str, Any]:
    evaluations = [{"outputVariableName": "shop_insightscore", "evaluationScore": score} for score in scores]
    return {"eventId": event, "outcomes": outcomes, "ruleExecutionMode": "FIRST_MATCHED",
            "evaluatedModelVersions": [{"modelId": "shop", "evaluations": evaluations}]}  # fmt: skip


def test_answers_of_the_api_are_read(tmp_path: Path) -> None:
    answers = [
        answer("e1", ["approve"], "12.0"), answer("e2", ["verify_customer", "block_payment"], "3", "985.0"),
        answer("e3", [], "5"), answer("e4", ["escalate"]), answer("e5", ["odd"]), answer("", ["approve"]),
        answer("e6", ["approve"], "high"),
    ]  # fmt: skip
    for number, one in enumerate(answers):
        (tmp_path / f"{number}.json").write_text(json.dumps(one))
    refused: Counter[str] = Counter()
    found = read_predictions(tmp_path, {"escalate": Effect.REVIEW}, refused)
    assert [(one.event_id, one.decision, one.score) for one in found] == [
        ("e1", Decision.ALLOW, 12.0), ("e2", Decision.BLOCK, 985.0), ("e3", Decision.ALLOW, 5.0),
        ("e4", Decision.REVIEW, None),
    ]  # fmt: skip
    assert sorted(why.split(":")[0] for why in refused) == [
        "a model's score is no number", "a prediction names no event", "nothing says what outcome 'odd' does",
    ]  # fmt: skip


def test_a_batch_of_predictions_is_read(tmp_path: Path) -> None:
    rows = [
        ("e1", '{"shop_insightscore": 12.0}', '["approve"]', "SUCCESS"), ("e2", "985.0", "block_payment", ""),
        ("e3", "", "", "ValidationException"), ("e1", "700", "verify_customer, approve", "SUCCESS"),
        ("e4", "", "block_payment", "a word of theirs"),
    ]  # fmt: skip
    path = tmp_path / "out.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("EVENT_ID", "MODEL_SCORES", "OUTCOMES", "STATUS"), *rows])
    refused: Counter[str] = Counter()
    found = {one.event_id: one for one in read_predictions(path, {}, refused)}
    assert {name: (one.decision, one.score) for name, one in found.items()} == {
        "e1": (Decision.ALLOW, 700.0), "e2": (Decision.BLOCK, 985.0), "e4": (Decision.BLOCK, None),
    }  # fmt: skip
    assert refused == {"the batch could not evaluate the event": 1}
    path.write_text("id,decision\n1,approve\n")
    with pytest.raises(InputFileError, match="no column EVENT_ID, OUTCOMES"):
        read_predictions(path, {}, refused)
    (tmp_path / "none").mkdir()
    with pytest.raises(UsageError, match=r"no \.json file"):
        read_predictions(tmp_path / "none", {}, refused)


@pytest.fixture
def scored(
    lake: Callable[..., FolderTables], payments: pa.Table, candidate: Candidate, embedder: Any, tmp_path: Path
) -> tuple[FolderTables, str]:
    """A lake whose last payments were scored, with their labels."""
    last = payments.slice(payments.num_rows - EVENT_ROWS)
    tables = lake(tmp_path / "lake", last)
    columns = [
        last[field.name].cast(field.type)
        if field.name in ("transaction_id", "event_time", "account_id", "label", "amount")
        else pa.array(["file"] * EVENT_ROWS) if field.name == "source"
        else pa.array(range(EVENT_ROWS), pa.int64()) if field.name == "source_line"
        else pa.nulls(EVENT_ROWS, field.type)
        for field in TRANSACTION_FIELDS
    ]  # fmt: skip
    target = tables.stage(TRANSACTIONS, "run") / "part-0.parquet"
    pq.write_table(pa.table(columns, schema=pa.schema(list(TRANSACTION_FIELDS))), target)
    tables.publish(TRANSACTIONS, "run")
    return tables, detect(tables, Detector(candidate.release, candidate.references, embedder))


def test_both_are_compared_on_the_events_that_a_run_scored(
    scored: tuple[FolderTables, str], payments: pa.Table, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tables, run = scored
    rows = payments.slice(payments.num_rows - EVENT_ROWS).to_pylist()
    for number, row in enumerate(rows):  # a peer that blocks every third fraud, and knows no more
        blocks = row["label"] == 1 and number % 3 == 0
        one = answer(row["transaction_id"], ["block_it" if blocks else "approve"], "900" if blocks else "100")
        (tmp_path / f"{number}.json").write_text(json.dumps(one))
    (tmp_path / "other.json").write_text(json.dumps(answer("of another time", ["approve"], "1")))
    found = compare_predictions(tables, run, read_predictions(tmp_path, {}, Counter()))
    blocked = sum(row["label"] == 1 for number, row in enumerate(rows) if number % 3 == 0)
    assert (found.predictions, found.matched) == (EVENT_ROWS + 1, EVENT_ROWS)
    assert sum(count for (theirs, _), count in found.decisions.items() if theirs == "block") == blocked > 0
    [path] = tables.files(SCORE_TABLE, run)
    ours = pq.read_table(path)["decision"].to_pylist()
    assert found.trial.today["alerts"] == blocked
    assert found.trial.tried["alerts"] == sum(decision != "allow" for decision in ours)
    assert found.trial.today["precision"] == 1.0
    assert found.pair is not None
    assert found.pair.second.metrics["auc"] == pytest.approx(
        0.5 + 0.5 * blocked / sum(row["label"] == 1 for row in rows)
    )
    show_amazon(found)
    assert "ours less theirs" in capsys.readouterr().out
    others = read_predictions(tmp_path / "other.json", {}, Counter())
    with pytest.raises(UsageError, match="scored none of the 1 events"):
        compare_predictions(tables, run, others)
