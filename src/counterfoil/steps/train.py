"""Train a release: sample the payments whose labels are known, fit, keep references and release."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa

from counterfoil.domain.arrays import Doubles
from counterfoil.domain.encoding.evidence import EvidenceSchema
from counterfoil.domain.features.spec import DEFAULT_SPECS, FeatureSpec
from counterfoil.domain.mapping_model import SourceMapping
from counterfoil.domain.references import checksum
from counterfoil.domain.release import Release, from_files, to_files
from counterfoil.domain.schemas import FRAUD, GOOD
from counterfoil.domain.training import Fitted, TrainingOptions, fit_release
from counterfoil.errors import NotFoundError, TrainingError
from counterfoil.ports import ReferenceStore, ReleaseRegistry, TableStore, TextEmbedder
from counterfoil.steps.engine import engine
from counterfoil.steps.features import Period, evidence_files


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
    """Fit a release on the table `evidence`, write its base references, then register it.

    The release is visible last: one that the registry lists is complete. Raises TrainingError when there is
    too little to learn from.
    """
    payments, weights = sample_payments(tables, request)
    schema = evidence_schema(mapping, request.specs)
    fitted = fit_release(payments, weights, schema, embed=embedder.embed, options=request.options, progress=progress)
    release = _release(fitted, payments, mapping, request, embedder)
    progress("writing the reference set")
    references.write_base(release.release_id, fitted.references)
    progress("registering the release")
    _register(registry, release)
    return release


def load_release(registry: ReleaseRegistry, release_id: str | None = None) -> Release:
    """Load a release by id, or the newest one. Raises NotFoundError if there is none."""
    if release_id is None:
        newest = registry.releases()
        if not newest:
            raise NotFoundError("no release in this workspace: run 'counterfoil train' first")
        release_id = newest[0].release_id
    folder = registry.fetch(release_id)
    return from_files({path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()})


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
    )


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _register(registry: ReleaseRegistry, release: Release) -> None:
    with tempfile.TemporaryDirectory(prefix="counterfoil-") as name:
        folder = Path(name)
        for file, content in to_files(release).items():
            (folder / file).write_bytes(content)
        registry.register(
            release.release_id,
            folder,
            parameters={
                "mapping": release.mapping,
                "label_delay_days": str(release.label_delay_days),
                "evidence_share": str(release.encoder.evidence_share),
                "neighbours": str(release.neighbours),
                "references": str(release.reference_rows),
                "reference_checksum": release.reference_checksum,
                "text_model": str(release.text_model),
            },
            metrics={f"validation_{name}": value for name, value in release.validation.items()}
            | {f"ablation_{name}": value for name, value in release.ablation.items()},
            tags={"signal_kind": release.calibration.kind.value},
        )
