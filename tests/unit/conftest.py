"""Evidence with labels, made up without a query."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from counterfoil.domain.features.columns import CYCLES
from counterfoil.domain.schemas import TIMESTAMP

DAY_US = 86_400_000_000
Maker = Callable[..., tuple[pa.Table, np.ndarray]]


@pytest.fixture(scope="session")
def evidence() -> Maker:
    """Return a maker of evidence in no order of time, with labels (1 for frauds, of larger amounts)."""

    def make(
        rows: int = 600, numbers: int = 3, seed: int = 0, days: int = 60, delay_days: float = 7.0, rate: float = 0.1
    ) -> tuple[pa.Table, np.ndarray]:
        rng = np.random.default_rng(seed)
        labels = (rng.random(rows) < rate).astype(np.int8)
        angles = rng.random((2, rows)) * 2 * np.pi
        circles = [f(angle) for angle in angles for f in (np.sin, np.cos)]
        times = rng.integers(days * DAY_US, size=rows)
        columns = {
            "transaction_id": [f"s{seed}-{n:05d}" for n in range(rows)],
            "event_time": pa.array(times).cast(TIMESTAMP),
            "known_at": pa.array(times + round(delay_days * DAY_US)).cast(TIMESTAMP),
            "label": pa.array(labels),
            "account_id": [f"a{n}" for n in rng.integers(40, size=rows)],
            "merchant_id": [f"shop {n}" for n in rng.integers(30, size=rows)],
            "category": [f"c{n}" for n in rng.integers(5, size=rows)],
            "currency": ["EUR"] * rows,
            "amount": np.round(np.exp(rng.normal(size=rows) + 2 * labels), 2),
            **{f"n{number}": rng.normal(size=rows) + labels * (number == 0) for number in range(numbers)},
            **dict(zip(CYCLES, circles, strict=True)),
        }
        return pa.table(columns), labels

    return make
