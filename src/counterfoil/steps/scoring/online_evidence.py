"""The evidence of payments that come one by one, from their entities' histories."""

from collections.abc import Sequence
from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc

from counterfoil.domain.arrays import mask_of
from counterfoil.domain.features import fold
from counterfoil.domain.features.spec import FeatureSpec


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

    `transactions` are those payments and all that their windows can see: the batch's own fold runs over them.
    """
    chosen = pc.is_in(transactions["transaction_id"], value_set=pa.array(wanted, pa.string()))
    rows = fold.evidence_of(
        transactions, specs, label_delay=label_delay, own_columns=own_columns, by_currency=by_currency,
        rows=mask_of(chosen),
    )  # fmt: skip
    place = {name: number for number, name in enumerate(rows["transaction_id"].to_pylist())}
    return rows.take(pa.array([place[name] for name in wanted], pa.int64()))
