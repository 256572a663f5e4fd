"""Try a rule set on what the service scored: with the evidence, the signal and the lists' words that it kept."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal as Money
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from counterfoil.domain.evaluation.alert_costs import AlertCosts
from counterfoil.domain.evaluation.policy_trial import PolicyTrial, try_alerts
from counterfoil.domain.periods import EPOCH, LABEL_DELAY_DAYS, Period
from counterfoil.domain.policy.alert_times import alert_moments
from counterfoil.domain.policy.contender import Change
from counterfoil.domain.policy.decide import Decision, decide
from counterfoil.domain.policy.lists import Lists
from counterfoil.domain.policy.policy import Policy
from counterfoil.domain.policy.rules import NO_RULES, RuleSet
from counterfoil.domain.policy.thresholds import Thresholds
from counterfoil.domain.release.release import Release
from counterfoil.domain.schemas import SCORES
from counterfoil.errors import UsageError
from counterfoil.ports.lake import TableStore
from counterfoil.ports.releases import DecisionLog
from counterfoil.ports.service import KeptScore, ScoreLog
from counterfoil.ports.shadow import Beside
from counterfoil.steps.insights.policy_trial import outcomes
from counterfoil.steps.lake.engine import engine
from counterfoil.steps.scoring.apply_policy import inputs, payments_of_rows, run_policy
from counterfoil.steps.scoring.feedback import label_of, said_by_payment
from counterfoil.steps.scoring.recent import evidence_table

AT_A_TIME = 2_000


@dataclass(frozen=True)
class Replayed:
    """A payment that the service scored: what was decided then, and what a rule set decides with what was known then.

    `hits` are all that spoke for the second decision, strongest first.
    """

    transaction_id: str
    event_time: datetime
    account_id: str | None
    amount: str | None
    signal: float
    then: str
    tried: str
    hits: tuple[str, ...]


def replayed(
    scores: ScoreLog, release_of: Callable[[str], Release], rules: RuleSet, period: Period = Period()
) -> Iterator[Replayed]:
    """Decide once more, by `rules`, on the payments that the service scored in a period, in the order of scoring.

    The signal, the evidence and what the lists said are those that were kept with the score, so a rule set gives again
    what it gave then. Raises NotFoundError for a release that is gone.
    """
    once = cache(release_of)
    for kept in kept_scores(scores, period):
        yield from decided_again(kept, once, Change(rules))


def decided_again(
    kept: Sequence[KeptScore], release_of: Callable[[str], Release], change: Change
) -> Iterator[Replayed]:
    """The same of some kept scores, one release after the other, by the rules, lists and thresholds of a change.

    Without rules in it, none speaks.
    """
    once = cache(release_of)
    for first in range(0, len(kept), AT_A_TIME):
        some = kept[first : first + AT_A_TIME]
        for release_id in dict.fromkeys(one.release_id for one in some):
            part = [one for one in some if one.release_id == release_id]
            yield from _decided(change, once(release_id), part)


def kept_scores(scores: ScoreLog, period: Period) -> Iterator[list[KeptScore]]:
    """The scores that the service made in a period, some at a time, each once."""
    moment, before, limit = period.since or EPOCH, set[str](), AT_A_TIME
    while True:
        found = scores.since(moment, limit)
        new = [one for one in found if one.transaction_id not in before and not _is_after(one, period)]
        if new:
            yield new
        last = found[-1].scored_at if found else None
        if len(found) < limit or last is None or _is_after(found[-1], period):
            return
        limit = limit * 2 if last == moment else AT_A_TIME
        moment, before = last, {one.transaction_id for one in found if one.scored_at == last}


def _is_after(score: KeptScore, period: Period) -> bool:
    return period.until is not None and score.scored_at is not None and score.scored_at >= period.until


def _decided(change: Change, release: Release, kept: Sequence[KeptScore]) -> Iterator[Replayed]:
    policy = Policy(change.rules or NO_RULES, change.added)
    scores = _as_scores(kept, change.thresholds(release.thresholds))
    evidence = evidence_table(kept, release)
    read = inputs(policy, scores, evidence, payments_of_rows(policy, [_as_row(one) for one in kept]))
    said = pa.array([_of_lists(one, change.added) for one in kept], pa.list_(pa.string()))
    with engine() as database:
        decided = run_policy(database, policy, scores, read, None, said)
    for one, decision, hits in zip(
        kept, decided["decision"].to_pylist(), decided["policy_hits"].to_pylist(), strict=True
    ):
        at = datetime.fromisoformat(str(one.payment["event_time"]))
        yield Replayed(
            one.transaction_id, at, one.account_id, one.amount, one.signal, one.decision, decision, tuple(hits or ())
        )


def _as_scores(kept: Sequence[KeptScore], thresholds: Thresholds) -> pa.Table:
    """Kept scores following SCORES, with the decisions that thresholds alone make."""
    rows = [
        {
            **{field.name: one.answer.get(field.name) for field in SCORES},
            "event_time": datetime.fromisoformat(str(one.payment["event_time"])), "account_id": one.account_id,
            "reasons": None, "precedents": None,
        }
        for one in kept
    ]  # fmt: skip
    signals = np.array([one.signal for one in kept], np.float64)
    for row, decision in zip(rows, decide(signals, thresholds).to_pylist(), strict=True):
        row["decision"] = decision
    return pa.Table.from_pylist(rows, schema=SCORES)


def _as_row(score: KeptScore) -> dict[str, Any]:
    amount = score.payment.get("amount")
    return {**score.payment, "amount": None if amount is None else Money(str(amount))}


def _of_lists(score: KeptScore, added: Lists) -> list[str]:
    """What the lists said of a payment when it was scored, and what further entries say of it."""
    then = [hit for hit in score.answer.get("policy_hits") or [] if hit.partition(": ")[2].startswith("list ")]
    at = datetime.fromisoformat(str(score.payment["event_time"]))
    return list({*then, *added.hits(score.payment, at)})


def backtest_online(
    scores: ScoreLog, log: DecisionLog, tables: TableStore, release_of: Callable[[str], Release], change: Change,
    *, budget_now: int | None = None, period: Period = Period(), costs: AlertCosts = AlertCosts(),
    label_delay: timedelta = timedelta(days=LABEL_DELAY_DAYS),
) -> PolicyTrial:  # fmt: skip
    """Compare what a change decides on what the service scored in a period with what was decided then.

    Where the change has a budget of alerts, today's is `budget_now` (None: each alert at once). Labels are those known
    now, of the lake or of people's words. Raises UsageError if nothing was scored in the span.
    """
    once = cache(release_of)
    rows = [row for kept in kept_scores(scores, period) for row in decided_again(kept, once, change)]
    if not rows:
        raise UsageError("the service scored no payments in this span: give another --since or --until")
    budgets = None if change.alerts_per_day is None else (change.alerts_per_day, budget_now)
    return trial_of(rows, log, tables, budgets=budgets, costs=costs, label_delay=label_delay)


def trial_of(
    rows: Sequence[Replayed], log: DecisionLog, tables: TableStore, *,
    budgets: tuple[int | None, int | None] | None = None, costs: AlertCosts = AlertCosts(),
    label_delay: timedelta = timedelta(days=LABEL_DELAY_DAYS),
) -> PolicyTrial:  # fmt: skip
    """Compare the two decisions of replayed payments, one at least; `budgets` are alerts a day, tried and then."""
    rows = sorted(rows, key=lambda row: (row.event_time, row.transaction_id))
    label = labels_known(rows, log, tables, label_delay)
    amount = np.array([np.nan if row.amount is None else float(row.amount) for row in rows], np.float64)
    at = np.array([row.event_time.replace(tzinfo=None) for row in rows], "datetime64[us]")
    signal = np.array([row.signal for row in rows], np.float64)
    ids = np.array([row.transaction_id for row in rows], dtype=object)
    words = [np.array([row.tried for row in rows]), np.array([row.then for row in rows])]
    sent = [
        alert_moments(said != str(Decision.ALLOW), at, signal + (said == str(Decision.BLOCK)), ids, per_day)
        for said, per_day in zip(words, budgets or (None, None), strict=True)
    ]
    changed = np.array([row.tried != row.then for row in rows])
    account = np.array([row.account_id for row in rows], dtype=object)
    return try_alerts(label, sent[0], sent[1], changed, amount, account, costs)


def labels_known(
    rows: Sequence[Replayed | Beside], log: DecisionLog, tables: TableStore, label_delay: timedelta
) -> NDArray[np.float64]:
    """1 fraud, 0 good, NaN unknown: what people's words make of a payment, else what the lake knows, (rows,).

    The rows are in the order of event time and id.
    """
    named = {
        "transaction_id": pa.array([row.transaction_id for row in rows], pa.string()),
        "event_time": pa.array([row.event_time for row in rows], pa.timestamp("us", "UTC")),
    }
    of_lake, _ = outcomes(tables, pa.table(named), label_delay)
    words = {name: label_of(said) for name, said in said_by_payment(log).items()}
    labels = [
        known if (said := words.get(row.transaction_id)) is None else said
        for row, known in zip(rows, of_lake, strict=True)
    ]
    return np.array(labels, np.float64)
