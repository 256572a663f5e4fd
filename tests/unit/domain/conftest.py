"""A release that was fitted on evidence with labels."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from counterfoil.domain.encoding.evidence import EvidenceSchema
from counterfoil.domain.features.spec import DEFAULT_SPECS
from counterfoil.domain.release.lineage import Lineage
from counterfoil.domain.release.references import checksum
from counterfoil.domain.release.release import Release
from counterfoil.domain.training.options import TrainingOptions
from counterfoil.domain.training.training import Fitted, fit_release

Maker = Callable[..., tuple[pa.Table, np.ndarray]]


@pytest.fixture(scope="session")
def schema() -> EvidenceSchema:
    """Return the schema of that evidence with its three numbers."""
    return EvidenceSchema(("amount", "n0", "n1", "n2"), ("category",), ("merchant_id", "category"))


@pytest.fixture(scope="session")
def fit(schema: EvidenceSchema, embedder: Any) -> Callable[..., Fitted]:
    """Return `fit_release` with quick options, for evidence tables."""

    def fit_quickly(table: pa.Table, **options: Any) -> Fitted:
        quick = TrainingOptions(**({"shares": (0.2, 0.4), "neighbours": (3, 5), "trees": 16, "rounds": 10} | options))
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
            training_frauds=60, encoder=found.encoder, usual=found.usual, calibration=found.calibration,
            neighbours=found.neighbours,
            text_model="hash", text_weights_hash="0" * 64, reference_rows=found.references.num_rows,
            reference_frauds=60, reference_checksum=checksum(found.references), left_out=found.left_out,
            spread=found.spread, validation=found.validation, ablation=found.ablation, notes=found.notes,
            thresholds=found.thresholds, lineage=Lineage("e" * 64, "f" * 64, "2024-02-03T00:00:00+00:00"),
        )  # fmt: skip

    return make
