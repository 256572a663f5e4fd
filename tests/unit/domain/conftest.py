"""Evidence with labels, and a release that was fitted on it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from counterfoil.domain.encoding.evidence import EvidenceSchema
from counterfoil.domain.features.spec import DEFAULT_SPECS
from counterfoil.domain.features.sql import CYCLES
from counterfoil.domain.references import checksum
from counterfoil.domain.release import Release
from counterfoil.domain.schemas import TIMESTAMP
from counterfoil.domain.training import Fitted, TrainingOptions, fit_release

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


@pytest.fixture(scope="session")
def schema() -> EvidenceSchema:
    """Return the schema of that evidence with its three numbers."""
    return EvidenceSchema(("amount", "n0", "n1", "n2"), ("category",), ("merchant_id", "category"))


@pytest.fixture(scope="session")
def fit(schema: EvidenceSchema, embedder: Any) -> Callable[..., Fitted]:
    """Return `fit_release` with quick options, for evidence tables."""

    def fit_quickly(table: pa.Table, **options: Any) -> Fitted:
        quick = TrainingOptions(**({"shares": (0.2, 0.4), "neighbours": (3, 5)} | options))
        return fit_release(table, np.ones(table.num_rows), schema, embed=embedder.embed, options=quick)

    return fit_quickly


@pytest.fixture(scope="session")
def fitted(fit: Callable[..., Fitted], evidence: Maker) -> Fitted:
    """Return what was fitted on 600 rows."""
    return fit(evidence()[0])


@pytest.fixture(scope="session")
def release_of() -> Callable[[Fitted], Release]:
    """Return a maker of releases from what was fitted."""

    def make(found: Fitted) -> Release:
        return Release(
            mapping="test", specs=DEFAULT_SPECS, label_delay_days=7.0, trained_from=None,
            trained_until="2024-02-01T00:00:00+00:00", labels_known_until=None, training_rows=600,
            training_frauds=60, encoder=found.encoder, calibration=found.calibration, neighbours=found.neighbours,
            text_model="hash", text_weights_hash="0" * 64, reference_rows=found.references.num_rows,
            reference_frauds=60, reference_checksum=checksum(found.references), left_out=found.left_out,
            spread=found.spread, validation=found.validation, ablation=found.ablation, notes=found.notes,
        )  # fmt: skip

    return make
