"""The service decides with the policy in force, and a batch by the same policy decides alike."""

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from counterfoil.domain.intake.requests import clean_requests
from counterfoil.domain.policy.fields import known_fields
from counterfoil.domain.policy.rules import read_rules
from counterfoil.domain.release.release import Release, scored_schema
from counterfoil.domain.schemas import SCORES
from counterfoil.ports.service import KeptScore
from counterfoil.steps.scoring.apply_policy import decided_in_batch, payments_of_rows
from counterfoil.steps.scoring.policies import approve, propose, rollback, rules_of, standing

RULES = """
name = "cards"
[[rule]]
id = "dear"
when = "amount > 20.0 && anomaly_signal < 0.9"
effect = "review"
owner = "desk"
reason = "to be looked at"
[[rule]]
id = "new-merchant"
when = "account_merchant_is_first_30d == 1.0 && amount > 40.0"
effect = "block"
owner = "desk"
reason = "to be stopped"
"""


def as_kept(kept: dict[str, KeptScore], rows: list[dict[str, Any]], release: Release) -> pa.Table:
    """The evidence that the service kept, in the order of the payments."""
    evidence = [dict(kept[row["transaction_id"]].evidence) for row in rows]
    for row in evidence:
        row["event_time"] = datetime.fromisoformat(row["event_time"])
    return pa.Table.from_pylist(evidence, schema=scored_schema(release))


def test_each_answer_records_the_policy_that_decided(scoring_place: Any) -> None:
    place = scoring_place.open()
    rules = read_rules(RULES, known_fields())
    assert place.policies.current() is None
    propose(place.decisions, rules, "Ann", "for a test")
    approve(place.decisions, rules.version, "Bob", "for a test")
    try:
        in_use = place.champion.refresh()
        assert in_use.policy is not None
        named = [
            {**row, "payment_id": f"policy-online-{number}"} for number, row in enumerate(scoring_place.newer[:60])
        ]
        arrivals = clean_requests(named, in_use.source, key=place.pseudonym_key)
        answers = [kept.answer for kept in place.online_scorer.score(arrivals, in_use)]
    finally:
        rollback(place.decisions, "Ann", "the test is over")
    assert {answer["policy_version"] for answer in answers} == {rules.version}
    spoken = {hit for answer in answers for hit in answer["policy_hits"]}
    assert {"review: rule dear"} <= spoken
    assert in_use.policy is not None
    rows = arrivals.payments.to_pylist()
    evidence = as_kept(place.scores.find([row["transaction_id"] for row in rows]), rows, in_use.detector.release)
    alone = in_use.detector.score(evidence)
    payments = payments_of_rows(in_use.policy, rows)
    again = decided_in_batch(in_use.policy, alone, evidence, payments, datetime.now(UTC))
    assert again.schema.equals(SCORES)
    assert [(row["decision"], row["policy_hits"]) for row in again.to_pylist()] == [
        (answer["decision"], answer["policy_hits"]) for answer in answers
    ]
    assert rules_of(standing(place.decisions), rules.version) == rules
    assert place.champion.refresh().policy is None
