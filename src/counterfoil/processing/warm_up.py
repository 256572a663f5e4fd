"""Compile all loops once, while an image is built: `python -m counterfoil.processing.warm_up`."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pyarrow as pa

from counterfoil.domain.encoding.trees import FlatTrees
from counterfoil.domain.encoding.walk import curves
from counterfoil.domain.features import windows
from counterfoil.domain.features.aggregates import Aggregate
from counterfoil.domain.features.fold import Kept, evidence_of
from counterfoil.domain.features.profile import Payment, Profile, Program
from counterfoil.domain.features.spec import Entity, FeatureSpec
from counterfoil.domain.schemas import transactions_schema
from counterfoil.domain.scoring.compare import InMemory


def warm_up() -> None:
    """Fold three payments in each way there is, walk one tree, read one curve, find the nearest in two ways."""
    specs = tuple(FeatureSpec(entity, one, 1) for entity in (Entity.ACCOUNT, Entity.MERCHANT) for one in Aggregate)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    rows = [
        {
            "transaction_id": str(n), "event_time": start + timedelta(seconds=n), "amount": Decimal(n), "label": 1,
            "account_id": "a", "merchant_id": "m", "source": "s", "source_line": n,
        }
        for n in range(3)
    ]  # fmt: skip
    table = pa.Table.from_pylist(rows, schema=transactions_schema())
    evidence_of(table, specs, label_delay=timedelta(0), kept=Kept(1))
    # As the batch has them: arrays of Arrow, which numba tells apart from those that can be written to.
    windows.put(pa.array([0], pa.int32()).to_numpy(), pa.array([0.0]).to_numpy(), np.zeros(1))
    profile = Profile(Program(specs, 0))
    profile.features(Payment("0", 0, 0, None, "a", "m"))
    one = np.zeros(1, np.int64)
    tree = FlatTrees(one, one, np.full(1, np.inf, np.float32), one, np.zeros(1, np.float32), 0)
    tree.values(np.zeros((1, 1), np.float32))
    tree.sums(np.zeros((1, 1), np.float32))
    curves(*np.zeros((4, 1, 1)))
    few = InMemory.of(np.eye(2, dtype=np.float32), np.arange(2))
    for side in (few, few.in_leaves()):
        side.nearest(np.eye(2, dtype=np.float32), 1, 0)


if __name__ == "__main__":
    warm_up()
