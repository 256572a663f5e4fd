"""An image that was warmed up compiles nothing when it is run."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from counterfoil.domain.encoding import walk
from counterfoil.domain.features import values, windows
from counterfoil.domain.features.fold import evidence_of
from counterfoil.domain.features.spec import DEFAULT_SPECS
from counterfoil.domain.periods import LABEL_DELAY
from counterfoil.domain.schemas import transactions_schema
from counterfoil.domain.scoring import compare, highest
from counterfoil.domain.scoring.compare import References
from counterfoil.processing.warm_up import warm_up


def compiled() -> dict[str, list[Any]]:
    """The argument types that each loop was compiled for; those that only loops call are within these."""
    loops = {name: loop for module in (values, windows, walk, highest) for name, loop in vars(module).items()}
    return {
        name: list(loop.signatures) for name, loop in loops.items() if hasattr(loop, "signatures") and name[0] != "_"
    }


def test_all_loops_are_compiled_for_the_types_that_evidence_needs() -> None:
    warm_up()
    before = compiled()
    assert len(before) == 17
    assert all(before.values())
    row = {"transaction_id": "1", "event_time": datetime(2026, 1, 1, tzinfo=UTC), "source": "s", "source_line": 1}
    table = pa.Table.from_pylist([row | {"account_id": "a", "merchant_id": "m"}], schema=transactions_schema())
    assert evidence_of(table, DEFAULT_SPECS, label_delay=LABEL_DELAY).num_rows == 1
    assert compiled() == before


def test_all_loops_are_compiled_for_the_vectors_that_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    warm_up()
    before = compiled()
    vectors = np.eye(12, dtype=np.float32)
    vectors.setflags(write=False)  # as Arrow gives them
    references = References(vectors, np.array([0, 1] * 6, np.int8))
    monkeypatch.setattr(compare, "FEW_REFERENCES", 4)
    for _ in range(2):
        references.compare(vectors, 2)
        references.compare(vectors[3:4], 2)
        references.prepare()
    assert compiled() == before
