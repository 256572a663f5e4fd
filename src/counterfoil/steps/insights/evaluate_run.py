"""Compare the scores of a run with the labels that are known now."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from counterfoil.domain.evaluation.evaluation import Evaluation, evaluate
from counterfoil.domain.evaluation.metrics import ALERTS_PER_DAY
from counterfoil.domain.evaluation.scored import Scored
from counterfoil.domain.periods import known_at
from counterfoil.domain.schemas import FRAUD
from counterfoil.domain.tables import SCORE_TABLE
from counterfoil.errors import NotFoundError
from counterfoil.ports.lake import TableStore
from counterfoil.steps.lake.engine import engine, one_row
from counterfoil.steps.lake.labels import labelled


@dataclass(frozen=True)
class EvaluatedRun:
    """Scores beside their labels, and what they are worth. `scores` has a row for each payment of the test.

    `unripe` of them are so young that their labels cannot be trusted yet: they count as payments without a label.
    """

    scores: pa.Table
    labels: pa.Array
    evaluation: Evaluation
    left_out: int
    unripe: int


def evaluate_run(
    tables: TableStore,
    run: str,
    *,
    exclude_compromised_since: datetime | None = None,
    label_delay: timedelta = timedelta(0),
    known_until: datetime | None = None,
    alerts_per_day: int = ALERTS_PER_DAY,
) -> EvaluatedRun:
    """Evaluate the scores of one run of `detect` by the labels that are known; unknown labels do not count.

    At the moment `known_until`, the labels of payments younger than `label_delay` do not count either: good ones are
    often labelled at once and frauds later, so that the young ones known make any score look bad. None counts all.
    With `exclude_compromised_since`, payments leave the test from the day on which a fraud of their account
    was known at midnight, at least `label_delay` after it happened, counting frauds from that moment on (the
    Fraud Detection Handbook's protocol). Raises NotFoundError if the run was not published.
    """
    scores, left_out = _scores_with_labels(tables, run, exclude_compromised_since, label_delay, known_until)
    labels = scores.column("label").combine_chunks()
    known = scores.filter(pc.is_valid(scores.column("label")))
    evaluation = evaluate(Scored.of(known), alerts_per_day=alerts_per_day)
    unripe = 0 if known_until is None else _younger(scores, known_until - label_delay)
    return EvaluatedRun(scores.drop_columns(["label"]), labels, evaluation, left_out, unripe)


def _younger(scores: pa.Table, moment: datetime) -> int:
    later = pc.greater(scores.column("event_time"), pa.scalar(moment, scores.schema.field("event_time").type))
    return int(pc.sum(later).as_py() or 0)


def _scores_with_labels(
    tables: TableStore, run: str, since: datetime | None, label_delay: timedelta, known_until: datetime | None
) -> tuple[pa.Table, int]:
    files = [str(path) for path in tables.files(SCORE_TABLE, run)]
    if not files:
        raise NotFoundError(f"no scores of run '{run}': run 'counterfoil score' first")
    source = labelled(tables, label_delay, before=known_until)
    columns = f"transaction_id, account_id, event_time, label, {known_at(label_delay)} AS known_at"
    with engine() as database:
        database.execute(f"CREATE VIEW payments AS SELECT {columns} FROM {source}")
        database.execute(f"CREATE VIEW scores AS FROM read_parquet({files!r})")
        database.execute(f"CREATE TABLE compromised AS {_compromised(since)}")
        everything = int(one_row(database, "SELECT count(*) FROM scores")[0])
        kept = database.sql(
            "SELECT scores.*, payments.label FROM scores JOIN payments USING (transaction_id) "
            "LEFT JOIN compromised ON compromised.account_id = scores.account_id "
            "WHERE compromised.known_at IS NULL OR compromised.known_at > date_trunc('day', scores.event_time) "
            "ORDER BY scores.event_time, scores.transaction_id"
        ).to_arrow_table()
    return kept, everything - kept.num_rows


def _compromised(since: datetime | None) -> str:
    """When each account was first known to be compromised."""
    condition = f"event_time >= TIMESTAMPTZ '{since.isoformat()}'" if since else "false"
    return (
        f"SELECT account_id, min(known_at) AS known_at FROM payments "
        f"WHERE label = {FRAUD} AND account_id IS NOT NULL AND {condition} GROUP BY account_id"
    )
