"""A candidate is what its evidence and mapping make of it; it can be carried as files, and is registered last."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.domain.intake.mapping import SourceMapping
from counterfoil.domain.periods import Period
from counterfoil.domain.release.references import checksum
from counterfoil.domain.release.release import to_files
from counterfoil.domain.tables import EVIDENCE
from counterfoil.errors import NotFoundError, ReleaseMismatchError, TrainingError
from counterfoil.ports import stores as ports
from counterfoil.ports.releases import RegisteredRelease
from counterfoil.progress import Progress
from counterfoil.steps.releases.registration import (
    Candidate,
    load_release,
    read_candidate,
    register_candidate,
    write_candidate,
)
from counterfoil.steps.train import TrainingRequest, fit_candidate, train

Lake = Callable[[Path, pa.Table], FolderTables]
Fit = Callable[[FolderTables], Candidate]


@pytest.fixture
def fit(mapping: SourceMapping, request_until_cut: TrainingRequest, embedder: Any) -> Fit:
    return lambda tables: fit_candidate(tables, embedder, mapping, request_until_cut)


def changed(payments: pa.Table, column: str, place: int, value: Any) -> pa.Table:
    values = payments.column(column).to_pylist()
    values[place] = value
    field = payments.schema.field(column)
    return payments.set_column(payments.column_names.index(column), field, pa.array(values, field.type))


class TestLineage:
    def test_the_same_rows_in_other_files_are_the_same_release(
        self, fit: Fit, candidate: Candidate, payments: pa.Table, tmp_path: Path
    ) -> None:
        tables = FolderTables(tmp_path / "another" / "lake")
        staged = tables.stage(EVIDENCE, "other-run")
        shuffled = payments.take(np.random.default_rng(0).permutation(payments.num_rows))
        for number in range(2):
            part = shuffled.slice(1500 * number, 1500).select(sorted(payments.column_names))
            pq.write_table(part, staged / f"{number}.parquet", compression="zstd")
        tables.publish(EVIDENCE, "other-run")
        found = fit(tables)
        assert found.release.lineage == candidate.release.lineage
        assert found.release.release_id == candidate.release.release_id

    def test_a_changed_payment_of_the_window_shows(
        self, fit: Fit, candidate: Candidate, payments: pa.Table, lake: Lake, tmp_path: Path
    ) -> None:
        found = fit(lake(tmp_path, changed(payments, "amount", 7, 12.5)))
        assert found.release.lineage.evidence_sha256 != candidate.release.lineage.evidence_sha256
        assert found.release.lineage.mapping_sha256 == candidate.release.lineage.mapping_sha256
        assert found.release.release_id != candidate.release.release_id

    def test_payments_and_labels_after_the_window_do_not(
        self, fit: Fit, candidate: Candidate, payments: pa.Table, lake: Lake, tmp_path: Path
    ) -> None:
        other = changed(payments, "amount", payments.num_rows - 1, 12.5)
        # Paid in the window, but its label was not known yet: both are no part of the training.
        cut = pa.scalar(candidate.release.learned_until, payments.schema.field("known_at").type)
        unknown = pc.and_(
            pc.greater(payments.column("known_at"), cut), pc.less(payments.column("event_time"), cut)
        ).to_pylist()
        place = unknown.index(True)
        other = changed(other, "label", place, 1 - payments.column("label")[place].as_py())
        assert not other.equals(payments)
        assert fit(lake(tmp_path, other)).release.release_id == candidate.release.release_id

    def test_a_changed_mapping_shows(
        self, lake: Lake, payments: pa.Table, candidate: Candidate, mapping: SourceMapping,
        request_until_cut: TrainingRequest, embedder: Any, tmp_path: Path,
    ) -> None:  # fmt: skip
        evidence = mapping.evidence.model_copy(update={"numeric": {**mapping.evidence.numeric, "n0": "elsewhere"}})
        other = mapping.model_copy(update={"evidence": evidence, "description": "not a change"})
        found = fit_candidate(lake(tmp_path, payments), embedder, other, request_until_cut).release
        assert found.lineage.mapping_sha256 != candidate.release.lineage.mapping_sha256
        assert found.lineage.evidence_sha256 == candidate.release.lineage.evidence_sha256
        assert found.release_id != candidate.release.release_id

    def test_it_tells_until_when_its_labels_were_found_out(
        self, candidate: Candidate, payments: pa.Table, lake: Lake, mapping: SourceMapping,
        request_until_cut: TrainingRequest, embedder: Any, tmp_path: Path,
    ) -> None:  # fmt: skip
        cut = request_until_cut.known_until
        assert candidate.release.learned_until == cut
        without_limit = replace(request_until_cut, period=Period(until=cut), known_until=None)
        found = fit_candidate(lake(tmp_path, payments), embedder, mapping, without_limit).release
        before = pc.less(payments.column("event_time"), pa.scalar(cut, payments.schema.field("event_time").type))
        last = pc.max(payments.filter(before).column("known_at")).as_py()
        assert found.learned_until == last > cut


def test_evidence_of_another_mapping_is_told(fit: Fit, payments: pa.Table, lake: Lake, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"the evidence has no category, which mapping .* declares"):
        fit(lake(tmp_path, payments.drop_columns(["category"])))


def test_thresholds_come_from_unseen_payments(candidate: Candidate) -> None:
    thresholds = candidate.release.thresholds
    assert thresholds.alert_budget == 0.005
    assert thresholds.review is not None
    assert 0 < thresholds.review < 1
    assert thresholds.block is None or thresholds.review <= thresholds.block <= 1


class TestFiles:
    def test_a_candidate_comes_back(self, candidate: Candidate, tmp_path: Path) -> None:
        write_candidate(candidate, tmp_path)
        assert {path.name for path in tmp_path.iterdir()} == {"release.json", "arrays.npz", "references.parquet"}
        back = read_candidate(tmp_path)
        assert to_files(back.release) == to_files(candidate.release)
        assert back.references.equals(candidate.references)

    def test_other_references_are_refused(self, candidate: Candidate, tmp_path: Path) -> None:
        write_candidate(replace(candidate, references=candidate.references.slice(1)), tmp_path)
        with pytest.raises(ReleaseMismatchError, match=f"reference set of release {candidate.release.release_id}"):
            read_candidate(tmp_path)

    @pytest.mark.parametrize("name", ["release.json", "arrays.npz", "references.parquet"])
    def test_a_missing_file_is_named(self, candidate: Candidate, tmp_path: Path, name: str) -> None:
        write_candidate(candidate, tmp_path)
        (tmp_path / name).unlink()
        with pytest.raises(NotFoundError, match=f"{name} is missing"):
            read_candidate(tmp_path)


class Stores:
    """A reference store and a registry that keep what they are given, and tell in which order."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.bases: dict[str, pa.Table] = {}
        self.files: dict[str, dict[str, bytes]] = {}
        self.said: dict[str, Mapping[str, Any]] = {}
        self.home: Path | None = None

    def require_writable(self) -> None:
        self.calls.append("asked")

    def write_base(self, release_id: str, references: pa.Table) -> str:
        self.calls.append("base")
        self.bases[release_id] = references
        return checksum(references)

    def register(self, release_id: str, folder: Path, **said: Mapping[str, Any]) -> RegisteredRelease:
        self.calls.append("register")
        files = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
        self.files.setdefault(release_id, files)
        self.said.setdefault(release_id, said)  # type: ignore[arg-type]
        return RegisteredRelease(release_id, 1, {}, {})

    def fetch(self, release_id: str) -> Path:
        assert self.home is not None
        for name, content in self.files[release_id].items():
            (self.home / name).parent.mkdir(parents=True, exist_ok=True)
            (self.home / name).write_bytes(content)
        return self.home


