"""Evidence that a table of many fits is made from: built once a case, then fitted and scored without a database.

The lakes may be kept in a folder: a lake that is there already is read as it is.
"""

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
from measuring_data import data_file
from quality_cases import Case
from quality_run import build_evidence
from report import arguments

from counterfoil.adapters.files.mapping_files import load_mapping
from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.domain.arrays import Doubles, Floats, Labels
from counterfoil.domain.encoding.blocks import Embed, remembering
from counterfoil.domain.encoding.evidence import EvidenceSchema
from counterfoil.domain.features.spec import specs_with
from counterfoil.domain.periods import Period
from counterfoil.domain.release.references import vectors_of
from counterfoil.domain.schemas import FRAUD
from counterfoil.domain.scoring.compare import References
from counterfoil.domain.scoring.signal import margin
from counterfoil.domain.training.options import TrainingOptions
from counterfoil.domain.training.training import Fitted, fit_release
from counterfoil.ports.lake import TableStore
from counterfoil.steps.backtest import Windows
from counterfoil.steps.lake.engine import engine
from counterfoil.steps.lake.evidence import evidence_files
from counterfoil.steps.train import TrainingRequest, evidence_schema, sample_payments
from counterfoil.workspace.wiring import Workspace, open_workspace


@dataclass(frozen=True)
class Material:
    """What a window of a case is fitted on: labelled evidence in the order of a hash, and inverse sampling rates."""

    payments: pa.Table
    weights: Doubles
    schema: EvidenceSchema

    @property
    def labels(self) -> Labels:
        return labels_of(self.payments)

    def take(self, kept: np.ndarray) -> "Material":
        """Some of the rows (flags)."""
        return Material(self.payments.filter(pa.array(kept)), self.weights[kept], self.schema)


@dataclass(frozen=True)
class Scored:
    """Margins, signals and novelty of payments, (rows,) each; higher is riskier, or stranger."""

    margins: Doubles
    signals: Doubles
    novelty: Doubles


def table_arguments(description: str | None) -> argparse.ArgumentParser:
    """The options of a program that prints one kind of table."""
    parser = arguments(description)
    parser.add_argument("--markdown", type=Path, help="write the tables to this file")
    parser.add_argument(
        "--lakes", type=Path, help="keep the lakes with the evidence in this folder, or read them there"
    )
    return parser


@contextmanager
def opened(lakes: Path | None) -> Iterator[tuple[Workspace, Path]]:
    """A workspace, and the folder of the lakes: a temporary one if none is given."""
    with tempfile.TemporaryDirectory(prefix="cfq-", dir="/tmp") as folder:
        yield open_workspace(Path(folder) / "workspace"), lakes or Path(folder) / "lakes"


def lake_of(case: Case, workspace: Workspace, lakes: Path) -> FolderTables:
    """The lake of the case's file, with evidence."""
    tables = FolderTables(lakes / case.file.partition(".")[0])
    if not tables.files("evidence"):
        build_evidence(case, data_file(case.file), workspace, tables)
    return tables


def training_material(tables: TableStore, case: Case, windows: Windows, good_rows: int | None = None) -> Material:
    """What a backtest of these windows trains on; with `good_rows`, at most so many good payments."""
    delay = case.delay / timedelta(days=1)
    request = TrainingRequest(windows.training, known_until=windows.test.since, label_delay_days=delay)
    if good_rows is not None:
        request = TrainingRequest(request.period, request.known_until, delay, good_rows)
    payments, weights = sample_payments(tables, request)
    mapping = load_mapping(case.mapping)
    return Material(payments, weights, evidence_schema(mapping, specs_with(mapping.entities)))


def judged_payments(tables: TableStore, case: Case, windows: Windows) -> pa.Table:
    """The labelled evidence of the test window in the order of time, without what the case's protocol leaves out."""
    source = f"read_parquet({evidence_files(tables)!r})"
    left_out = _compromised(source, windows.training.since) if case.exclude_compromised else "false"
    asked = f"label IS NOT NULL AND {windows.test.condition()} AND NOT ({left_out})"
    with engine() as database:
        return database.sql(
            f"FROM {source} AS payment WHERE {asked} ORDER BY event_time, transaction_id"
        ).to_arrow_table()


def labelled_payments(tables: TableStore, period: Period) -> pa.Table:
    """The labelled evidence of a period in the order of a hash of the ids."""
    source = f"read_parquet({evidence_files(tables)!r}) WHERE label IS NOT NULL AND {period.condition()}"
    with engine() as database:
        return database.sql(f"FROM {source} ORDER BY md5(transaction_id), transaction_id").to_arrow_table()


def _compromised(source: str, since: datetime | None) -> str:
    """Whether a fraud of the payment's account, since `since`, was known when its day began; as SQL."""
    return (
        f"EXISTS (FROM {source} AS fraud WHERE fraud.label = {FRAUD} AND fraud.account_id = payment.account_id "
        f"AND {Period(since).condition().replace('event_time', 'fraud.event_time')} "
        "AND fraud.known_at <= date_trunc('day', payment.event_time))"
    )


def fit(material: Material, embed: Embed, options: TrainingOptions | None = None) -> Fitted:
    """Fit as the product does, by its defaults unless other options are given."""
    options = options or TrainingOptions()
    return fit_release(material.payments, material.weights, material.schema, embed=remembering(embed), options=options)


def base_of(fitted: Fitted) -> tuple[Floats, Labels]:
    """The vectors and labels of what was kept as references."""
    return vectors_of(fitted.references), labels_of(fitted.references)


def score(fitted: Fitted, payments: pa.Table, vectors: Floats, base: tuple[Floats, Labels] | None = None) -> Scored:
    """Hold payments and their vectors against the references, or against others in the same space."""
    compared = References(*(base or base_of(fitted))).compare(vectors, fitted.neighbours)
    margins = margin(compared.fraud.mean, compared.good.mean)
    novelty = fitted.calibration.novelty(fitted.encoder.strangeness.distance(fitted.encoder.forest_input(payments)))
    return Scored(margins, fitted.calibration.signal(margins, novelty), novelty)


def labels_of(table: pa.Table) -> Labels:
    """The column `label`, which has no gaps."""
    return np.asarray(table.column("label").to_numpy(), dtype=np.int8)
