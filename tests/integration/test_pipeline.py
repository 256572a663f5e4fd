"""The whole job on simulated payments: files in, evidence, a release, scores with precedents, figures."""

import json
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from counterfoil.adapters.files.mapping_files import load_mapping
from counterfoil.adapters.postgres import embedded as embedded_postgres
from counterfoil.adapters.postgres.references import PostgresReferences
from counterfoil.adapters.report.plots import draw
from counterfoil.domain.periods import Period
from counterfoil.domain.release.release import Release
from counterfoil.domain.tables import SCORE_TABLE
from counterfoil.domain.training.options import TrainingOptions
from counterfoil.errors import NotFoundError, ReleaseMismatchError, UsageError
from counterfoil.ports.releases import TextEmbedder
from counterfoil.simulation import DIRT, simulate, spoil
from counterfoil.steps.features import build_features
from counterfoil.steps.insights.candidate import CandidateEvaluation, evaluate_candidate
from counterfoil.steps.insights.evaluate_run import evaluate_run
from counterfoil.steps.intake.collect import CollectedFile, collect
from counterfoil.steps.releases.registration import Candidate, load_release, register_candidate
from counterfoil.steps.scoring.compute import Compute
from counterfoil.steps.scoring.score import detect
from counterfoil.steps.scoring.scorer import Detector
from counterfoil.steps.train import TrainingRequest, train
from counterfoil.workspace.settings import Settings
from counterfoil.workspace.wiring import Workspace

START = datetime(2024, 1, 1, tzinfo=UTC)
CUT = START + timedelta(days=42)
MAPPING = load_mapping("counterfoil-simulated")
FEW_TREES = TrainingOptions(trees=16, rounds=20)
REQUEST = TrainingRequest(Period(until=CUT), known_until=CUT, options=FEW_TREES)
TEST = Period(since=CUT)
DELAY = timedelta(days=7)


REASONS = {
    "ragged_row": 2, "amount_negative": 1, "amount_unreadable": 1, "id_missing": 1, "time_missing": 1,
    "time_unreadable": 1, "duplicate_id": 1,
}  # fmt: skip
"""Why the spoiled rows of `DIRT` are rejected."""


@dataclass(frozen=True)
class Job:
    """A workspace in which everything ran once."""

    workspace: Workspace
    payments: pa.Table
    file: Path
    collected: CollectedFile
    release: Release
    detector: Detector
    run: str

    def scores(self, run: str | None = None) -> pa.Table:
        (path,) = self.workspace.tables.files(SCORE_TABLE, run or self.run)
        return pq.read_table(path)


def collect_file(workspace: Workspace, path: Path) -> CollectedFile:
    (done,) = collect(
        [path], MAPPING,
        key=workspace.pseudonym_key, reader=workspace.reader, tables=workspace.tables, ledger=workspace.ledger,
    )  # fmt: skip
    return done


@pytest.fixture(scope="module")
def workspace() -> Iterator[Workspace]:
    """A workspace with a database of its own, in a path that is short, as a socket's must be."""
    folder = Path(tempfile.mkdtemp(prefix="cf-", dir="/tmp"))
    yield Workspace(Settings(workspace=folder))
    embedded_postgres.stop(folder / "postgres")
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def job(workspace: Workspace) -> Job:
    payments = simulate(accounts=60, merchants=60, days=60, start=date(2024, 1, 1), seed=3)
    file = workspace.root / "payments.csv"
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(spoil(payments, np.random.default_rng(0)))
    collected = collect_file(workspace, file)
    build_features(workspace.tables, MAPPING, label_delay=DELAY)
    release = train(workspace.stores, MAPPING, REQUEST)
    detector = Detector.load(release, workspace.references_for_scoring, workspace.embedder)
    run = detect(workspace.tables, detector, period=TEST)
    return Job(workspace, payments, file, collected, release, detector, run)


class TestCollected:
    def test_every_row_is_accounted_for_with_its_reason(self, job: Job) -> None:
        found = job.collected
        assert found.rows_in == job.payments.num_rows + len(DIRT)
        assert found.rows_out == job.payments.num_rows
        assert found.rejected == REASONS
        (path,) = job.workspace.tables.files("rejected")
        assert Counter(pq.read_table(path).column("reason").to_pylist()) == REASONS

    def test_collecting_again_does_nothing(self, job: Job) -> None:
        before = job.workspace.tables.files("transactions")
        assert collect_file(job.workspace, job.file).skipped
        assert job.workspace.tables.files("transactions") == before


