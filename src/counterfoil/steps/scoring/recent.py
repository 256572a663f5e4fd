"""The payments that were scored last, as the release in use sees them: what a change of its references is tried on."""

import threading
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from counterfoil.domain.release.release import Release, scored_schema
from counterfoil.domain.scoring.window import Window
from counterfoil.ports.service import KeptScore, ScoreLog
from counterfoil.steps.scoring.scorer import Detector

MOST = 10_000
LATE = timedelta(seconds=10)
"""A score may become visible so long after its time."""


class Recent:
    """Holds the last scored payments of a release; reads only what is new. Threads may share it."""

    def __init__(self, scores: ScoreLog, most: int = MOST) -> None:
        self._scores = scores
        self._most = most
        self._guard = threading.Lock()
        self._release_id = ""
        self._until: datetime | None = None
        self._known: dict[str, datetime] = {}
        self._held: Window | None = None

    def update(self, detector: Detector) -> Window:
        """The last scored payments as this release sees them. Raises StoreUnavailableError."""
        with self._guard:
            if self._held is None or self._release_id != detector.release_id:
                self._held, self._until, self._release_id = _nothing(detector.release), None, detector.release_id
                self._known = {}
            after = None if self._until is None else self._until - LATE
            there = set(self._held.ids)
            found = self._scores.lately(self._most, after, self._known)
            new = [score for score in found if score.transaction_id not in there]
            if found:
                self._until = max(filter(None, (self._until, found[-1].scored_at)))
                at = {score.transaction_id: score.scored_at for score in found if score.scored_at} | self._known
                self._known = {name: when for name, when in at.items() if when > self._until - LATE}
            usable = [score for score in new if has_evidence(score, detector.release)]
            if usable:
                self._held = self._held.before(_seen(usable, detector), self._most)
            self._held = self._held.beside(detector.overlay.references)
            return self._held

    def drop(self) -> None:
        """Read all again at the next call: an account was forgotten."""
        with self._guard:
            self._held = None


def has_evidence(score: KeptScore, release: Release) -> bool:
    """Whether a payment was scored with all the evidence that a release reads."""
    if score.release_id == release.release_id:
        return True
    return set(release.encoder.schema.columns) <= {*score.evidence, *score.answer["missing_evidence"]}


def evidence_table(scores: Sequence[KeptScore], release: Release) -> pa.Table:
    """The evidence of kept scores as the release reads it."""
    schema = scored_schema(release)
    columns = [pa.array([_value(score.evidence, field) for score in scores], field.type) for field in schema]
    return pa.Table.from_arrays(columns, schema=schema)


def _value(evidence: Mapping[str, Any], field: pa.Field) -> Any:
    value = evidence.get(field.name)
    return datetime.fromisoformat(value) if value is not None and pa.types.is_timestamp(field.type) else value


def _nothing(release: Release) -> Window:
    vectors = np.zeros((0, release.encoder.dimensions), np.float32)
    none = np.zeros((0, release.neighbours))
    return Window.of((), vectors, none, none)


def _seen(scores: Sequence[KeptScore], detector: Detector) -> Window:
    vectors = detector.vectors(evidence_table(scores, detector.release))
    compared = detector.base.compare(vectors, detector.release.neighbours)
    ids = [score.transaction_id for score in scores]
    return Window.of(ids, vectors, compared.fraud.similarity, compared.good.similarity)
