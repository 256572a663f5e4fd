"""A rule set needs two people, a list knows nobody by name, and both are in force at once."""

import threading
from datetime import UTC, datetime
from typing import Any

import pytest
from psycopg import connect as connect_plainly

from counterfoil.adapters.postgres.account_rows import PostgresAccountRows
from counterfoil.adapters.postgres.decisions import PostgresDecisions
from counterfoil.adapters.postgres.policy_lists import PostgresLists
from counterfoil.domain.policy.fields import known_fields
from counterfoil.domain.policy.lists import Entity, ListEffect, read_list
from counterfoil.domain.policy.rules import RuleSet, read_rules
from counterfoil.domain.privacy.pseudonyms import PseudonymKeys
from counterfoil.errors import NotFoundError, UsageError
from counterfoil.steps.scoring.policies import Policies, approve, propose, rollback, standing

KEY = PseudonymKeys((b"a key of sixteen bytes",))


def rules(limit: int) -> RuleSet:
    return read_rules(
        f'name = "cards"\n[[rule]]\nid = "dear"\nwhen = "amount > {limit}.0"\neffect = "review"\n'
        'owner = "desk"\nreason = "seldom"',
        known_fields(),
    )


def test_a_policy_has_two_signatures_of_two_people_and_a_way_back(dsn: str) -> None:
    log = PostgresDecisions(dsn)
    first, second = rules(100), rules(200)
    propose(log, first, "Ann Lee", "a ring of dear payments")
    assert standing(log).in_force is None
    for same in (" ann  LEE", "Ann\u200b Lee", "\uff21nn\u00a0Le\u00ade"):  # spaces, and signs that nobody sees
        with pytest.raises(UsageError, match="cannot sign it twice"):
            approve(log, first.version, same, "my own")
    with pytest.raises(UsageError, match="--operator and --reason"):
        approve(log, first.version, None, "")
    with pytest.raises(NotFoundError, match="no proposal"):
        approve(log, second.version, "Bob", "not proposed")
    assert approve(log, first.version, "Bob", "looks right").in_force == first.version
    propose(log, second, "Bob", "too many alerts")
    assert approve(log, second.version, "Ann Lee", "agreed").effect
    assert rollback(log, "Cem", "too few alerts").in_force == first.version
    named = Policies(log, PostgresLists(dsn), lambda: KEY)
    assert [named.named(version).version for version in ("in-force", first.version)] == [first.version] * 2
    with pytest.raises(NotFoundError, match="was rolled back"):
        named.named(f"{second.version}.0123456789ab")
    assert rollback(log, "Cem", "none at all").in_force is None
    assert (named.pinned(), named.named("in-force")) == (None, None)
    with pytest.raises(UsageError, match="nothing to roll back"):
        rollback(log, "Cem", "once more")
    kinds = [entry.kind for entry in log.entries()]
    assert kinds == ["policy-propose", "policy-approve"] * 2 + ["policy-rollback"] * 2


def test_two_who_approve_at_once_have_one_effect(dsn: str) -> None:
    version = rules(100).version
    propose(PostgresDecisions(dsn), rules(100), "Ann", "a ring")
    both = threading.Barrier(2)

    class Together(PostgresDecisions):
        """Lets both look before either signs."""

        def append(self, decision: Any) -> Any:
            both.wait(10)
            return super().append(decision)

    found = []

    def sign(name: str) -> None:
        found.append(approve(Together(dsn), version, name, "looks right"))

    threads = [threading.Thread(target=sign, args=(name,)) for name in ("Bob", "Cem")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(signed.effect for signed in found) == [False, True]
    now = standing(PostgresDecisions(dsn))
    assert (now.in_force, len(now.approved)) == (version, 1)
    rollback(PostgresDecisions(dsn), "Ann", "undone once is undone")
    assert standing(PostgresDecisions(dsn)).in_force is None


def test_lists_are_in_force_at_once_and_the_same_until_they_change(dsn: str) -> None:
    log, lists = PostgresDecisions(dsn), PostgresLists(dsn)
    policies = Policies(log, lists, lambda: KEY)
    assert policies.current() is None
    read = read_list("A-1\nA-1\nA-2", Entity.ACCOUNT, None, "stolen", KEY)
    assert lists.add("stolen", ListEffect.BLOCK, read.entries, key_id=KEY.key_id, operator="Ann") == 2
    assert lists.add("stolen", ListEffect.BLOCK, read.entries, key_id=KEY.key_id, operator="Ann") == 0
    with pytest.raises(UsageError, match="has the effect block"):
        lists.add("stolen", ListEffect.ALLOW, read.entries, key_id=KEY.key_id, operator="Ann")
    policy = policies.current()
    assert policy is not None
    assert policies.current() is policy
    account = read.entries[0].value
    now = datetime.now(UTC)
    assert policy.decide({"account_id": account}, "allow", now) == ("block", ["block: list stolen"])
    assert lists.end("stolen", Entity.ACCOUNT, account)
    assert not lists.end("stolen", Entity.ACCOUNT, account)
    changed = policies.current()
    assert changed is not None
    assert changed.decide({"account_id": account}, "allow", datetime.now(UTC)) == ("allow", [])
    assert [(one.active, one.over) for one in lists.summaries()] == [(1, 1)]
    assert policies.pinned() is not None
    assert lists.end("stolen", Entity.ACCOUNT, read.entries[1].value)
    assert (policies.current(), policies.pinned(), policies.named("in-force")) == (None, None, None)


def test_another_end_replaces_the_entry(dsn: str) -> None:
    lists = PostgresLists(dsn)
    for until in (None, datetime(2027, 1, 1, tzinfo=UTC)):
        read = read_list("shop", Entity.MERCHANT, until, "holiday", KEY)
        assert lists.add("quiet", ListEffect.SNOOZE, read.entries, key_id=KEY.key_id, operator="Ann") == 1
    assert [(one.active, one.over, one.next_end) for one in lists.summaries()] == [
        (1, 1, datetime(2027, 1, 1, tzinfo=UTC))
    ]


def test_lists_follow_a_change_of_the_key_and_forget_an_account(dsn: str) -> None:
    lists, later = PostgresLists(dsn), KEY.followed_by(b"another key of sixteen")
    read = read_list("A-1\nA-2", Entity.ACCOUNT, None, "stolen", KEY)
    lists.add("stolen", ListEffect.BLOCK, read.entries, key_id=KEY.key_id, operator="Ann")
    policy = Policies(PostgresDecisions(dsn), lists, lambda: later).current()
    assert policy is not None
    [first, second] = [entry.value for entry in read_list("A-1\nA-2", Entity.ACCOUNT, None, "", later).entries]
    assert policy.decide({"account_id": first}, "allow", datetime.now(UTC))[0] == "block"
    assert lists.rekey(later) == 0
    rows = PostgresAccountRows(dsn)
    assert rows.own(first, [])["policy_entry"] == 1
    rows.remove(first, [])
    assert rows.own(first, [])["policy_entry"] == 0
    assert lists.entries()["value"].to_pylist() == [second]


def test_no_raw_account_is_in_the_database(dsn: str) -> None:
    read = read_list("DE89370400440532013000,x", Entity.ACCOUNT, None, "stolen", KEY)
    PostgresLists(dsn).add("stolen", ListEffect.BLOCK, read.entries, key_id=KEY.key_id, operator="Ann")
    with connect_plainly(dsn) as connection:
        text = str(connection.execute("SELECT * FROM policy_entry").fetchall())
    assert "0532013000" not in text
