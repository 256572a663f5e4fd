"""Score payments: encode evidence, hold it against a release's references, write signals with precedents."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from counterfoil.domain.detection.compare import Comparison, References
from counterfoil.domain.detection.scores import SCORES, score_table
from counterfoil.domain.encoding.blocks import Embed
from counterfoil.domain.references import vectors_of
from counterfoil.domain.release import Release
from counterfoil.errors import ReleaseMismatchError
from counterfoil.ports import ReferenceStore, TableStore, TextEmbedder
from counterfoil.steps.engine import engine, one_row
from counterfoil.steps.features import Period, evidence_files

SCORE_TABLE = "scores"


@dataclass(frozen=True)
class Compute:
    """Where vectors are compared, whether the nearest are found in half precision, and how many rows at once."""

    device: str = "cpu"
    half: bool = False
    batch_rows: int = 16_384


class Detector:
    """A release ready to score: its references are read once. Safe to use for any number of tables."""

    def __init__(
        self,
        release: Release,
        store: ReferenceStore,
        embedder: TextEmbedder,
        compute: Compute = Compute(),
    ) -> None:
        self.release = release
        self.release_id = release.release_id
        self._require_same_weights(embedder)
        self.references = store.read_base(self.release_id)
        self._require_same_references(store)
        self._embed = remembering(embedder.embed)
        self._compared = References(
            vectors_of(self.references),
            self.references.column("label").to_numpy(),
            release.encoder.vote_dimensions,
            device=compute.device,
            half=compute.half,
        )

    def _require_same_weights(self, embedder: TextEmbedder) -> None:
        wanted = self.release.text_weights_hash
        if wanted is not None and embedder.weights_hash != wanted:
            raise ReleaseMismatchError(
                f"release {self.release_id} was encoded with {self.release.text_model} (weights {wanted[:12]}), "
                f"the configured text model is {embedder.name} (weights {embedder.weights_hash[:12]}): "
                "set COUNTERFOIL_TEXT_MODEL to the release's model"
            )

    def _require_same_references(self, store: ReferenceStore) -> None:
        found = store.checksum(self.release_id)
        if found != self.release.reference_checksum:
            raise ReleaseMismatchError(
                f"the reference set of release {self.release_id} has checksum {found[:12]}, "
                f"the release was trained with {self.release.reference_checksum[:12]}: train again"
            )

    def compare(self, evidence: pa.Table) -> Comparison:
        """Hold evidence rows against both sides. Raises MissingEvidenceError."""
        vectors = self.release.encoder.encode(evidence, self._embed)
        return self._compared.compare(vectors, self.release.neighbours)

    def score(self, evidence: pa.Table) -> pa.Table:
        """Score evidence rows: one row each, following `SCORES`."""
        return score_table(evidence, self.compare(evidence), self.references, self.release.calibration, self.release_id)


def remembering(embed: Embed, most: int = 100_000) -> Embed:
    """Wrap a text encoder so that a sentence is encoded once in its life (the last `most` are kept)."""
    known: dict[str, np.ndarray] = {}

    def remembered(texts: list[str]) -> np.ndarray:
        new = [text for text in dict.fromkeys(texts) if text not in known]
        found = dict(zip(new, embed(new), strict=True)) if new else {}
        rows = [found[t] if t in found else known[t] for t in texts]
        if len(known) + len(found) > most:
            known.clear()
        known.update(found)
        return np.stack(rows) if rows else embed([])

    return remembered  # type: ignore[return-value]


def detect(
    tables: TableStore,
    detector: Detector,
    *,
    period: Period = Period(),
    compute: Compute = Compute(),
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> str:
    """Score the payments of a period into the table `scores`; return the run, one per release and period."""
    span = f"{period.since or 'begin'}-{period.until or 'end'}".replace(":", "").replace(" ", "T").replace("+", "_")
    run = f"{detector.release_id}-{span}"
    staged = tables.stage(SCORE_TABLE, run)
    done = 0
    with pq.ParquetWriter(staged / "part-0.parquet", SCORES, compression="zstd") as writer:
        for batch, total in _batches(tables, period, compute.batch_rows):
            writer.write_table(detector.score(batch))
            done += batch.num_rows
            progress(done, total)
    tables.publish(SCORE_TABLE, run)
    return run


def _batches(tables: TableStore, period: Period, rows: int) -> Iterator[tuple[pa.Table, int]]:
    """Evidence of the period in the order of time, with the number of rows in all."""
    files = evidence_files(tables)
    with engine() as database:
        source = f"read_parquet({files!r}) WHERE {period.condition()}"
        total = int(one_row(database, f"SELECT count(*) FROM {source}")[0])
        # The files are in the order of time already; insertion order is kept, nothing is sorted again.
        for batch in database.sql(f"FROM {source}").to_arrow_reader(rows):
            yield pa.Table.from_batches([batch]), total
