"""What the service's own stores must do: the log of scores, tokens, alerts on their way, checkpoints."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from pgbouncer import WAYS, Poolers

from counterfoil.adapters.postgres.alerts import PostgresAlerts
from counterfoil.adapters.postgres.checkpoints import PostgresCheckpoints
from counterfoil.adapters.postgres.decisions import PostgresDecisions
from counterfoil.adapters.postgres.scores import PostgresScores
from counterfoil.adapters.postgres.tokens import PostgresTokens
from counterfoil.domain.policy.alert_times import ANYTHING
from counterfoil.errors import NotFoundError
from counterfoil.ports.json_object import JsonObject
from counterfoil.ports.releases import LoggedDecision
from counterfoil.ports.service import Alert, KeptScore, Record, Token

HOUR = timedelta(hours=1)


def score(number: int, *, decision: str = "review", amount: str | None = "10.00", content: str = "c") -> KeptScore:
    return KeptScore(
        f"t{number}", content, "r1", decision, number / 100, amount, f"a{number % 3}",
        {"transaction_id": f"t{number}"}, {"x": 1.5, "none": None}, {"reasons": [], "é": number},
    )  # fmt: skip


@pytest.fixture(params=WAYS)
def dsn(dsn: str, poolers: Poolers, request: pytest.FixtureRequest) -> str:
    """Return the DSN of an empty database, without a pooler or by one."""
    return poolers.reach(dsn, request.param)


@pytest.fixture
def scores(dsn: str) -> PostgresScores:
    return PostgresScores(dsn)


def test_a_score_comes_back_as_it_was_kept_and_the_first_stays(scores: PostgresScores) -> None:
    [kept] = scores.append([score(1)])
    assert kept.scored_at is not None
    assert replace(kept, scored_at=None) == replace(score(1), amount="10.0000")
    assert scores.append([score(1, content="other"), score(2)]) == [kept, *scores.find(["t2"]).values()]
    assert scores.find(["t1", "t9"]) == {"t1": kept}
    scores.ping()


def test_an_answer_that_is_text_is_kept_as_the_fields_that_it_has(scores: PostgresScores) -> None:
    told = JsonObject(b'{"reasons":[],"\xc3\xa9":2}')
    [kept] = scores.append([replace(score(2), answer=told)])
    assert kept.answer is told
    assert scores.find(["t2"])["t2"] == kept == replace(score(2), amount="10.0000", scored_at=kept.scored_at)


def test_writers_at_once_agree_on_one_score(dsn: str) -> None:
    def write(writer: int) -> list[str]:
        own = PostgresScores(dsn)
        rows = [score(n, content=str(writer)) for n in range(20)]
        return [kept.content_hash for kept in own.append(rows if writer % 2 else rows[::-1])][
            :: 1 if writer % 2 else -1
        ]

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(write, range(4)))
    assert [one == found[0] for one in found] == [True] * 4


def test_nobody_changes_a_score(dsn: str, scores: PostgresScores) -> None:
    scores.append([score(1)])
    with psycopg.connect(dsn, autocommit=True) as connection:
        for change in ("UPDATE service_score SET signal = 0", "TRUNCATE service_score CASCADE"):
            with pytest.raises(psycopg.errors.RestrictViolation, match="table service_score is append-only"):
                connection.execute(change)


def test_the_queue_is_by_signal_times_amount_without_what_was_judged(dsn: str, scores: PostgresScores) -> None:
    scores.append(
        [score(1, amount="1000.00"), score(50), score(60, amount=None), score(70, decision="allow"), score(80)]
    )
    assert [one.transaction_id for one in scores.queue(10)] == ["t1", "t80", "t50", "t60"]
    PostgresDecisions(dsn).append(LoggedDecision("feedback", "t80", "ada", "why", {"verdict": "good"}))
    assert [one.transaction_id for one in scores.queue(2)] == ["t1", "t50"]


def test_scores_since_a_moment_and_those_that_alarm(scores: PostgresScores) -> None:
    begun = datetime.now(UTC) - HOUR
    scores.append([score(1, decision="allow")])
    scores.append([score(2)])
    assert [one.transaction_id for one in scores.since(begun, 10)] == ["t1", "t2"]
    assert [one.transaction_id for one in scores.since(begun, 1)] == ["t1"]
    assert [one.transaction_id for one in scores.alarming(begun, 10)] == ["t2"]
    assert scores.alarming(begun, 10, known=["t2"]) == []
    assert scores.since(datetime.now(UTC) + HOUR, 10) == []
    without_answers = [replace(one, answer={"missing_evidence": None}) for one in scores.since(begun, 10)]
    assert scores.lately(10) == without_answers
    assert scores.lately(10, known=["t2"]) == without_answers[:1]
    assert scores.lately(10, without_answers[0].scored_at) == without_answers[1:]
    payments = scores.payments_since(begun, 10)
    assert [payment for _, payment in payments] == [{"transaction_id": "t1"}, {"transaction_id": "t2"}]
    assert [at for at, _ in payments] == [one.scored_at for one in scores.since(begun, 10)]
    assert [payment["transaction_id"] for _, payment in scores.payments_since(payments[1][0], 1)] == ["t2"]


def test_forgetting_an_account_removes_its_scores(scores: PostgresScores) -> None:
    scores.append([score(n) for n in range(6)])
    assert sorted(scores.forget("a0")) == ["t0", "t3"]
    assert scores.find([f"t{n}" for n in range(6)]).keys() == {"t1", "t2", "t4", "t5"}


def test_tokens_are_found_by_digest_until_they_are_revoked(dsn: str) -> None:
    store = PostgresTokens(dsn)
    kept = store.add(Token("id1", "score", "machine"), "d1")
    assert (store.find("d1"), store.find("d2")) == (kept, None)
    store.revoke("id1")
    store.revoke("id1")
    assert store.find("d1") is None
    assert [token.revoked_at is not None for token in store.tokens()] == [True]
    with pytest.raises(NotFoundError, match="token list"):
        store.revoke("id2")


def alert(number: int, account: str | None = None, decision: str = "review") -> Alert:
    return Alert(f"t{number}", account or f"a{number}", decision, number / 100, {"n": number})


def test_one_alert_an_account_and_window_the_riskiest_first_within_the_budget(dsn: str) -> None:
    log = PostgresAlerts(dsn)
    for one in (alert(10, "same"), alert(90, "same"), alert(30), alert(50), alert(20, decision="block"), alert(40)):
        log.hold(one, HOUR)
        log.hold(one, HOUR)
    assert log.today() == {"held": 5, "repeated": 1}
    assert log.promote(3, HOUR) == 3
    assert log.promote(3, HOUR) == 0
    claimed = log.pending(10)
    assert [one.transaction_id for one in claimed] == ["t50", "t40", "t20"]
    assert log.pending(10) == []
    log.mark_sent("t50")
    log.unclaim("t40")
    log.unclaim("t50")
    assert [one.transaction_id for one in log.pending(10)] == ["t40"]
    assert log.today() == {"held": 2, "repeated": 1, "pending": 2, "sent": 1}
    assert log.promote(4, HOUR) == 1
    assert [one.transaction_id for one in log.pending(10)] == ["t30"]
    assert log.promote(9, timedelta(0)) == 0


def test_a_budget_is_kept_for_what_is_as_risky_as_the_days_before(dsn: str) -> None:
    log = PostgresAlerts(dsn)
    for number in (10, 90, 30, 50):
        log.hold(alert(number), HOUR)
    log.hold(alert(20, decision="block"), HOUR)
    assert log.reached(2, 7) == []  # today does not count
    with psycopg.connect(dsn) as connection:
        connection.execute("UPDATE service_alert SET at = at - interval '1 day' * (signal * 10)::int")
    assert log.reached(1, 7) == [0.5, 0.3, 1.2, 0.1]  # of five, three and two days ago, and of yesterday; .9 is too old
    assert log.reached(2, 7) == [ANYTHING] * 4
    for number in (11, 91):
        log.hold(alert(number), HOUR)
    assert log.promote(9, HOUR, 0.5) == 1
    assert [one.transaction_id for one in log.pending(10)] == ["t91"]
    assert log.promote(9, HOUR) == 1


def test_desks_at_once_keep_the_budget_and_send_each_alert_once(dsn: str) -> None:
    def work(desk: int) -> list[str]:
        log = PostgresAlerts(dsn)
        for number in range(12):
            log.hold(alert(number + 10 * (desk % 2)), HOUR)
            log.promote(5, HOUR)
        return [one.transaction_id for one in log.pending(20)]

    with ThreadPoolExecutor(4) as pool:
        sent = [name for names in pool.map(work, range(4)) for name in names]
    assert len(sent) == len(set(sent)) == 5


def test_checkpoints_go_on_and_the_dead_keep_no_content(dsn: str) -> None:
    kept = PostgresCheckpoints(dsn)
    assert kept.load("s") == {}
    for shard, place in (("a", "1"), ("b", "7"), ("a", "2")):
        kept.save("s", shard, place)
    kept.save("other", "a", "9")
    assert PostgresCheckpoints(dsn).load("s") == {"a": "2", "b": "7"}
    for _ in range(2):
        kept.bury("s", Record("a", "3", b"secret"), "no_json_object")
    assert kept.buried("s") == [("a", "3", "no_json_object")]
    with psycopg.connect(dsn) as connection:
        assert "secret" not in repr(connection.execute("SELECT * FROM dead_letter").fetchall())


def test_a_blocked_payment_waits_in_the_queue_for_a_second_good(dsn: str, scores: PostgresScores) -> None:
    scores.append([score(1, decision="block"), score(2, decision="block"), score(3, decision="review")])
    log = PostgresDecisions(dsn)

    def say(name: str, verdict: str, person: str) -> list[str]:
        log.append(LoggedDecision("feedback", name, "x", "", {"verdict": verdict, "principal": person}))
        return [kept.transaction_id for kept in scores.queue(9)]

    assert say("t3", "good", "ada") == ["t2", "t1"]
    assert say("t2", "good", "ada") == ["t2", "t1"]
    assert say("t2", "good", "ada") == ["t2", "t1"]
    assert say("t2", "good", "bob") == ["t1"]
    assert say("t1", "good", "ada") == ["t1"]
    assert say("t1", "unsure", "ada") == []
    log.close()
