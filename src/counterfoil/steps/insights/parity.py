"""Compare what the service scored with what the batch makes of the same payments, feature by feature."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq

from counterfoil.domain.features.span import read_back
from counterfoil.domain.intake.mapping_model import SourceMapping
from counterfoil.domain.periods import Period
from counterfoil.domain.release.release import Release, scored_schema
from counterfoil.domain.schemas import TRANSACTION_FIELDS
from counterfoil.domain.scoring.parity import SIGNAL_TOLERANCE, Apart, differences
from counterfoil.domain.tables import SCORED_EVIDENCE, TRANSACTIONS
from counterfoil.errors import NotFoundError
from counterfoil.ports.lake import TableStore
from counterfoil.ports.releases import DecisionLog
from counterfoil.ports.service import KeptScore, ScoreLog
from counterfoil.steps.insights.online_trial import kept_scores
from counterfoil.steps.insights.scores import run_files
from counterfoil.steps.lake.engine import engine, parquet_source
from counterfoil.steps.lake.labels import labelled
from counterfoil.steps.scoring.feedback import label_of, said_by_payment
from counterfoil.steps.scoring.online_evidence import evidence_folded
from counterfoil.steps.scoring.profiles import Logs, Row, row_of
from counterfoil.steps.scoring.recent import evidence_table
from counterfoil.steps.scoring.scorer import Detector

AT_A_TIME = 2_000
SIGNAL = "anomaly_signal"


@dataclass(frozen=True)
class Parity:
    """What was compared: `payments` scored with history by a release that is there. `apart` are columns that differ.

    Left out are those scored `without_history`, and those that the batch scored by `other_release`.
    """

    payments: int
    without_history: int
    other_release: int
    apart: tuple[Apart, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing differs."""
        return not self.apart


class _Sum:
    """Adds up what parts of a comparison found."""

    def __init__(self) -> None:
        self.payments = self.without_history = self.other_release = 0
        self._apart: dict[str, Apart] = {}

    def usable(self, scores: Sequence[KeptScore]) -> list[KeptScore]:
        """Those that were scored with history."""
        found = [score for score in scores if score.answer.get("without_history") is None]
        self.without_history += len(scores) - len(found)
        return found

    def add(self, online: pa.Table, batch: pa.Table, signals: tuple[pa.Table, pa.Table]) -> None:
        """Compare evidence and signals of the same payments, in one order."""
        self.payments += online.num_rows
        for apart in (*differences(online, batch), *differences(*signals, SIGNAL_TOLERANCE)):
            before = self._apart.get(apart.name, Apart(apart.name, 0))
            worst = max(before, apart, key=lambda one: (one.largest, one.rows))
            self._apart[apart.name] = Apart(apart.name, before.rows + apart.rows, worst.largest, worst.example)

    def result(self) -> Parity:
        """All together."""
        found = sorted(self._apart.values(), key=lambda apart: (-apart.rows, apart.name))
        return Parity(self.payments, self.without_history, self.other_release, tuple(found))


def parity_with_run(scores: ScoreLog, tables: TableStore, release_of: Callable[[str], Release], run: str) -> Parity:
    """Compare kept scores with those that a run of the batch made of the same payments, by the same release.

    Raises NotFoundError if there is no such run, or it has none of the payments that the service scored.
    """
    files = tables.files(SCORED_EVIDENCE, run)
    found = _Sum()
    with engine() as database:
        batches = database.sql(
            f"SELECT transaction_id, release_id, {SIGNAL} FROM {parquet_source(run_files(tables, run))}"
        ).to_arrow_reader(AT_A_TIME)
        for batch in batches:
            rows = {row["transaction_id"]: row for row in batch.to_pylist()}
            kept = found.usable(list(scores.find(rows).values()))
            same = [one for one in kept if one.release_id == rows[one.transaction_id]["release_id"]]
            found.other_release += len(kept) - len(same)
            if same:
                release = release_of(same[0].release_id)
                evidence = _evidence_of_run([str(file) for file in files], same, release)
                theirs = [rows[one.transaction_id][SIGNAL] for one in same]
                found.add(evidence_table(same, release), evidence, _signals(same, theirs))
    if not found.payments and not found.other_release:
        raise NotFoundError(f"the service scored none of the payments of run {run}, or all without history")
    return found.result()


def _evidence_of_run(files: Sequence[str], kept: Sequence[KeptScore], release: Release) -> pa.Table:
    """The evidence of payments as a run scored it, in the order of `kept`."""
    wanted = pa.table({"transaction_id": [one.transaction_id for one in kept], "place": range(len(kept))})
    with engine() as database:
        database.register("wanted", wanted)
        found = database.sql(
            f"SELECT evidence.* FROM {parquet_source(files)} AS evidence JOIN wanted USING (transaction_id) "
            "ORDER BY place"
        ).to_arrow_table()
    return found.select(scored_schema(release).names).cast(scored_schema(release))


