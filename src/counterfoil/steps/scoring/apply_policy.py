"""Let a policy decide on scores: the same inputs for a batch and for a single payment.

An amount becomes the nearest double, as a rule's own numbers do: Arrow's cast of a decimal makes 5636.780000000001 of
5636.78 (pyarrow 25.0.1), which is above a bound of 5636.78.
"""

import math
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
Row = Mapping[str, Any]


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
        return _with_policy(policy, scores, database.sql(policy.batch_sql(None)).to_arrow_table())
    moment = "event_time" if at is None else f"'{at.isoformat()}'::TIMESTAMPTZ"
    return _with_policy(policy, scores, database.sql(policy.batch_sql(moment)).to_arrow_table())


def decide_rows(
    policy: Policy, scores: Sequence[dict[str, Any]], evidence: Sequence[Row], payments: Sequence[Row], at: datetime
) -> None:
    """Let the policy decide on scores, payment by payment, as the service does; the scores are changed.

    The others have the same payments in the same order. No table is made, which would take longer than the rules.
    """
    sources = [(name, policy.rules.kinds.get(name) is Kind.NUMBER, _source(name)) for name in policy.columns]
    for score, fact, payment in zip(scores, evidence, payments, strict=True):
        tables = (score, payment, fact)
        read = {name: _as_read(tables[place].get(name), number) for name, number, place in sources}
        decision, hits = policy.decide(read, score["decision"], at)
        score.update(decision=str(decision), policy_version=policy.version, policy_hits=hits)


def _source(name: str) -> int:
    """Where a policy reads a column: 0 of the score, 1 of the payment, 2 of the evidence as it was scored."""
    return 0 if name in SCORES.names else 1 if name in _OF_PAYMENTS else 2


def _as_read(value: Any, number: bool) -> float | str | None:
    """A value as rules read it: numbers that are not finite are unknown."""
    if value is None:
        return None
    if not number:
        return str(value)
    found = float(value)
    return found if math.isfinite(found) else None


def _with_policy(policy: Policy, scores: pa.Table, spoken: pa.Table) -> pa.Table:
    """Scores with the decisions and hits of the rows of which anything spoke (row, hits, decided), in their order."""
    rows = spoken["row"].to_numpy()
    said = np.zeros(scores.num_rows, dtype=bool)
    said[rows] = True
    decided = pc.replace_with_mask(
        scores["decision"].combine_chunks(), pa.array(said), spoken["decided"].combine_chunks()
    )
    lengths = np.zeros(scores.num_rows + 1, dtype=np.int32)
    lengths[rows + 1] = pc.list_value_length(spoken["hits"]).to_numpy()
    hits = pa.ListArray.from_arrays(
        np.cumsum(lengths, dtype=np.int32), pc.list_flatten(spoken["hits"]).combine_chunks()
    )
    changed = {"decision": decided, "policy_version": pa.repeat(policy.version, scores.num_rows), "policy_hits": hits}
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
        values = source[name]
        if number and pa.types.is_decimal(values.type):
            values = values.cast(pa.string())
        values = values.cast(type_)
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
    # Written out, so that other parts of the files are not read.
    first, last = (f"TIMESTAMPTZ '{one.isoformat()}'" for one in pc.min_max(wanted["event_time"]).as_py().values())
    with engine() as database:
        database.register("wanted", wanted.append_column("row", pa.array(range(wanted.num_rows), pa.int64())))
        return database.sql(
            f"SELECT {columns} FROM wanted LEFT JOIN ("
            f"SELECT * FROM {parquet_source(files)} WHERE event_time >= {first} AND event_time <= {last}) AS payments "
            "ON payments.transaction_id = wanted.transaction_id ORDER BY wanted.row"
        ).to_arrow_table()
