"""Train a release: sample the payments whose labels are known, fit a candidate, register it."""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from counterfoil.domain.arrays import Doubles
from counterfoil.domain.encoding.evidence import EvidenceSchema
from counterfoil.domain.features.spec import DEFAULT_SPECS, FeatureSpec
from counterfoil.domain.lineage import lineage_of
from counterfoil.domain.mapping_model import SourceMapping
from counterfoil.domain.references import checksum
from counterfoil.domain.release import (
    ARRAYS_FILE,
    DESCRIPTION_FILE,
    Release,
    from_files,
    require_references,
    to_files,
)
from counterfoil.domain.schemas import FRAUD, GOOD
from counterfoil.domain.training import Fitted, TrainingOptions, fit_release
from counterfoil.errors import NotFoundError, TrainingError
from counterfoil.ports import ReferenceStore, RegisteredRelease, ReleaseRegistry, TableStore, TextEmbedder
from counterfoil.steps.engine import engine
from counterfoil.steps.features import Period, evidence_files

REFERENCES_FILE = "references.parquet"


@dataclass(frozen=True)
class TrainingRequest:
    """What to train on. A label counts if it was known at `known_until` (None: all that are there).

    At most `good_rows` good payments are sampled, by a hash of their ids; frauds are all taken.
    """

    period: Period = Period()
    known_until: datetime | None = None
    label_delay_days: float = 7.0
    good_rows: int = 200_000
    specs: tuple[FeatureSpec, ...] = DEFAULT_SPECS
    options: TrainingOptions = field(default_factory=TrainingOptions)


@dataclass(frozen=True)
class Candidate:
    """A release with its base references (`domain.references.reference_schema`), before it is registered."""

    release: Release
    references: pa.Table


def train(
    tables: TableStore,
    references: ReferenceStore,
    registry: ReleaseRegistry,
    embedder: TextEmbedder,
    mapping: SourceMapping,
    request: TrainingRequest,
    *,
    progress: Callable[[str], None] = lambda _: None,
) -> Release:
    """Fit a release on the table `evidence` and register it. Raises as `fit_candidate` does."""
    candidate = fit_candidate(tables, embedder, mapping, request, progress=progress)
    register_candidate(candidate, references, registry, progress=progress)
    return candidate.release


def fit_candidate(
    tables: TableStore,
    embedder: TextEmbedder,
    mapping: SourceMapping,
    request: TrainingRequest,
    *,
    progress: Callable[[str], None] = lambda _: None,
) -> Candidate:
    """Fit a release on the table `evidence`; nothing is written. The same payments give the same release.

    Raises NotFoundError without evidence, and TrainingError when there is too little to learn from.
    """
    payments, weights = sample_payments(tables, request)
    schema = evidence_schema(mapping, request.specs)
    fitted = fit_release(payments, weights, schema, embed=embedder.embed, options=request.options, progress=progress)
    return Candidate(_release(fitted, payments, mapping, request, embedder), fitted.references)


def register_candidate(
    candidate: Candidate,
    references: ReferenceStore,
    registry: ReleaseRegistry,
    *,
    evaluation: Mapping[str, bytes] = MappingProxyType({}),
    metrics: Mapping[str, float] = MappingProxyType({}),
    tags: Mapping[str, str] = MappingProxyType({}),
    progress: Callable[[str], None] = lambda _: None,
) -> RegisteredRelease:
    """Write the base references, then register the release; `evaluation` are further files, by their path.

    The release is visible last: one that the registry lists is complete, and a call that was killed is simply
    made again. A release that is registered already stays as it is, with the files that it was given then.
    """
    release = candidate.release
    progress("writing the reference set")
    references.write_base(release.release_id, candidate.references)
    progress("registering the release")
    with tempfile.TemporaryDirectory(prefix="counterfoil-") as name:
        _write_files(Path(name), {**evaluation, **to_files(release)})
        return registry.register(
            release.release_id,
            Path(name),
            parameters=_parameters(release),
            metrics={**_training_metrics(release), **metrics},
            tags={"mapping": release.mapping, "signal_kind": release.calibration.kind.value, **tags},
        )


def write_candidate(candidate: Candidate, folder: Path) -> None:
    """Write a candidate as files: the release's own and `references.parquet`."""
    _write_files(folder, to_files(candidate.release))
    pq.write_table(candidate.references, folder / REFERENCES_FILE, compression="zstd")


def read_candidate(folder: Path) -> Candidate:
    """Read what `write_candidate` wrote.

    Raises NotFoundError if a file is missing, ReleaseMismatchError if the references are not the release's.
    """
    missing = [n for n in (DESCRIPTION_FILE, ARRAYS_FILE, REFERENCES_FILE) if not (folder / n).is_file()]
    if missing:
        raise NotFoundError(f"{folder} holds no candidate, {', '.join(missing)} is missing: run the step train again")
    release = read_release(folder)
    references = pq.read_table(folder / REFERENCES_FILE)
    require_references(release, checksum(references))
    return Candidate(release, references)


