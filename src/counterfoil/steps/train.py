"""Train a release: sample the payments whose labels are known, fit a candidate."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
from threadpoolctl import threadpool_limits

from counterfoil.cores import cores
from counterfoil.domain.arrays import Doubles
from counterfoil.domain.encoding.blocks import remembering
from counterfoil.domain.encoding.evidence import EvidenceSchema
from counterfoil.domain.features.spec import FeatureSpec, specs_with
from counterfoil.domain.intake.mapping_model import SourceMapping
from counterfoil.domain.periods import LABEL_DELAY_DAYS, Period
from counterfoil.domain.release.lineage import lineage_of
from counterfoil.domain.release.references import checksum
from counterfoil.domain.release.release import Release
from counterfoil.domain.schemas import FRAUD, GOOD
from counterfoil.domain.training.options import TrainingOptions
from counterfoil.domain.training.training import Fitted, fit_release
from counterfoil.errors import TrainingError
from counterfoil.ports.lake import TableStore
from counterfoil.ports.releases import TextEmbedder
from counterfoil.ports.stores import Stores
from counterfoil.progress import Progress
from counterfoil.steps.lake.engine import engine
from counterfoil.steps.lake.evidence import evidence_files
from counterfoil.steps.lake.labels import labelled_evidence_files
from counterfoil.steps.releases.registration import Candidate, register_candidate


@dataclass(frozen=True)
class TrainingRequest:
    """What to train on. A label counts if it was known at `known_until` (None: all that are there).

    At most `good_rows` good payments are sampled, by a hash of their ids; frauds are all taken. Without
    `specs`, the default ones and those of the mapping's entities are looked at.
    """

    period: Period = Period()
    known_until: datetime | None = None
    label_delay_days: float = LABEL_DELAY_DAYS
    good_rows: int = 200_000
    specs: tuple[FeatureSpec, ...] | None = None
    options: TrainingOptions = field(default_factory=TrainingOptions)


def train(
    stores: Stores,
    mapping: SourceMapping,
    request: TrainingRequest,
    *,
    progress: Progress = Progress(),
) -> Release:
    """Fit a release on the table `evidence` and register it.

    Raises as `fit_candidate` does, and StoreUnavailableError at once if no release can be registered.
    """
    stores.registry.require_writable()
    candidate = fit_candidate(stores.tables, stores.embedder, mapping, request, progress=progress)
    register_candidate(candidate, stores.references, stores.registry, progress=progress)
    return candidate.release


def fit_candidate(
    tables: TableStore,
    embedder: TextEmbedder,
    mapping: SourceMapping,
    request: TrainingRequest,
    *,
    progress: Progress = Progress(),
) -> Candidate:
    """Fit a release on the table `evidence`; nothing is written. The same payments give the same release.

    Raises NotFoundError without evidence, and TrainingError when there is too little to learn from.
    """
    payments, weights = sample_payments(tables, request)
    specs = specs_with(mapping.entities) if request.specs is None else request.specs
    schema = evidence_schema(mapping, specs)
    _require_columns(payments, schema, mapping)
    options = replace(request.options, workers=cores())
    embed = remembering(embedder.embed)
    with threadpool_limits(1, "blas"):  # machines and mixtures are side by side already
        fitted = fit_release(payments, weights, schema, embed=embed, options=options, progress=progress)
    return Candidate(_release(fitted, payments, mapping, request, specs, embedder), fitted.references)


def evidence_schema(mapping: SourceMapping, specs: tuple[FeatureSpec, ...]) -> EvidenceSchema:
    """All evidence that a mapping and the specs can give; training leaves out what turns out useless."""
    numeric = ("amount", *mapping.numeric, *(spec.name for spec in specs))
    return EvidenceSchema(numeric, mapping.categorical, mapping.textual)


def _require_columns(payments: pa.Table, schema: EvidenceSchema, mapping: SourceMapping) -> None:
    missing = [name for name in schema.columns if name not in payments.column_names]
    if missing:
        raise TrainingError(
            f"the evidence has no {', '.join(missing)}, which mapping {mapping.name} declares: it was built with "
            f"another mapping; run 'counterfoil features -m {mapping.name}' first"
        )


def sample_payments(tables: TableStore, request: TrainingRequest) -> tuple[pa.Table, Doubles]:
    """Return the training rows, in the order of a hash of their ids, and their inverse sampling rates."""
    files = evidence_files(tables)
    until, delay = request.known_until, timedelta(days=request.label_delay_days)
    known = f"AND known_at <= TIMESTAMPTZ '{until.isoformat()}'" if until else ""
    usable = f"label IS NOT NULL AND {request.period.condition()} {known}"
    before = None if until is None else until + timedelta(microseconds=1)
    evidence = labelled_evidence_files(tables, files, delay, before=before)
    with engine() as database:
        database.execute(f"CREATE VIEW usable AS FROM {evidence} WHERE {usable}")
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
    specs: tuple[FeatureSpec, ...],
    embedder: TextEmbedder,
) -> Release:
    uses_text = fitted.encoder.text is not None
    labels = fitted.references.column("label").to_numpy()
    return Release(
        mapping=mapping.name,
        specs=specs,
        label_delay_days=request.label_delay_days,
        trained_from=_iso(request.period.since),
        trained_until=_iso(request.period.until),
        labels_known_until=_iso(request.known_until),
        training_rows=payments.num_rows,
        training_frauds=int((payments.column("label").to_numpy() == FRAUD).sum()),
        encoder=fitted.encoder,
        usual=fitted.usual,
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
        lineage=lineage_of(payments, evidence_schema(mapping, specs), mapping),
    )


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
