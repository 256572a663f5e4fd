"""Try a policy, thresholds or a budget on a run of scores, with what was known when each payment was made."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from counterfoil.domain.evaluation.alert_costs import AlertCosts
from counterfoil.domain.evaluation.policy_trial import PolicyTrial, try_alerts
from counterfoil.domain.periods import LABEL_DELAY_DAYS, Period
from counterfoil.domain.policy.alert_times import alert_moments
from counterfoil.domain.policy.contender import Contender
from counterfoil.domain.policy.decide import Decision, decide
from counterfoil.domain.policy.policy import Policy
from counterfoil.domain.policy.thresholds import Thresholds
from counterfoil.domain.schemas import SCORES
from counterfoil.domain.tables import SCORED_EVIDENCE, TRANSACTIONS
from counterfoil.errors import NotFoundError, UsageError
from counterfoil.ports.lake import TableStore
from counterfoil.steps.insights.scores import run_files
from counterfoil.steps.lake.engine import engine, one_row, parquet_source
from counterfoil.steps.lake.labels import labelled
from counterfoil.steps.scoring.apply_policy import inputs, payment_columns, payments_of_lake, run_policy

AT_A_TIME = 1 << 20
"""Payments that are decided on at once, which bounds the memory."""
_CODES = {decision: code for code, decision in enumerate(Decision)}
_NOT_READ = ("reasons", "precedents")
"""Columns of `scores` that no rule reads, and that are most of their bytes."""
_ALERTED_BY = ("event_time", "anomaly_signal", "transaction_id")


def backtest_policy(
    tables: TableStore,
    run: str,
    tried: Contender,
    today: Contender,
    *,
    period: Period = Period(),
    costs: AlertCosts = AlertCosts(),
    label_delay: timedelta = timedelta(days=LABEL_DELAY_DAYS),
) -> PolicyTrial:
    """Decide on the payments of a run as `tried` and as `today` would, alert people, and compare.

    Rules read evidence as it was when each payment was made, lists what stood in them at its moment; labels are those
    known now. Raises NotFoundError if the run is not there, UsageError if the span has no payments.
    """
    parts = [
        _part_decided(tables, scores, evidence, (tried, today))
        for scores, evidence in _parts(tables, run, period, _read_of_evidence(tried.policy, today.policy))
    ]
    if not parts:
        raise UsageError(f"run {run} has no payments in this span: give another --since or --until")
    scored, decided = pa.concat_tables(part for part, _ in parts), np.hstack([codes for _, codes in parts])
    label, amount = outcomes(tables, scored, label_delay)
    account = np.asarray(scored["account_id"].to_numpy(zero_copy_only=False), dtype=object)
    event_time, signal, ids = (scored[name].to_numpy(zero_copy_only=False) for name in _ALERTED_BY)
    sent = [
        alert_moments(
            codes != _CODES[Decision.ALLOW], event_time, signal + (codes == _CODES[Decision.BLOCK]), ids,
            contender.alerts_per_day,
        )
        for codes, contender in zip(decided, (tried, today), strict=True)
    ]  # fmt: skip
    return try_alerts(label, sent[0], sent[1], decided[0] != decided[1], amount, account, costs)


def _read_of_evidence(*policies: Policy | None) -> list[str]:
    """The columns of evidence that policies may read: neither a score nor `transactions` has them."""
    read: dict[str, None] = {}
    for policy in policies:
        elsewhere = set() if policy is None else {*SCORES.names, *payment_columns(policy)}
        read |= dict.fromkeys(name for name in (policy.columns if policy else ()) if name not in elsewhere)
    return list(read)


def _parts(tables: TableStore, run: str, period: Period, read: Sequence[str]) -> Iterator[tuple[pa.Table, pa.Table]]:
    """The scores of a run in a period, by event time and id, some at a time, each with what is read of its evidence."""
    kept = tables.files(SCORED_EVIDENCE, run)
    if not kept:
        raise NotFoundError(f"the evidence of run {run} was not kept: score its payments again")
    scores, evidence = parquet_source(run_files(tables, run)), parquet_source(kept)
    with engine() as database:
        there, scored = (database.sql(f"FROM {source}").columns for source in (evidence, scores))
        own = [name for name in read if name in there]
        taken = [name for name in SCORES.names if name in scored and name not in _NOT_READ]
        columns = [*(f"scores.{name}" for name in taken), *(f'evidence."{name}" AS "e {name}"' for name in own)]
        for span in _spans(database, scores, period):
            joined = f"JOIN (FROM {evidence} WHERE {span}) AS evidence USING (transaction_id)" if own else ""
            part = database.sql(
                f"SELECT {', '.join(columns)} FROM (FROM {scores} WHERE {span}) AS scores {joined} "
                "ORDER BY scores.event_time, transaction_id"
            ).to_arrow_table()
            yield _as_scores(part.select(taken)), pa.table({name: part[f"e {name}"] for name in own})


def _spans(database: duckdb.DuckDBPyConnection, scores: str, period: Period) -> list[str]:
    """SQL of spans, one after the other, that have about AT_A_TIME scores each: only they are sorted at once.

    None where the period has no scores.
    """
    source = f"(FROM {scores} WHERE {period.condition()})"
    [rows] = one_row(database, f"SELECT count(*) FROM {source}")
    if not rows:
        return []
    shares = [place * AT_A_TIME / rows for place in range(1, -(-rows // AT_A_TIME))]
    [cuts] = one_row(database, f"SELECT quantile_disc(event_time, {shares}) FROM {source}") if shares else [[]]
    bounds = [f"TIMESTAMPTZ '{cut.isoformat()}'" for cut in sorted(set(cuts))]
    begun = [f"event_time >= {bound}" for bound in bounds]
    ended = [f"event_time < {bound}" for bound in bounds]
    spans = zip(["true", *begun], [*ended, "true"], strict=True)
    return [f"({period.condition()}) AND {first} AND {last}" for first, last in spans]


def _as_scores(found: pa.Table) -> pa.Table:
    """Scores following SCORES; what is not read, or an older version did not write, is null."""
    columns = [
        found[field.name] if field.name in found.column_names else pa.nulls(found.num_rows, field.type)
        for field in SCORES
    ]
    return pa.table(columns, names=SCORES.names).cast(SCORES)


def _part_decided(
    tables: TableStore, scores: pa.Table, evidence: pa.Table, contenders: Sequence[Contender]
) -> tuple[pa.Table, NDArray[np.int8]]:
    """Payments (_ALERTED_BY, account_id), and what each contender decides on them, (contenders, rows)."""
    decided = [_decided(tables, one.policy, _by_thresholds(scores, one.thresholds), evidence) for one in contenders]
    codes = np.vstack([pc.index_in(words, pa.array(list(_CODES))).to_numpy().astype(np.int8) for words in decided])
    return scores.select([*_ALERTED_BY, "account_id"]), codes


def _by_thresholds(scores: pa.Table, thresholds: Thresholds) -> pa.Table:
    """The scores with the decisions that thresholds alone make."""
    place = SCORES.get_field_index("decision")
    alone = decide(scores["anomaly_signal"].to_numpy(), thresholds)
    return scores.set_column(place, SCORES.field(place), alone)


def _decided(tables: TableStore, policy: Policy | None, scores: pa.Table, evidence: pa.Table) -> pa.ChunkedArray:
    if policy is not None:
        payments = payments_of_lake(policy, tables, scores)
        with engine() as database:
            scores = run_policy(database, policy, scores, inputs(policy, scores, evidence, payments), None)
    return scores["decision"]


def outcomes(tables: TableStore, scores: pa.Table, label_delay: timedelta) -> tuple[np.ndarray, np.ndarray]:
    """Label (NaN unknown) and amount of each payment, by event time and then id."""
    nothing = np.full(scores.num_rows, np.nan)
    if not tables.files(TRANSACTIONS):
        return nothing, nothing
    with engine() as database:
        database.register("scored", scores.select(["transaction_id", "event_time"]))
        found = database.sql(
            "SELECT payments.label::DOUBLE AS label, payments.amount::DOUBLE AS amount FROM scored LEFT JOIN "
            f"{labelled(tables, label_delay)} AS payments USING (transaction_id) "
            "ORDER BY scored.event_time, transaction_id"
        ).to_arrow_table()
    label, amount = (found[name].to_numpy(zero_copy_only=False).astype(np.float64) for name in ("label", "amount"))
    return label, amount