class TestRelease:
    def test_it_comes_back_from_the_registry(self, job: Job) -> None:
        assert job.release.release_id in {found.release_id for found in job.workspace.registry.releases()}
        assert load_release(job.workspace.registry, job.release.release_id).release_id == job.release.release_id

    def test_it_says_what_it_was_made_of(self, job: Job) -> None:
        release, embedder = job.release, job.workspace.embedder
        assert (release.mapping, release.label_delay_days) == ("counterfoil-simulated", 7.0)
        assert (release.text_model, release.text_weights_hash) == (embedder.name, embedder.weights_hash)
        assert release.trained_until == release.labels_known_until == CUT.isoformat()
        paid = [datetime.fromisoformat(moment) for moment in job.payments.column("paid_at").to_pylist()]
        assert 10 <= release.reference_frauds == release.training_frauds
        assert release.training_rows <= sum(moment + DELAY <= CUT for moment in paid)
        assert job.workspace.references.checksum(release.release_id) == release.reference_checksum

    def test_its_evaluation_is_kept_with_it(self, job: Job) -> None:
        stores, before = job.workspace, job.workspace.registry.releases()
        base = stores.references.read_base(job.release.release_id)
        candidate = Candidate(replace(job.release, notes=("evaluated",)), base)
        detector = Detector(candidate.release, base, stores.embedder)
        evaluation = evaluate_candidate(stores.tables, detector, job.detector, TEST, draws=50)
        files = {"evaluation.json": json.dumps(evaluation.as_dict()).encode()}
        files |= {f"plots/{name}": content for name, content in draw(evaluation).items()}
        for _ in range(2):  # the second time it is there
            registered = register_candidate(
                candidate, stores.references, stores.registry, evaluation=files, metrics=evaluation.figures.metrics()
            )
            assert registered.metrics["auc"] == evaluation.figures.candidate.evaluation.metrics["auc"]
            # Fewer than ten accounts with frauds give no interval.
            few = evaluation.figures.candidate.evaluation.fraud_accounts < 10
            assert few or registered.metrics["auc_low"] <= registered.metrics["auc_high"]
        folder = stores.registry.fetch(registered.release_id)
        assert {path.name for path in folder.rglob("*.svg")} == {"precision_recall.svg", "reliability.svg"}
        kept = CandidateEvaluation.from_dict(json.loads((folder / "evaluation.json").read_text()))
        assert kept.figures == evaluation.figures
        assert load_release(stores.registry, registered.release_id).release_id == registered.release_id
        assert len(stores.registry.releases()) == len(before) + 1


class TestScores:
    def test_each_payment_of_the_test_window_has_one_score(self, job: Job) -> None:
        paid = dict(zip(*(job.payments.column(name).to_pylist() for name in ("payment_id", "paid_at")), strict=True))
        expected = {name for name, moment in paid.items() if datetime.fromisoformat(moment) >= CUT}
        scores = job.scores()
        assert scores.num_rows == len(expected) > 1000
        assert set(scores.column("transaction_id").to_pylist()) == expected
        found = scores.column("anomaly_signal").to_numpy()
        assert ((found >= 0) & (found <= 1)).all()
        assert set(scores.column("release_id").to_pylist()) == {job.release.release_id}

    def test_precedents_are_references_with_their_label(self, job: Job) -> None:
        known = job.workspace.references.read_base(job.release.release_id)
        labels = dict(zip(*(known.column(name).to_pylist() for name in ("reference_id", "label")), strict=True))
        facts = dict(zip(*(job.payments.column(name).to_pylist() for name in ("payment_id", "is_fraud")), strict=True))
        k = job.release.neighbours
        for cited in job.scores().column("precedents").to_pylist():
            assert [p["label"] for p in cited] == [1] * k + [0] * k
            for precedent in cited:
                assert str(precedent["label"]) == facts[precedent["reference_id"]]
                assert precedent["label"] == labels[precedent["reference_id"]]
                assert precedent["event_time"] < CUT

    def test_scoring_again_gives_the_same_scores(self, job: Job) -> None:
        before = job.scores()
        again = detect(job.workspace.tables, job.detector, period=TEST, compute=Compute(batch_rows=700))
        assert again == job.run
        after = job.scores()
        assert after.column("transaction_id").equals(before.column("transaction_id"))
        np.testing.assert_allclose(
            after.column("anomaly_signal").to_numpy(), before.column("anomaly_signal").to_numpy(), atol=1e-6
        )

    def test_frauds_of_later_days_are_found(self, job: Job) -> None:
        evaluated = evaluate_run(job.workspace.tables, job.run)
        assert evaluated.evaluation.frauds >= 10
        assert evaluated.evaluation.metrics["auc"] > 0.8


