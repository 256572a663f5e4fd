"""Compare the scores of a run with labels and amounts, to see what each threshold would have meant."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from counterfoil.domain.evaluation.alert_costs import AlertCosts
from counterfoil.domain.evaluation.threshold_table import ALERTS_PER_DAY, UNKNOWN, ThresholdTable, threshold_table
from counterfoil.domain.periods import LABEL_DELAY
from counterfoil.ports.lake import TableStore
from counterfoil.ports.releases import ReleaseRegistry
from counterfoil.steps.insights.scores import run_files, single_release
from counterfoil.steps.lake.engine import engine, parquet_source
from counterfoil.steps.lake.labels import labelled
from counterfoil.steps.releases.registration import load_release


def thresholds_of_run(
    tables: TableStore,
    registry: ReleaseRegistry,
    run: str,
    *,
    alerts_per_day: Sequence[int] = ALERTS_PER_DAY,
    costs: AlertCosts = AlertCosts(),
) -> ThresholdTable:
    """Tell what alerting on the payments of one run of `detect` would have meant, by the labels known now.

    The thresholds of the release that scored them are among the points. Raises NotFoundError if the run was not
    published, has no payments or its release is gone, ReleaseMismatchError if several releases scored it, and
    UsageError for budgets below 1.
    """
    scored = _scored_payments(tables, run)
    release = load_release(registry, single_release(scored.column("release_id").unique().to_pylist(), run))
    return threshold_table(
        scored.column("anomaly_signal").to_numpy(),
        scored.column("label").fill_null(UNKNOWN).to_numpy().astype(np.int8),
        scored.column("amount").to_numpy(),
        scored.column("event_time").cast(pa.timestamp("us")).to_numpy(),
        currency=scored.column("currency"),
        thresholds=release.thresholds,
        alerts_per_day=alerts_per_day,
        costs=costs,
    )


def _scored_payments(tables: TableStore, run: str) -> pa.Table:
    """Signal, time and release of each score, beside label, amount and currency (null where not known)."""
    files = run_files(tables, run)
    source = labelled(tables, LABEL_DELAY)
    columns = "transaction_id, label, amount::DOUBLE AS amount, currency"
    with engine() as database:
        return database.sql(
            "SELECT anomaly_signal, scores.event_time, release_id, label, amount, currency "
            f"FROM {parquet_source(files)} scores LEFT JOIN (SELECT {columns} FROM {source}) USING (transaction_id) "
            "ORDER BY scores.event_time, transaction_id"
        ).to_arrow_table()
