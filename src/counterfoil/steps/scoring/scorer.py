"""A release ready to score."""

import copy
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from counterfoil.cores import cores
from counterfoil.domain.arrays import Doubles, Floats, Labels
from counterfoil.domain.encoding.blocks import remembering
from counterfoil.domain.encoding.encoder import join
from counterfoil.domain.policy.decide import Decision
from counterfoil.domain.release.references import checksum, in_canonical_order, overlay_table, vectors_of
from counterfoil.domain.release.release import (
    Release,
    require_references,
)
from counterfoil.domain.scoring.compare import Comparison, References, joined
from counterfoil.domain.scoring.overlaid import Compared, Overlaid
from counterfoil.domain.scoring.overlay import Overlay
from counterfoil.domain.scoring.reasoner import Reasoner
from counterfoil.domain.scoring.scores import score_table, with_reasons
from counterfoil.domain.scoring.signal import SignalKind, margin
from counterfoil.errors import ReleaseMismatchError
from counterfoil.ports.releases import ReferenceStore, TextEmbedder
from counterfoil.steps.scoring.compute import Compute

TEXTS_OF = 2_000
"""The texts of so many references are encoded before the first score: each costs as much as ten scores."""

MOST_ROWS, FEWEST_ROWS = 2_048, 256
"""So many rows are encoded and compared at once, so that what lies between stays near the processor."""


class Detector:
    """A release ready to score. Safe to use for any number of tables.

    `references` is the release's base (`domain.references.reference_schema`). Raises ReleaseMismatchError if it
    is not the one that the release was trained with, or `embedder` has other weights.
    """

    def __init__(
        self,
        release: Release,
        references: pa.Table,
        embedder: TextEmbedder,
        compute: Compute = Compute(),
    ) -> None:
        self.release = release
        self.release_id = release.release_id
        _require_same_weights(release, embedder)
        require_references(release, checksum(references))
        self.references = in_canonical_order(references)
        self._embed = remembering(embedder.embed)
        self._reasoner = Reasoner(release.encoder, release.specs, release.usual)
        self.base = References(
            vectors_of(self.references),
            self.references.column("label").to_numpy(),
            device=compute.device,
            half=compute.half,
        )
        self._compared: Compared = self.base
        self._threads = cores() if compute.device == "cpu" else 1
        self.calibration = release.calibration
        self.overlay = Overlay()

    @classmethod
    def load(
        cls, release: Release, store: ReferenceStore, embedder: TextEmbedder, compute: Compute = Compute()
    ) -> "Detector":
        """Read the release's references from a store, where their recorded checksum must be the release's too.

        Raises NotFoundError if the store has none of this release.
        """
        _require_same_weights(release, embedder)
        require_references(release, store.checksum(release.release_id))
        return cls(release, store.read_base(release.release_id), embedder, compute)

    def warm_up(self) -> None:
        """Load the text encoder, if the release has one, and encode what payments say most: no score waits then."""
        if self.release.text_weights_hash is None:
            return
        self._embed(["warm up"])
        text, some = self.release.encoder.text, self.references.slice(0, TEXTS_OF)
        if text is not None and set(text.names) <= set(some.column_names):
            text.transform(some, self._embed)

    def with_overlay(self, overlay: Overlay) -> "Detector":
        """The same release with an overlay in place of the one it has; this one stays as it is."""
        rows, dimensions = self.release.reference_rows, self.release.encoder.dimensions
        other = copy.copy(self)
        other.overlay = overlay
        other.references = pa.concat_tables(
            [self.references.slice(0, rows), overlay_table(overlay.references, dimensions)]
        )
        other._compared = Overlaid(self.base, rows, overlay.references, dimensions) if overlay.references else self.base
        intercept = overlay.intercept
        if intercept is not None:
            other.calibration = replace(self.release.calibration, intercept=intercept)
        return other

    def vectors(self, evidence: pa.Table, labels: Labels | None = None) -> Floats:
        """Unit vectors of payments as they are scored or, with labels, as they would be kept as references."""
        return self.release.encoder.encode(evidence, self._embed, labels)

    def nearest(self, vectors: Floats, k: int) -> Comparison:
        """Compare unit vectors with the k nearest references of both sides."""
        return self._compared.compare(vectors, k)

    def compare(self, evidence: pa.Table) -> Comparison:
        """Compare evidence rows with the references of both sides. Raises MissingEvidenceError."""
        return self._encode_and_compare(evidence)[0]

    def _encode_and_compare(self, evidence: pa.Table) -> tuple[Comparison, Doubles]:
        """The comparison, and how strange each row is by itself; many rows on all cores."""
        rows, texts = evidence.num_rows, self.release.encoder.texts(evidence, self._embed)
        step = min(MOST_ROWS, max(FEWEST_ROWS, -(-rows // self._threads)))
        if rows <= step:
            return self._part(evidence, texts)
        starts = range(0, rows, step)
        parts = [evidence.slice(start, step) for start in starts]
        of_parts = [None if texts is None else texts[start : start + step] for start in starts]
        with ThreadPoolExecutor(min(self._threads, len(parts))) as pool:
            found = list(pool.map(self._part, parts, of_parts))
        return joined([compared for compared, _ in found]), np.concatenate([distance for _, distance in found])

    def _part(self, evidence: pa.Table, texts: Floats | None) -> tuple[Comparison, Doubles]:
        blocks = self.release.encoder.blocks_with(evidence, texts)
        vectors = join(blocks, self.release.encoder.mixture)
        return self._compared.compare(vectors, self.release.neighbours), blocks.distance

    def score(self, evidence: pa.Table) -> pa.Table:
        """Score evidence rows: one row each, following `SCORES`; from the threshold of review on with reasons."""
        compared, distance = self._encode_and_compare(evidence)
        release = self.release
        scores = score_table(
            evidence, compared, distance, self.references, self.calibration, release.thresholds, self.release_id,
            self.overlay.sequence,
        )  # fmt: skip
        if release.calibration.kind is not SignalKind.CALIBRATED:
            return scores
        rows = np.flatnonzero(pc.not_equal(scores.column("decision"), Decision.ALLOW).to_numpy())
        if not len(rows):
            return scores
        return with_reasons(scores, rows, self._reasoner.reasons(evidence.take(rows), self._margins))

    def _margins(self, evidence: pa.Table) -> Doubles:
        compared = self.compare(evidence)
        return margin(compared.fraud.mean, compared.good.mean)


def _require_same_weights(release: Release, embedder: TextEmbedder) -> None:
    wanted = release.text_weights_hash
    if wanted is not None and embedder.weights_hash != wanted:
        raise ReleaseMismatchError(
            f"release {release.release_id} was encoded with {release.text_model} (weights {wanted[:12]}), "
            f"the configured text model is {embedder.name} (weights {embedder.weights_hash[:12]}): "
            "set COUNTERFOIL_TEXT_MODEL to the release's model"
        )