def read_release(folder: Path) -> Release:
    """Read a release from its files. Raises ReleaseMismatchError for those of another format."""
    return from_files({name: (folder / name).read_bytes() for name in (DESCRIPTION_FILE, ARRAYS_FILE)})


def load_release(registry: ReleaseRegistry, release_id: str | None = None) -> Release:
    """Load a release by id, or the newest one. Raises NotFoundError if there is none."""
    if release_id is None:
        newest = registry.releases()
        if not newest:
            raise NotFoundError("no release in this workspace: run 'counterfoil train' first")
        release_id = newest[0].release_id
    return read_release(registry.fetch(release_id))


def evidence_schema(mapping: SourceMapping, specs: tuple[FeatureSpec, ...]) -> EvidenceSchema:
    """All evidence that a mapping and the specs can give; training leaves out what turns out useless."""
    numeric = ("amount", *mapping.numeric, *(spec.name for spec in specs))
    return EvidenceSchema(numeric, mapping.categorical, mapping.textual)


def sample_payments(tables: TableStore, request: TrainingRequest) -> tuple[pa.Table, Doubles]:
    """Return the training rows, in the order of a hash of their ids, and their inverse sampling rates."""
    files = evidence_files(tables)
    known = f"AND known_at <= TIMESTAMPTZ '{request.known_until.isoformat()}'" if request.known_until else ""
    usable = f"label IS NOT NULL AND {request.period.condition()} {known}"
    with engine() as database:
        database.execute(f"CREATE VIEW usable AS FROM read_parquet({files!r}) WHERE {usable}")
        counts = dict(database.execute("SELECT label, count(*) FROM usable GROUP BY label").fetchall())
        database.execute(
            "CREATE TABLE chosen AS SELECT transaction_id FROM usable "
            f"WHERE label = {GOOD} ORDER BY md5(transaction_id), transaction_id LIMIT {request.good_rows}"
        )
        payments = database.sql(
            f"FROM usable WHERE label = {FRAUD} OR transaction_id IN (FROM chosen) "
            "ORDER BY md5(transaction_id), transaction_id"
        ).to_arrow_table()
    if payments.num_rows == 0:
        raise TrainingError(
            f"no payment with a known label in the training window ({usable}): widen it, or check the mapping's labels"
        )
    rate = counts.get(GOOD, 0) / max(min(counts.get(GOOD, 0), request.good_rows), 1)
    return payments, np.where(payments.column("label").to_numpy() == FRAUD, 1.0, rate)


def _release(
    fitted: Fitted,
    payments: pa.Table,
    mapping: SourceMapping,
    request: TrainingRequest,
    embedder: TextEmbedder,
) -> Release:
    uses_text = fitted.encoder.text is not None
    labels = fitted.references.column("label").to_numpy()
    return Release(
        mapping=mapping.name,
        specs=request.specs,
        label_delay_days=request.label_delay_days,
        trained_from=_iso(request.period.since),
        trained_until=_iso(request.period.until),
        labels_known_until=_iso(request.known_until),
        training_rows=payments.num_rows,
        training_frauds=int((payments.column("label").to_numpy() == FRAUD).sum()),
        encoder=fitted.encoder,
        calibration=fitted.calibration,
        neighbours=fitted.neighbours,
        text_model=embedder.name if uses_text else None,
        text_weights_hash=embedder.weights_hash if uses_text else None,
        reference_rows=len(labels),
        reference_frauds=int((labels == FRAUD).sum()),
        reference_checksum=checksum(fitted.references),
        left_out=fitted.left_out,
        spread=fitted.spread,
        validation=fitted.validation,
        ablation=fitted.ablation,
        notes=fitted.notes,
        thresholds=fitted.thresholds,
        lineage=lineage_of(payments, evidence_schema(mapping, request.specs), mapping),
    )


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _parameters(release: Release) -> dict[str, str]:
    """What the registry shows of a release beside its metrics."""
    return {
        "mapping": release.mapping,
        "label_delay_days": str(release.label_delay_days),
        "evidence_share": str(release.encoder.evidence_share),
        "neighbours": str(release.neighbours),
        "references": str(release.reference_rows),
        "reference_checksum": release.reference_checksum,
        "text_model": str(release.text_model),
        "trained_from": str(release.trained_from),
        "trained_until": str(release.trained_until),
        "labels_known_until": str(release.labels_known_until),
        "evidence_sha256": release.lineage.evidence_sha256,
        "mapping_sha256": release.lineage.mapping_sha256,
    }


def _training_metrics(release: Release) -> dict[str, float]:
    thresholds = {"review": release.thresholds.review, "block": release.thresholds.block}
    return {
        **{f"validation_{name}": value for name, value in release.validation.items()},
        **{f"ablation_{name}": value for name, value in release.ablation.items()},
        **{f"threshold_{name}": value for name, value in thresholds.items() if value is not None},
    }
