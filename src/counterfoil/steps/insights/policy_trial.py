"""Try a policy on the scores of a run, with what was known when each payment was made."""

from datetime import timedelta

import numpy as np
import pyarrow as pa

from counterfoil.domain.evaluation.alert_costs import AlertCosts
from counterfoil.domain.evaluation.policy_trial import PolicyTrial, try_policy
from counterfoil.domain.periods import LABEL_DELAY_DAYS, Period
from counterfoil.domain.policy.decide import Decision, decide
from counterfoil.domain.policy.policy import Policy
from counterfoil.domain.policy.thresholds import Thresholds
from counterfoil.domain.schemas import SCORES
from counterfoil.domain.tables import SCORED_EVIDENCE, TRANSACTIONS
from counterfoil.errors import NotFoundError, UsageError
from counterfoil.ports.lake import TableStore
from counterfoil.steps.insights.scores import run_files
from counterfoil.steps.lake.engine import engine, parquet_source
from counterfoil.steps.lake.labels import labelled
from counterfoil.steps.scoring.apply_policy import inputs, payments_of_lake, run_policy


def backtest_policy(
    tables: TableStore,
    run: str,
    thresholds: Thresholds,
    tried: Policy,
    today: Policy | None,
    *,
    period: Period = Period(),
    costs: AlertCosts = AlertCosts(),
    label_delay: timedelta = timedelta(days=LABEL_DELAY_DAYS),
) -> PolicyTrial:
    """Decide on the payments of a run by `tried` and by `today` (None: thresholds alone), and compare.

    Rules read evidence as it was when each payment was made, lists what stood in them at its moment; labels are those
    known now. Raises NotFoundError if the run is not there, UsageError if the span has no payments.
    """
    scores, evidence = _rows(tables, run, period)
    if not scores.num_rows:
        raise UsageError(f"run {run} has no payments in this span: give another --since or --until")
    scores = _by_thresholds(scores, thresholds)
    decided = [_decided(tables, policy, scores, evidence) for policy in (tried, today)]
    label, amount = outcomes(tables, scores, label_delay)
    alerts = [each != str(Decision.ALLOW) for each in decided]
    account = np.asarray(scores["account_id"].to_numpy(zero_copy_only=False), dtype=object)
    return try_policy(label, alerts[0], alerts[1], decided[0] != decided[1], amount, account, costs)


def _rows(tables: TableStore, run: str, period: Period) -> tuple[pa.Table, pa.Table]:
    """The scores of a run in a period, and the evidence of the same payments in the same order."""
    kept = tables.files(SCORED_EVIDENCE, run)
    if not kept:
        raise NotFoundError(f"the evidence of run {run} was not kept: score its payments again")
    with engine() as database:
        source = parquet_source(run_files(tables, run))
        database.execute(
            f"CREATE TABLE scored AS SELECT * FROM {source} WHERE {period.condition()} "
            "ORDER BY event_time, transaction_id"
        )
        scores = database.sql("FROM scored ORDER BY event_time, transaction_id").to_arrow_table()
        evidence = database.sql(
            f"SELECT evidence.* FROM {parquet_source(kept)} AS evidence SEMI JOIN scored USING (transaction_id) "
            "ORDER BY event_time, transaction_id"
        ).to_arrow_table()
    missing = [field for field in SCORES if field.name not in scores.column_names]
    for field in missing:  # a run of an older version
        scores = scores.append_column(field, pa.nulls(scores.num_rows, field.type))
    return scores.select(SCORES.names).cast(SCORES), evidence


def _by_thresholds(scores: pa.Table, thresholds: Thresholds) -> pa.Table:
    """The scores with the decisions that the release's thresholds alone make."""
    place = SCORES.get_field_index("decision")
    alone = decide(scores["anomaly_signal"].to_numpy(), thresholds)
    return scores.set_column(place, SCORES.field(place), alone)


def _decided(tables: TableStore, policy: Policy | None, scores: pa.Table, evidence: pa.Table) -> np.ndarray:
    if policy is not None:
        payments = payments_of_lake(policy, tables, scores)
        with engine() as database:
            scores = run_policy(database, policy, scores, inputs(policy, scores, evidence, payments), None)
    return np.asarray(scores["decision"].to_numpy(zero_copy_only=False), dtype=object)


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
