"""Score payments: encode evidence, hold it against a release's references, write signals with precedents."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from counterfoil.domain.arrays import Doubles
from counterfoil.domain.detection.compare import Comparison, References
from counterfoil.domain.detection.reasoner import Reasoner
from counterfoil.domain.detection.scores import SCORES, score_table, with_reasons
from counterfoil.domain.detection.signal import SignalKind, margin
from counterfoil.domain.encoding.blocks import Embed
from counterfoil.domain.encoding.encoder import join
from counterfoil.domain.references import checksum, in_canonical_order, vectors_of
from counterfoil.domain.release import (
    Release,
    missing_evidence,
    require_references,
    scored_columns,
    scored_schema,
)
from counterfoil.errors import MissingEvidenceError, ReleaseMismatchError
from counterfoil.ports import ReferenceStore, TableStore, TextEmbedder
from counterfoil.steps.compute import Compute
from counterfoil.steps.engine import engine, one_row
from counterfoil.steps.features import Period, evidence_files

SCORE_TABLE = "scores"
SCORED_EVIDENCE = "scored_evidence"


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
        self._compared = References(
            vectors_of(self.references),
            self.references.column("label").to_numpy(),
            device=compute.device,
            half=compute.half,
        )

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

    def compare(self, evidence: pa.Table) -> Comparison:
        """Hold evidence rows against both sides. Raises MissingEvidenceError."""
        return self._encode_and_compare(evidence)[0]

    def _encode_and_compare(self, evidence: pa.Table) -> tuple[Comparison, Doubles]:
        """The comparison, and how strange each row is by itself."""
        blocks = self.release.encoder.blocks(evidence, self._embed)
        vectors = join(blocks, self.release.encoder.mixture)
        return self._compared.compare(vectors, self.release.neighbours), blocks.distance

    def score(self, evidence: pa.Table) -> pa.Table:
        """Score evidence rows: one row each, following `SCORES`; from the threshold of review on with reasons."""
        compared, distance = self._encode_and_compare(evidence)
        scores = score_table(evidence, compared, distance, self.references, self.release.calibration, self.release_id)
        review = self.release.thresholds.review
        if review is None or self.release.calibration.kind is not SignalKind.CALIBRATED:
            return scores
        rows = np.flatnonzero(scores.column("anomaly_signal").to_numpy() >= review)
        if not len(rows):
            return scores
        return with_reasons(scores, rows, self._reasoner.reasons(evidence.take(rows), self._margins))

    def _margins(self, evidence: pa.Table) -> Doubles:
        compared = self.compare(evidence)
        return margin(compared.fraud.mean, compared.good.mean)


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
    run: str | None = None,
    part: str = "part-0",
) -> str:
    """Score the payments of a period; return the run, one per release and period if none is given.

    Writes the file `part` of two tables: `scored_evidence`, the rows as they were scored, and `scores`, which is
    published last. Of several machines that share a run each names a part of its own. No payment at all gives
    tables without rows. Raises NotFoundError without evidence, MissingEvidenceError naming all that is missing.
    """
    release = detector.release
    run = run or _name_of_run(release.release_id, period)
    batches = evidence_batches(tables, [release], period, compute.batch_rows)
    staged = {table: tables.stage(table, run) / f"{part}.parquet" for table in (SCORED_EVIDENCE, SCORE_TABLE)}
    done = 0
    with (
        _writer(staged[SCORED_EVIDENCE], scored_schema(release)) as evidence,
        _writer(staged[SCORE_TABLE], SCORES) as scores,
    ):
        for batch, total in batches:
            rows = as_scored(batch, release)
            evidence.write_table(rows)
            scores.write_table(detector.score(rows))
            done += rows.num_rows
            progress(done, total)
    # In this order: whoever sees a score can replay it.
    tables.publish(SCORED_EVIDENCE, run)
    tables.publish(SCORE_TABLE, run)
    return run


def _name_of_run(release_id: str, period: Period) -> str:
    span = f"{period.since or 'begin'}-{period.until or 'end'}".replace(":", "").replace(" ", "T").replace("+", "_")
    return f"{release_id}-{span}"


def _writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    return pq.ParquetWriter(path, schema, compression="zstd")


def evidence_batches(
    tables: TableStore, releases: Sequence[Release], period: Period, rows: int, *, labelled: bool = False
) -> Iterator[tuple[pa.Table, int]]:
    """Evidence of the period that the releases need, in the order of time, with the number of rows in all.

    With `labelled`, only payments that have a label, and the column `label`. Raises NotFoundError or
    MissingEvidenceError at once, not at the first batch.
    """
    files = evidence_files(tables)
    for release in releases:
        _require_evidence(release, files)
    names = dict.fromkeys(name for release in releases for name in scored_columns(release))
    columns = ", ".join(f'"{name}"' for name in (*names, *(["label"] if labelled else [])))
    condition = "label IS NOT NULL" if labelled else "true"
    return _read(columns, f"read_parquet({files!r}) WHERE {period.condition()} AND {condition}", rows)


def _read(columns: str, source: str, rows: int) -> Iterator[tuple[pa.Table, int]]:
    with engine() as database:
        total = int(one_row(database, f"SELECT count(*) FROM {source}")[0])
        # The files are in the order of time already; insertion order is kept, nothing is sorted again.
        for batch in database.sql(f"SELECT {columns} FROM {source}").to_arrow_reader(rows):
            yield pa.Table.from_batches([batch]), total


def as_scored(evidence: pa.Table, release: Release) -> pa.Table:
    """Evidence as the release reads it, following `scored_schema`. Raises ReleaseMismatchError for other types."""
    schema = scored_schema(release)
    selected = evidence.select(schema.names)
    try:
        return selected.cast(schema)
    except pa.ArrowInvalid:
        # Arrow's message would quote a payment's values.
        wrong = [
            f.name for f in schema if f.type == pa.float64() and pa.types.is_string(selected.schema.field(f.name).type)
        ]
        raise ReleaseMismatchError(
            f"release {release.release_id} (mapping {release.mapping}) reads {', '.join(wrong)} as a number, "
            "here it is text: score with a mapping that declares it as the release's does"
        ) from None


def _require_evidence(release: Release, files: Sequence[str]) -> None:
    """Raise MissingEvidenceError, with the names of all that is missing, unless each file has what is needed."""
    missing = dict.fromkeys(name for file in files for name in missing_evidence(release, pq.read_schema(file).names))
    if missing:
        raise MissingEvidenceError(
            f"release {release.release_id} (mapping {release.mapping}) needs evidence that is not there: "
            f"{', '.join(missing)}; build features with a mapping that declares it, or train a release without"
        )


def _require_same_weights(release: Release, embedder: TextEmbedder) -> None:
    wanted = release.text_weights_hash
    if wanted is not None and embedder.weights_hash != wanted:
        raise ReleaseMismatchError(
            f"release {release.release_id} was encoded with {release.text_model} (weights {wanted[:12]}), "
            f"the configured text model is {embedder.name} (weights {embedder.weights_hash[:12]}): "
            "set COUNTERFOIL_TEXT_MODEL to the release's model"
        )