class TestRegister:
    def test_the_base_is_written_first_and_the_release_is_visible_last(self, candidate: Candidate) -> None:
        stores: Any = Stores()
        told: list[str] = []
        registered = register_candidate(candidate, stores, stores, progress=Progress(begin=told.append))
        assert registered.release_id == candidate.release.release_id
        assert stores.calls == ["asked", "base", "register"]
        assert told == ["writing the reference set", "registering the release"]
        assert stores.bases[registered.release_id].equals(candidate.references)

    def test_a_failing_base_registers_nothing(self, candidate: Candidate) -> None:
        class Full(Stores):
            def write_base(self, *_: object) -> str:
                raise OSError("disk full")

        stores: Any = Full()
        with pytest.raises(OSError, match="disk full"):
            register_candidate(candidate, stores, stores)
        assert stores.calls == []

    def test_again_gives_the_same_files(self, candidate: Candidate) -> None:
        stores: Any = Stores()
        register_candidate(candidate, stores, stores)
        first = dict(stores.files)
        register_candidate(candidate, stores, stores)
        assert stores.files == first

    def test_evaluation_metrics_and_tags_are_kept_beside_the_release(
        self, candidate: Candidate, tmp_path: Path
    ) -> None:
        stores: Any = Stores()
        release_id = candidate.release.release_id
        register_candidate(
            candidate, stores, stores, metrics={"auc": 0.9, "auc_low": 0.8, "auc_high": 0.95}, tags={"gate": "passed"},
            evaluation={"evaluation.json": b"{}", "plots/reliability.svg": b"<svg/>", "release.json": b"not mine"},
        )  # fmt: skip
        files = stores.files[release_id]
        assert files.keys() == {"release.json", "arrays.npz", "evaluation.json", "plots/reliability.svg"}
        assert files["release.json"] == to_files(candidate.release)["release.json"]
        said = stores.said[release_id]
        assert said["tags"] == {"mapping": "made-up", "signal_kind": "calibrated", "gate": "passed"}
        assert said["metrics"].items() >= {"auc": 0.9, "auc_low": 0.8, "auc_high": 0.95}.items()
        assert said["metrics"]["threshold_review"] == candidate.release.thresholds.review
        assert said["parameters"]["evidence_sha256"] == candidate.release.lineage.evidence_sha256
        stores.home = tmp_path
        assert load_release(stores, release_id).release_id == release_id

    def test_train_is_fit_and_register(
        self, candidate: Candidate, payments: pa.Table, lake: Lake, mapping: SourceMapping,
        request_until_cut: TrainingRequest, embedder: Any, tmp_path: Path,
    ) -> None:  # fmt: skip
        stores: Any = Stores()
        release = train(ports.Stores(lake(tmp_path, payments), stores, stores, embedder), mapping, request_until_cut)
        assert release.release_id == candidate.release.release_id
        assert stores.calls == ["base", "register"]