def _signals(kept: Sequence[KeptScore], others: Sequence[float]) -> tuple[pa.Table, pa.Table]:
    names = [one.transaction_id for one in kept]
    ours, theirs = (
        pa.table({"transaction_id": pa.array(names, pa.string()), SIGNAL: pa.array(each, pa.float64())})
        for each in ([one.signal for one in kept], list(others))
    )
    return ours, theirs


@dataclass(frozen=True)
class Recomputing:
    """Folds what the service scored once more, by the batch's fold over the lake and all that was scored since."""

    scores: ScoreLog
    decisions: DecisionLog
    tables: TableStore
    detector_of: Callable[[str], Detector]
    mapping_of: Callable[[str], SourceMapping]

    def parity(self, period: Period) -> Parity:
        """Compare the scores of a period (by when they were made). Raises NotFoundError if there are none."""
        found, labels = _Sum(), self._labels()
        with TemporaryDirectory() as folder:
            online = Path(folder) / "online.parquet"
            self._write_payments(online, labels, self._read_back(period))
            for scores in kept_scores(self.scores, period):
                usable = found.usable(scores)
                for release_id in dict.fromkeys(one.release_id for one in usable):
                    self._compare([one for one in usable if one.release_id == release_id], labels, online, found)
        if not found.payments:
            raise NotFoundError("the service scored no payment with history in this span: let it go further back")
        return found.result()

    def _compare(self, kept: Sequence[KeptScore], labels: Mapping[str, Row], online: Path, found: _Sum) -> None:
        detector = self.detector_of(kept[0].release_id)
        release, mapping = detector.release, self.mapping_of(detector.release.mapping)
        wanted = [self._row(one, labels) for one in kept]
        evidence = evidence_folded(self._past(wanted, release, online), wanted, release, mapping)
        signals = [float(one) for one in detector.score(evidence)[SIGNAL].to_numpy()]
        # What feedback has added since moves a signal, and is no difference of the evidence.
        same = [place for place, one in enumerate(kept) if one.answer["overlay_seq"] == detector.overlay.sequence]
        ours, theirs = [kept[place] for place in same], [signals[place] for place in same]
        found.add(evidence_table(kept, release), evidence, _signals(ours, theirs))

    def _row(self, score: KeptScore, labels: Mapping[str, Row]) -> Row:
        return {**row_of(score.payment), **labels.get(score.transaction_id, {})}

    def _read_back(self, period: Period) -> tuple[str, ...]:
        """The columns that the releases which scored in a period read of earlier payments."""
        releases = {one.release_id for scores in kept_scores(self.scores, period) for one in scores}
        specs = [spec for release in sorted(releases) for spec in self.detector_of(release).release.specs]
        return Logs.of(specs).kept

    def _write_payments(self, path: Path, labels: Mapping[str, Row], columns: Sequence[str]) -> None:
        """Write all payments that were scored into a file, some at a time: they may be more than fit into memory."""
        fields = {field.name: field.with_nullable(True) for field in TRANSACTION_FIELDS}
        schema = pa.schema([fields.get(name, pa.field(name, pa.string())) for name in columns])  # own ones are text
        with pq.ParquetWriter(path, schema, compression="zstd") as writer:
            for scores in kept_scores(self.scores, Period()):
                rows = [self._row(one, labels) for one in scores]
                writer.write_table(pa.table([[row.get(name) for row in rows] for name in columns], schema=schema))

    def _past(self, wanted: Sequence[Row], release: Release, online: Path) -> dict[str, Row]:
        """What the entities of these payments did, in the lake and in what was scored, by transaction."""
        delay, logs = timedelta(days=release.label_delay_days), Logs.of(release.specs)
        sources = [parquet_source([str(online)])]
        if self.tables.files(TRANSACTIONS):
            sources.insert(0, labelled(self.tables, delay))  # of a payment that is in both, what was scored counts
        condition = read_back(release.specs, delay, min(row["event_time"] for row in wanted), None)
        past: dict[str, Row] = {}
        with engine() as database:
            conditions = []
            for column in logs.columns:
                values = sorted({row[column] for row in wanted if row.get(column) is not None})
                database.register(f"named_{column}", pa.table({"value": pa.array(values, pa.string())}))
                conditions.append(f"{column} IN (SELECT value FROM named_{column})")
            for source in sources:
                alike = f"SELECT {', '.join(logs.kept)} FROM {source} WHERE {condition} AND ({' OR '.join(conditions)})"
                rows = database.sql(alike).to_arrow_table().to_pylist()
                past |= {row["transaction_id"]: row for row in rows}
        return past

    def _labels(self) -> dict[str, Row]:
        """What people's words made of payments, with the moment of the last word."""
        return {
            name: {"label": label_of(words), "label_time": words[-1].at}
            for name, words in said_by_payment(self.decisions).items()
        }
