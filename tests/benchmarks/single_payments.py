"""How long the score of one payment takes, warm."""

import time

import numpy as np
import pyarrow as pa

from counterfoil.steps.scoring.scorer import Detector

WARM_UP = 20


def latencies(detector: Detector, evidence: pa.Table, payments: int) -> dict[str, float]:
    """Milliseconds of `payments` scores of one row each, spread over the table."""
    places = np.linspace(0, evidence.num_rows - 1, payments + WARM_UP).astype(int)
    took = []
    for place in places:
        row = evidence.slice(place, 1)
        start = time.perf_counter()
        detector.score(row)
        took.append(1000 * (time.perf_counter() - start))
    p50, p99 = np.quantile(took[WARM_UP:], [0.5, 0.99])
    return {"p50_ms": float(p50), "p99_ms": float(p99), "payments": payments}