class TestMismatch:
    def test_other_references_are_refused(self, job: Job, dsn: str) -> None:
        release_id = job.release.release_id
        changed = job.workspace.references.read_base(release_id).slice(1)
        other = PostgresReferences(dsn)
        other.write_base(release_id, changed)
        with pytest.raises(ReleaseMismatchError, match=f"reference set of release {release_id} has checksum"):
            Detector.load(job.release, other, job.workspace.embedder)
        other.drop(release_id)
        with pytest.raises(NotFoundError, match=release_id):
            Detector.load(job.release, other, job.workspace.embedder)
        other.close()

    def test_another_text_encoder_is_refused(self, job: Job, embedder: TextEmbedder) -> None:
        with pytest.raises(ReleaseMismatchError, match=r"encoded with bundled .* configured text model is hash"):
            Detector.load(job.release, job.workspace.references_for_scoring, embedder)

    def test_scoring_may_not_write_references(self, job: Job) -> None:
        base = job.workspace.references.read_base(job.release.release_id)
        with pytest.raises(UsageError, match="readers only read"):
            job.workspace.references_for_scoring.write_base("another", base)
        assert "another" not in job.workspace.references.releases()


# What a killed process leaves behind.

KILLED = """
import os, signal, sys
from pathlib import Path
sys.path[:0] = [sys.argv[3], sys.argv[4]]
from quick_embedder import QuickEmbedder
from counterfoil.ports.stores import Stores
from counterfoil.progress import Progress
from test_pipeline import MAPPING, REQUEST, TEST, Compute, Detector, Settings, Workspace, detect, load_release, train

workspace = Workspace(Settings(workspace=Path(sys.argv[1])))

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

tables = workspace.tables
if sys.argv[2] == "train":
    stage = lambda text: die() if text == "registering the release" else None
    stores = Stores(tables, workspace.references, workspace.registry, QuickEmbedder())
    train(stores, MAPPING, REQUEST, progress=Progress(begin=stage))
else:
    release = load_release(workspace.registry, sys.argv[2])
    detector = Detector.load(release, workspace.references_for_scoring, QuickEmbedder())
    detect(tables, detector, period=TEST, compute=Compute(batch_rows=500), progress=Progress(count=die))
"""


def killed(workspace: Workspace, what: str) -> None:
    """Run a step in a process that kills itself midway."""
    here = Path(__file__).parent
    command = [sys.executable, "-c", KILLED, str(workspace.root), what, str(here.parent / "faults"), str(here)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr


def test_killed_steps_leave_nothing_visible_and_a_rerun_completes_them(job: Job, embedder: TextEmbedder) -> None:
    workspace = job.workspace
    before = workspace.registry.releases()
    killed(workspace, "train")
    assert workspace.registry.releases() == before
    (orphan,) = set(workspace.references.releases()) - {found.release_id for found in before}
    with pytest.raises(NotFoundError, match=orphan):
        load_release(workspace.registry, orphan)

    release = train(replace(workspace.stores, embedder=embedder), MAPPING, REQUEST)
    assert release.release_id == orphan
    assert next(found.release_id for found in workspace.registry.releases()) == orphan

    runs = workspace.tables.runs(SCORE_TABLE)
    killed(workspace, release.release_id)
    assert workspace.tables.runs(SCORE_TABLE) == runs
    lake = workspace.root / "lake"
    staged, folders = lake / ".staged" / SCORE_TABLE, lake / SCORE_TABLE / "runs"
    assert len([folder for folder in staged.iterdir() if folder.name.startswith(orphan)]) == 1
    detector = Detector.load(release, workspace.references_for_scoring, embedder)
    run = detect(workspace.tables, detector, period=TEST)
    assert job.scores(run).num_rows == job.scores().num_rows
    assert len([folder for folder in folders.iterdir() if folder.name.startswith(orphan)]) == 1
    assert not [folder for folder in staged.iterdir() if folder.name.startswith(orphan)]
