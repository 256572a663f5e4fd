"""Detection decides by the policy in force, as the service would, and is repeated where rules or lists changed."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from counterfoil.domain.policy.decide import decide
from counterfoil.domain.policy.lists import Entity, ListEffect, NewEntry
from counterfoil.steps.releases.registration import load_release
from counterfoil.steps.scoring import policies
from counterfoil.steps.scoring.apply_policy import decide_rows
from counterfoil.workspace.policy_files import rules_of_text

pytestmark = pytest.mark.xdist_group("whole_pipelines")  # they share their workspaces

RULES = """
name = "cards"
[[rule]]
id = "dear"
when = "amount > 60.0 && account_count_1d >= 1.0"
effect = "review"
owner = "desk"
reason = "few people spend so much twice"
[[rule]]
id = "strange"
when = "amount / fraud_similarity < 0.0 || anomaly_signal > 0.2"
effect = "block"
owner = "desk"
reason = "like no fraud, or like many"
"""


@pytest.fixture(scope="module")
def detected(copied, champion, given, output):
    """Detections without a policy, with one, with one that has a list, and after it was rolled back."""
    assert champion
    here, done = copied.workspace, {}

    def run(name: str, **changes: str) -> None:
        execution = copied.run("detection", {**given["first detection"], **changes})
        assert execution.status == "Succeeded"
        [of] = output(execution, "report", "report", "summary.json")["runs"]
        done[name] = execution, of, copied.rows("scores", of).to_pylist()

    run("thresholds")
    rules = rules_of_text(RULES, None)
    policies.propose(here.decisions, rules, "ada", "seen in the ring of May")
    policies.approve(here.decisions, rules.version, "bob", "tried on April")
    run("rules")
    account = done["rules"][2][0]["account_id"]
    entry = NewEntry(Entity.ACCOUNT, account, None, "works here")
    here.lists.add("staff", ListEffect.ALLOW, [entry], key_id=here.pseudonym_key.key_id, operator="ada")
    run("lists")
    run("again")
    done["policy"], done["account"] = here.policies.current(), account
    policies.rollback(here.decisions, "ada", "it was a try")
    here.lists.end("staff", Entity.ACCOUNT, account)
    run("none", Policy="-")
    return done


def cached(execution: Any) -> set[str]:
    return {step.name for step in execution.steps if step.cached_from}


def test_only_what_the_policy_changes_is_repeated(detected):
    before = {"collect", "curate", "features"}
    assert cached(detected["rules"][0]) == cached(detected["lists"][0]) == before
    assert cached(detected["again"][0]) == cached(detected["none"][0]) == {*before, "detect", "report"}
    rules, lists = (detected[name][0].parameters["Policy"] for name in ("rules", "lists"))
    assert detected["rules"][0].step("detect").cache == (f"argument --policy: - -> {rules}",)
    assert detected["lists"][0].step("detect").cache == (f"argument --policy: {rules} -> {lists}",)
    assert detected["none"][0].parameters["Policy"] == "-"


def test_every_score_records_the_policy(detected, output):
    version = detected["policy"].version
    for name, wanted in (("thresholds", None), ("rules", version), ("lists", version), ("none", None)):
        execution, run, scores = detected[name]
        assert {score["policy_version"] for score in scores} == {wanted}
        assert run.endswith(f"-{version}") == (wanted is not None)
        assert output(execution, "report", "report", "summary.json")["policy"] == wanted


def test_the_service_would_decide_the_same(detected, copied):
    """Payment by payment, from the evidence that the batch kept."""
    _, run, scores = detected["lists"]
    evidence = {row["transaction_id"]: row for row in copied.rows("scored_evidence", run).to_pylist()}
    payments = {row["transaction_id"]: row for row in copied.rows("transactions").to_pylist()}
    release = load_release(copied.workspace.registry, scores[0]["release_id"])
    alone = decide(np.array([score["anomaly_signal"] for score in scores]), release.thresholds).to_pylist()
    again = [{**score, "decision": decision} for score, decision in zip(scores, alone, strict=True)]
    names = [score["transaction_id"] for score in again]
    facts, rows = ([table[name] for name in names] for table in (evidence, payments))
    decide_rows(detected["policy"], again, facts, rows, datetime.now(UTC))
    assert again == scores
    spoken = {hit for score in scores for hit in score["policy_hits"]}
    assert spoken == {"allow: list staff", "review: rule dear", "block: rule strange"}
    assert {score["decision"] for score in scores} == {"allow", "review", "block"}
    mine = [score for score in scores if score["account_id"] == detected["account"]]
    assert {score["decision"] for score in mine} == {"allow"}
