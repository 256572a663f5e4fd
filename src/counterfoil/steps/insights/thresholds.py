"""Compare the scores of a run with labels and amounts, to see what each threshold would have meant."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from counterfoil.domain.evaluation.alert_costs import AlertCosts
from counterfoil.domain.evaluation.threshold_table import ALERTS_PER_DAY, UNKNOWN, ThresholdTable, threshold_table
from counterfoil.domain.periods import LABEL_DELAY
from counterfoil.errors import NotFoundError
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
    label_delay: timedelta = LABEL_DELAY,
    known_until: datetime | None = None,
) -> ThresholdTable:
    """Return what alerting on the payments of one run of `detect` would have meant, by the labels known now.

    `known_until` a moment, payments younger than `label_delay` are left out: alerts on them could be counted, and
    frauds among them not yet. None leaves none out.
    The thresholds of the release that scored them are among the points. Raises NotFoundError if the run was not
    published, has no payments or its release is gone, ReleaseMismatchError if several releases scored it, and
    UsageError for budgets below 1.
    """
    scored = _scored_payments(tables, run, label_delay, known_until)
    release = load_release(registry, single_release(scored.column("release_id").unique().to_pylist(), run))
    table = threshold_table(
        scored.column("anomaly_signal").to_numpy(),
        scored.column("label").fill_null(UNKNOWN).to_numpy().astype(np.int8),
        scored.column("amount").to_numpy(),
        scored.column("event_time").cast(pa.timestamp("us")).to_numpy(),
        currency=scored.column("currency"),
        thresholds=release.thresholds,
        alerts_per_day=alerts_per_day,
        costs=costs,
    )
    young = sum(pq.read_metadata(path).num_rows for path in run_files(tables, run)) - scored.num_rows
    note = f"{young:,} payments younger than {label_delay.days} days are left out: their labels cannot be trusted yet"
    return replace(table, notes=(*table.notes, note)) if young else table


def _scored_payments(tables: TableStore, run: str, label_delay: timedelta, known_until: datetime | None) -> pa.Table:
    """Signal, time and release of each score, beside label, amount and currency (null where not known).

    Raises NotFoundError if all payments are too young.
    """
    files = run_files(tables, run)
    source = labelled(tables, label_delay, before=known_until)
    columns = "transaction_id, label, amount::DOUBLE AS amount, currency"
    ripe = "true" if known_until is None else f"scores.event_time <= TIMESTAMPTZ '{known_until - label_delay}'"
    with engine() as database:
        found = database.sql(
            "SELECT anomaly_signal, scores.event_time, release_id, label, amount, currency "
            f"FROM {parquet_source(files)} scores LEFT JOIN (SELECT {columns} FROM {source}) USING (transaction_id) "
            f"WHERE {ripe} ORDER BY scores.event_time, transaction_id"
        ).to_arrow_table()
    if not found.num_rows and sum(pq.read_metadata(path).num_rows for path in files):
        raise NotFoundError(
            f"all payments of run '{run}' are younger than {label_delay.days} days and their labels cannot be trusted "
            "yet: ask later, or count them all with --label-delay-days 0"
        )
    return found
