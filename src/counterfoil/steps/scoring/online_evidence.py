"""The evidence of payments that come one by one, from their entities' histories."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pyarrow as pa

from counterfoil.domain.features.clock import CLOCK_QUERY, clock_for
from counterfoil.domain.features.spec import Entity, FeatureSpec
from counterfoil.domain.features.sql import compile_features
from counterfoil.steps.lake.engine import one_row, open_engine


def evidence_of(
    transactions: pa.Table,
    specs: Sequence[FeatureSpec],
    wanted: Sequence[str],
    *,
    label_delay: timedelta,
    own_columns: Sequence[str] = (),
    by_currency: bool = False,
) -> pa.Table:
    """The evidence of the transactions `wanted` (ids), in that order, as it would be within the whole lake.

    `transactions` are those payments and all that their windows can see. This is the one place that knows how
    evidence is computed.
    """
    with open_engine(Path(), threads=1) as database:
        database.register("transactions", transactions)
        whole_seconds, most_at_once = one_row(database, CLOCK_QUERY)
        names = sorted({column for entity in Entity for column in entity.columns})
        present = frozenset(name for name in names if transactions[name].null_count < transactions.num_rows)
        query = compile_features(
            specs,
            clock=clock_for(bool(whole_seconds), int(most_at_once or 0)),
            label_delay=label_delay,
            present=present,
            own_columns=tuple(own_columns),
            by_currency=by_currency,
        )
        rows = database.sql(query).to_arrow_table()
    place = {name: number for number, name in enumerate(rows["transaction_id"].to_pylist())}
    return rows.take(pa.array([place[name] for name in wanted], pa.int64()))
