"""The same release with more references: what one score costs then, beside the published way on the same vectors."""

import copy
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

from counterfoil.domain.arrays import Floats, Labels
from counterfoil.domain.release.references import vectors_of
from counterfoil.domain.scoring.compare import References
from counterfoil.steps.scoring.recent import evidence_table
from counterfoil.steps.scoring.scorer import Detector
from counterfoil.workspace.wiring import Workspace

SIZES = (10_000, 100_000, 1_000_000)
SCORES = 100
APART = 0.3
"""A further reference lies so far, at most, on the way from one of the release's own to another of its side."""
AT_A_TIME = 50_000


def growth_with_references(place: Workspace, sizes: tuple[int, ...] = SIZES) -> list[dict[str, Any]]:
    """Milliseconds of a score, evidence to answer, with the release's own references and with more."""
    detector = place.champion.current().detector
    own = detector.references.slice(0, detector.release.reference_rows)
    kept = [evidence_table([score], detector.release) for score in place.scores.latest(SCORES)]
    found = [_figures(detector, vectors_of(own), kept)]
    for size in sizes:
        vectors, labels, first = grown(own, size)
        found.append(_figures(_with_references(detector, own, vectors, labels, first), vectors, kept))
    return found


def _with_references(detector: Detector, own: pa.Table, vectors: Floats, labels: Labels, first: np.ndarray) -> Detector:
    """The detector with other vectors to search; what is told of a precedent is that of the one it was made of."""
    other = copy.copy(detector)
    other.references = own.drop_columns(["vector"]).take(pa.array(first))
    other.base = other._compared = References(vectors, labels)
    other.base.prepare()
    return other


def _figures(detector: Detector, vectors: Floats, kept: list[pa.Table]) -> dict[str, Any]:
    def published(evidence: pa.Table) -> object:
        return (vectors @ detector.vectors(evidence)[0]).max()

    return {
        "references": len(vectors), "dimensions": vectors.shape[1],
        "ours_p50_p99_ms": _milliseconds(detector.score, kept),
        "of_which_compare_p50_p99_ms": _milliseconds(detector.compare, kept),
        "published_way_p50_p99_ms": _milliseconds(published, kept),
    }  # fmt: skip


def _milliseconds(work: Callable[[pa.Table], object], kept: list[pa.Table]) -> list[float]:
    took = []
    for evidence in kept:
        begun = time.perf_counter()
        work(evidence)
        took.append(1000 * (time.perf_counter() - begun))
    return [round(float(level), 2) for level in np.quantile(took, [0.5, 0.99])]


def grown(references: pa.Table, size: int, seed: int = 0) -> tuple[Floats, Labels, np.ndarray]:
    """Vectors and labels of `size` references, and the row of `references` that each was made of.

    Each lies between two of `references` of one side, nearer to the first.
    """
    rng = np.random.default_rng(seed)
    vectors, labels = vectors_of(references), references["label"].to_numpy()
    first = rng.integers(len(vectors), size=size)
    second = np.empty(size, np.int64)
    for label in (0, 1):
        mine = labels[first] == label
        second[mine] = rng.choice(np.flatnonzero(labels == label), mine.sum())
    share = rng.uniform(0, APART, size).astype(np.float32)[:, None]
    found = np.empty((size, vectors.shape[1]), np.float32)
    for at in range(0, size, AT_A_TIME):
        part = slice(at, at + AT_A_TIME)
        mixed = vectors[first[part]] * (1 - share[part]) + vectors[second[part]] * share[part]
        found[part] = mixed / np.linalg.norm(mixed, axis=1, keepdims=True)
    return found, labels[first], first
