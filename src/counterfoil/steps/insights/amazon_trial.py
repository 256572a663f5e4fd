"""Past predictions of Amazon Fraud Detector beside ours, on the same events."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pyarrow as pa

from counterfoil.domain.evaluation.alert_costs import AlertCosts
from counterfoil.domain.evaluation.paired import Pair, evaluate_pair
from counterfoil.domain.evaluation.policy_trial import PolicyTrial, try_policy
from counterfoil.domain.evaluation.scored import Scored
from counterfoil.domain.periods import LABEL_DELAY_DAYS
from counterfoil.domain.policy.amazon_predictions import Prediction
from counterfoil.domain.policy.decide import Decision
from counterfoil.errors import UsageError
from counterfoil.ports.lake import TableStore
from counterfoil.steps.insights.policy_trial import outcomes
from counterfoil.steps.insights.scores import run_files
from counterfoil.steps.lake.engine import engine, parquet_source


@dataclass(frozen=True)
class AmazonTrial:
    """Both on the events that a run of ours scored too.

    `decisions` counts them by (theirs, ours). `trial` has ours as the tried policy and theirs as today's. `pair` ranks
    those with a label and a score of theirs, ours first; None where they have no fraud or no good payment.
    """

    predictions: int
    matched: int
    decisions: Mapping[tuple[str, str], int]
    trial: PolicyTrial
    pair: Pair | None


def compare_predictions(
    tables: TableStore, run: str, predictions: Sequence[Prediction], *, costs: AlertCosts = AlertCosts(),
    label_delay: timedelta = timedelta(days=LABEL_DELAY_DAYS),
) -> AmazonTrial:  # fmt: skip
    """Compare with a run of scores by the events' ids; labels are those known now.

    Raises NotFoundError if the run is not there, UsageError if it scored none of the events.
    """
    both = _joined(tables, run, predictions)
    if not both.num_rows:
        raise UsageError(f"run {run} scored none of the {len(predictions):,} events: are their ids the payments' ids?")
    label, amount = outcomes(tables, both, label_delay)
    theirs, ours = (np.array(both[name].to_pylist(), dtype=object) for name in ("theirs", "decision"))
    account = np.array(both["account_id"].to_pylist(), dtype=object)
    trial = try_policy(
        label, ours != Decision.ALLOW.value, theirs != Decision.ALLOW.value, ours != theirs, amount, account, costs
    )
    decisions = Counter(zip(theirs.tolist(), ours.tolist(), strict=True))
    return AmazonTrial(len(predictions), both.num_rows, dict(decisions), trial, _ranked(both, label))


def _joined(tables: TableStore, run: str, predictions: Sequence[Prediction]) -> pa.Table:
    """The events of both, by event time and id."""
    given = pa.table({
        "transaction_id": pa.array([one.event_id for one in predictions], pa.string()),
        "theirs": pa.array([one.decision.value for one in predictions], pa.string()),
        "their_score": pa.array([one.score for one in predictions], pa.float64()),
    })  # fmt: skip
    with engine() as database:
        database.register("given", given)
        return database.sql(
            "SELECT transaction_id, event_time, account_id, anomaly_signal, decision, theirs, their_score "
            f"FROM {parquet_source(run_files(tables, run))} JOIN given USING (transaction_id) "
            "ORDER BY event_time, transaction_id"
        ).to_arrow_table()


def _ranked(both: pa.Table, label: np.ndarray) -> Pair | None:
    score = both["their_score"].to_numpy(zero_copy_only=False).astype(np.float64)
    usable = ~np.isnan(label) & np.isfinite(score)
    if np.unique(label[usable]).size < 2:
        return None
    kept = both.filter(pa.array(usable))
    labelled = kept.append_column("label", pa.array(label[usable].astype(np.int8)))
    return evaluate_pair(Scored.of(labelled), score[usable])
