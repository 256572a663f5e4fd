"""Alerts become cases, and what a case turns out to be becomes the labels of its payments."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pyarrow as pa

from counterfoil.domain.policy.desk_words import Outcome
from counterfoil.domain.policy.verdicts import Verdict
from counterfoil.domain.schemas import FRAUD, GOOD
from counterfoil.domain.tables import SCORE_TABLE, TRANSACTIONS
from counterfoil.errors import NotFoundError, UsageError
from counterfoil.ports.desk import Case, CaseAlert, CaseStore
from counterfoil.ports.lake import TableStore
from counterfoil.ports.service import KeptScore, ScoreLog
from counterfoil.steps.lake.engine import engine, parquet_source
from counterfoil.steps.lake.labels import Appended, append_labels

DUE_IN = timedelta(days=2)
AT_A_TIME = 1_000
ACT_AT_ONCE = 20
"""The words on so many payments of a case act before its closing is answered; those on the others are settled."""
_LABELS = {Outcome.FRAUD: FRAUD, Outcome.GOOD: GOOD}


def alerts_of_service(
    scores: ScoreLog, since: datetime, renamed: Callable[[str | None, datetime | None], str | None]
) -> Iterator[CaseAlert]:
    """Yield the payments that the service did not allow, from a moment on.

    `renamed` gives the pseudonym that the account of a score of some moment has now.
    """
    while True:
        found = scores.alarming(since, AT_A_TIME)
        yield from (_of_kept(score, renamed(score.account_id, score.scored_at)) for score in found)
        last = found[-1].scored_at if found else None
        if len(found) < AT_A_TIME or last is None or last <= since:
            return
        since = last


def _of_kept(score: KeptScore, account: str | None) -> CaseAlert:
    payment, answer = score.payment, score.answer
    return CaseAlert(
        score.transaction_id, account, datetime.fromisoformat(str(payment["event_time"])), score.decision,
        score.signal, score.amount, payment.get("currency"), score.release_id, answer.get("policy_version"),
    )  # fmt: skip


def alerts_of_run(tables: TableStore, run: str) -> list[CaseAlert]:
    """The payments of a run of scores that were not allowed. Raises NotFoundError."""
    if run not in tables.runs(SCORE_TABLE):
        raise NotFoundError(f"there is no run {run!r} of scores: 'counterfoil score' makes one")
    files = tables.files(TRANSACTIONS)
    money = "payments.amount::VARCHAR, payments.currency" if files else "NULL::VARCHAR, NULL::VARCHAR"
    joined = f"LEFT JOIN {parquet_source(files)} AS payments USING (transaction_id)" if files else ""
    with engine() as database:
        scores = database.sql(f"FROM {parquet_source(tables.files(SCORE_TABLE, run))}").columns
        version = "scores.policy_version" if "policy_version" in scores else "NULL::VARCHAR"
        query = f"""
SELECT transaction_id, scores.account_id, scores.event_time, scores.decision, scores.anomaly_signal, {money},
  scores.release_id, {version}
FROM {parquet_source(tables.files(SCORE_TABLE, run))} AS scores {joined}
WHERE scores.decision <> 'allow' ORDER BY transaction_id
"""
        return [CaseAlert(*row) for row in database.execute(query).fetchall()]


def take_cases(
    cases: CaseStore, alerts: Iterable[CaseAlert], key_id: str, due_in: timedelta = DUE_IN
) -> tuple[int, int]:
    """Put alerts into cases; return how many cases were opened and how many alerts are new. Safe to do again."""
    opened = added = 0
    for part in _parts(alerts):
        more = cases.take(part, key_id=key_id, due_in=due_in)
        opened, added = opened + more[0], added + more[1]
    return opened, added


def _parts(alerts: Iterable[CaseAlert]) -> Iterator[Sequence[CaseAlert]]:
    part: list[CaseAlert] = []
    for alert in alerts:
        part.append(alert)
        if len(part) == AT_A_TIME:
            yield part
            part = []
    if part:
        yield part


Say = Callable[[str, Verdict], bool]
"""Keeps a word on a payment that the service scored; False for a payment that it did not score."""


def through_feedback(scores: ScoreLog, say: Callable[[str, Verdict, bool], object]) -> Say:
    """Let an outcome be feedback on what the service scored: `say` is called with the payment, the verdict and whether
    it has to act at once."""
    said = 0

    def say_if_scored(transaction_id: str, verdict: Verdict) -> bool:
        nonlocal said
        if transaction_id not in scores.find([transaction_id]):
            return False
        say(transaction_id, verdict, said < ACT_AT_ONCE)
        said += 1
        return True

    return say_if_scored


@dataclass(frozen=True)
class Closed:
    """A closed case: `said` are the words on payments that the service scored, `appended` the labels of the others."""

    case: Case
    said: int
    appended: Appended


def close_case(
    cases: CaseStore, tables: TableStore, case_id: str, outcome: Outcome, operator: str, reason: str,
    say: Say = lambda _id, _verdict: False,
) -> Closed:  # fmt: skip
    """Close a case; its outcome is the label of each of its payments, said by `operator`.

    `say` takes the outcome of a payment that the service scored; the others get their labels in the lake. Of two who
    close at once one waits, and gets the other's outcome. The labels are kept first: closing again completes a
    close that was killed. Raises NotFoundError, UsageError without a person or a reason, ConflictError if the
    case is closed.
    """
    if not operator.strip() or not reason.strip():
        raise UsageError("a case is closed by somebody, for a reason: say who and why")
    person, why = operator.strip(), reason.strip()
    with cases.closing(case_id, outcome.value, person, why):
        names = [alert.transaction_id for alert in cases.alerts(case_id)]
        others = [name for name in names if not say(name, Verdict(outcome.value))]
        appended = Appended()
        if others and outcome in _LABELS:
            labels = pa.table({"transaction_id": pa.array(others, pa.string()),
                               "label": pa.array([_LABELS[outcome]] * len(others), pa.int8())})  # fmt: skip
            appended = append_labels(
                tables, labels, said_by=person, said_at=datetime.now(UTC), run=f"case-{case_id}-{outcome}"
            )
    return Closed(cases.find(case_id), len(names) - len(others), appended)
