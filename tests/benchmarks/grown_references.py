"""The same release with more references: what one score costs then, beside the published way on the same vectors."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from counterfoil.domain.release.references import checksum, reference_schema, vectors_of
from counterfoil.steps.scoring.recent import evidence_table
from counterfoil.steps.scoring.scorer import Detector
from counterfoil.workspace.wiring import Workspace

SIZES = (10_000, 100_000, 1_000_000)
SCORES = 100
APART = 0.3
"""A further reference lies so far, at most, on the way from one of the release's own to another of its side."""


def growth_with_references(place: Workspace) -> list[dict[str, Any]]:
    """Milliseconds of a score, evidence to answer, with the release's own references and with more."""
    detector = place.champion.current().detector
    kept = [evidence_table([score], detector.release) for score in place.scores.latest(SCORES)]
    found = [_figures(detector, kept)]
    for size in SIZES:
        table = grown(detector.references.slice(0, detector.release.reference_rows), size)
        release = replace(
            detector.release, reference_rows=size, reference_checksum=checksum(table),
            reference_frauds=int(np.sum(table["label"].to_numpy())),
        )  # fmt: skip
        found.append(_figures(Detector(release, table, place.embedder, place.compute), kept))
    return found


def _figures(detector: Detector, kept: list[pa.Table]) -> dict[str, Any]:
    vectors = vectors_of(detector.references)

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


def grown(references: pa.Table, size: int, seed: int = 0) -> pa.Table:
    """A table of `size` references: each lies between two of `references` of one side, nearer to the first."""
    rng = np.random.default_rng(seed)
    vectors, labels = vectors_of(references), references["label"].to_numpy()
    sides = {label: np.flatnonzero(labels == label) for label in (0, 1)}
    first = rng.integers(len(vectors), size=size)
    second = np.empty(size, np.int64)
    for label, places in sides.items():
        mine = labels[first] == label
        second[mine] = rng.choice(places, mine.sum())
    share = rng.uniform(0, APART, size).astype(np.float32)[:, None]
    flat = np.empty((size, vectors.shape[1]), np.float32)
    for at in range(0, size, 50_000):
        part = slice(at, at + 50_000)
        mixed = vectors[first[part]] * (1 - share[part]) + vectors[second[part]] * share[part]
        flat[part] = mixed / np.linalg.norm(mixed, axis=1, keepdims=True)
    like = references.take(pa.array(first)).drop_columns(["vector", "reference_id"])
    names = pa.array([f"g{number:07d}" for number in range(size)])
    schema = reference_schema(vectors.shape[1])
    column = pa.FixedSizeListArray.from_arrays(pa.array(flat.reshape(-1)), vectors.shape[1])
    return like.append_column("reference_id", names).append_column("vector", column).select(schema.names).cast(schema)
