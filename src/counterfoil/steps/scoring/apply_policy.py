"""Let a policy decide on scores: the same inputs for a batch and for a single payment."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from counterfoil.domain.policy.cel_tree import Kind
from counterfoil.domain.policy.policy import Policy
from counterfoil.domain.schemas import SCORES, TRANSACTION_COLUMNS
from counterfoil.domain.tables import TRANSACTIONS
from counterfoil.ports.lake import TableStore
from counterfoil.steps.lake.engine import engine, parquet_source

_OF_PAYMENTS = {column.name: column.type for column in TRANSACTION_COLUMNS}
AMOUNT = "amount"


def decided_in_batch(
    policy: Policy, scores: pa.Table, evidence: pa.Table, payments: pa.Table, at: datetime
) -> pa.Table:
    """Scores whose decisions the policy made, by SQL; the other tables have the same payments in the same order."""
    with engine() as database:
        return run_policy(database, policy, scores, inputs(policy, scores, evidence, payments), at)


def run_policy(
    database: duckdb.DuckDBPyConnection, policy: Policy, scores: pa.Table, read: pa.Table, at: datetime | None,
    said_by_lists: pa.Array | None = None,
) -> pa.Table:  # fmt: skip
    """Scores whose decisions the policy made on `read` (see `inputs`), with the lists as they are at a moment.

    Without one, as they were when each payment was made. With `said_by_lists`, texts such as 'block: list stolen' for
    each payment, these count and no list is looked up.
    """
    batch = read.append_column("row", pa.array(np.arange(read.num_rows)))
    batch = batch.append_column("decision", scores["decision"]).append_column("event_time", scores["event_time"])
    database.register("batch", batch)
    database.register("entries", policy.lists.entries)
    if said_by_lists is not None:
        database.register("batch", batch.append_column("said_by_lists", said_by_lists))
        decided = database.sql(policy.batch_sql(None)).to_arrow_table()
        return _with_policy(policy, scores, decided["decided"], decided["hits"])
    moment = "event_time" if at is None else f"'{at.isoformat()}'::TIMESTAMPTZ"
    decided = database.sql(policy.batch_sql(moment)).to_arrow_table()
    return _with_policy(policy, scores, decided["decided"], decided["hits"])


def decided_one_by_one(
    policy: Policy, scores: pa.Table, evidence: pa.Table, payments: pa.Table, at: datetime
) -> pa.Table:
    """Scores whose decisions the policy made, payment by payment, as the service does it."""
    rows = inputs(policy, scores, evidence, payments).to_pylist()
    found = [
        policy.decide(row, decision, at) for row, decision in zip(rows, scores["decision"].to_pylist(), strict=True)
    ]
    decided = pa.array([str(decision) for decision, _ in found], pa.string())
    return _with_policy(policy, scores, decided, pa.array([hits for _, hits in found], pa.list_(pa.string())))


def _with_policy(policy: Policy, scores: pa.Table, decided: Any, hits: Any) -> pa.Table:
    changed = {
        "decision": decided,
        "policy_version": pa.repeat(policy.version, scores.num_rows),
        "policy_hits": hits,
    }
    columns = [changed.get(name, scores[name]) for name in SCORES.names]
    return pa.table([column.cast(SCORES.field(place).type) for place, column in enumerate(columns)], schema=SCORES)


def inputs(policy: Policy, scores: pa.Table, evidence: pa.Table, payments: pa.Table) -> pa.Table:
    """What the policy reads of each payment: a column each, numbers that are not finite being unknown.

    Of the score where it stands there, else of the payment itself, else of the evidence as it was scored.
    """
    columns = {}
    for name in policy.columns:
        source = next((table for table in (scores, payments, evidence) if name in table.column_names), None)
        number = policy.rules.kinds.get(name) is Kind.NUMBER
        type_ = pa.float64() if number else pa.string()
        if source is None:
            columns[name] = pa.nulls(scores.num_rows, type_)
            continue
        values = source[name].cast(type_)
        columns[name] = pc.if_else(pc.is_finite(values), values, pa.scalar(None, type_)) if number else values
    return pa.table(columns)


def payment_columns(policy: Policy) -> list[str]:
    """The columns of `transactions` that the policy reads."""
    return [name for name in policy.columns if name in _OF_PAYMENTS]


def payments_of_rows(policy: Policy, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """What the policy reads of payments that come one by one."""
    return pa.table({name: pa.array([row.get(name) for row in rows], _OF_PAYMENTS[name])
                     for name in payment_columns(policy)})  # fmt: skip


def payments_of_lake(policy: Policy, tables: TableStore, scored: pa.Table) -> pa.Table:
    """What the policy reads of scored payments (transaction_id, event_time), in their order; null where one is gone."""
    names = payment_columns(policy)
    files = tables.files(TRANSACTIONS)
    if not files or not scored.num_rows:
        return pa.table({name: pa.nulls(scored.num_rows, _OF_PAYMENTS[name]) for name in names})
    wanted = scored.select(["transaction_id", "event_time"])
    columns = ", ".join(
        f"payments.{name}::{'DECIMAL(18, 4)' if name == AMOUNT else 'VARCHAR'} AS {name}" for name in names
    )
    with engine() as database:
        database.register("wanted", wanted.append_column("row", pa.array(range(wanted.num_rows), pa.int64())))
        return database.sql(
            f"SELECT {columns} FROM wanted LEFT JOIN ("
            f"SELECT * FROM {parquet_source(files)} WHERE event_time >= (SELECT min(event_time) FROM wanted) "
            "AND event_time <= (SELECT max(event_time) FROM wanted)) AS payments "
            "ON payments.transaction_id = wanted.transaction_id ORDER BY wanted.row"
        ).to_arrow_table()
