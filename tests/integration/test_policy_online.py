"""The service decides with the policy in force, and a batch by the same policy decides alike."""

import pyarrow as pa

from counterfoil.domain.intake.requests import clean_requests
from counterfoil.domain.policy.fields import known_fields
from counterfoil.domain.policy.rules import read_rules
from counterfoil.domain.schemas import SCORES, TIMESTAMP
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


def test_each_answer_records_the_policy_that_decided(scoring_place) -> None:  # type: ignore[no-untyped-def]
    place = scoring_place.open()
    rules = read_rules(RULES, known_fields())
    assert place.policies.current() is None
    propose(place.decisions, rules, "Ann", "for a test")
    approve(place.decisions, rules.version, "Bob", "for a test")
    try:
        in_use = place.champion.refresh()
        assert in_use.policy is not None
        named = [{**row, "payment_id": f"desk-{number}"} for number, row in enumerate(scoring_place.newer[:60])]
        assert "payment_id" in scoring_place.newer[0]
        arrivals = clean_requests(named, in_use.source, key=place.pseudonym_key)
        answers = [kept.answer for kept in place.online_scorer.score(arrivals, in_use)]
    finally:
        rollback(place.decisions, "Ann", "the test is over")
    assert {answer["policy_version"] for answer in answers} == {rules.version}
    spoken = {hit for answer in answers for hit in answer["policy_hits"]}
    assert {"review: rule dear"} <= spoken
    kept = place.scores.find([answer["transaction_id"] for answer in answers])
    rows = arrivals.payments.to_pylist()
    evidence = pa.Table.from_pylist([dict(kept[row["transaction_id"]].evidence) for row in rows])
    alone = in_use.detector.score(in_use_evidence(evidence, in_use))
    again = decided_in_batch(
        in_use.policy, alone, in_use_evidence(evidence, in_use), payments_of_rows(in_use.policy, rows), NOW
    )
    assert again.schema.equals(SCORES)
    assert [(row["decision"], row["policy_hits"]) for row in again.to_pylist()] == [
        (answer["decision"], answer["policy_hits"]) for answer in answers
    ]
    assert rules_of(standing(place.decisions), rules.version) == rules
    assert place.champion.refresh().policy is None
