"""Detection writes what it scored beside the scores, refuses what a release cannot read, and scores what it can."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.domain.periods import Period
from counterfoil.domain.release.release import scored_schema
from counterfoil.domain.schemas import SCORES
from counterfoil.domain.tables import SCORE_TABLE, SCORED_EVIDENCE
from counterfoil.errors import MissingEvidenceError, NotFoundError, ReleaseMismatchError
from counterfoil.steps.releases.registration import Candidate
from counterfoil.steps.scoring import scorer
from counterfoil.steps.scoring.compute import Compute
from counterfoil.steps.scoring.score import detect
from counterfoil.steps.scoring.scorer import Detector

Lake = Callable[[Path, pa.Table], FolderTables]

LAST_WEEK = Period(since=datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=83))


@pytest.fixture(scope="module")
def detector(candidate: Candidate, embedder: Any) -> Detector:
    return Detector(candidate.release, candidate.references, embedder)


@pytest.fixture
def tables(lake: Lake, payments: pa.Table, tmp_path: Path) -> FolderTables:
    return lake(tmp_path / "lake", payments)


def published(tables: FolderTables, table: str, run: str) -> pa.Table:
    (path,) = tables.files(table, run)
    return pq.read_table(path)


def named(scores: pa.Table) -> list[list[str]]:
    """The ids of each score's precedents, in their order."""
    return [[one["reference_id"] for one in row] for row in scores.column("precedents").to_pylist()]


class TestDetector:
    def test_other_references_are_refused(self, candidate: Candidate, embedder: Any) -> None:
        with pytest.raises(ReleaseMismatchError, match=f"reference set of release {candidate.release.release_id}"):
            Detector(candidate.release, candidate.references.slice(1), embedder)

    def test_the_order_of_the_references_makes_no_difference(
        self, candidate: Candidate, detector: Detector, payments: pa.Table, embedder: Any
    ) -> None:
        order = np.random.default_rng(1).permutation(candidate.references.num_rows)
        other = Detector(candidate.release, candidate.references.take(order), embedder)
        some = payments.slice(2900)
        assert other.score(some).equals(detector.score(some))

    @pytest.mark.parametrize("threads", [1, 2, 5])
    def test_scores_are_the_same_on_any_number_of_threads(
        self, detector: Detector, payments: pa.Table, monkeypatch: pytest.MonkeyPatch, threads: int
    ) -> None:
        monkeypatch.setattr(scorer, "FEWEST_ROWS", 100)
        monkeypatch.setattr(detector, "_threads", threads)
        seen: set[int] = set()
        part = Detector._part

        def noted(self: Detector, evidence: pa.Table, texts: Any) -> Any:
            seen.add(evidence.num_rows)
            return part(self, evidence, texts)

        monkeypatch.setattr(Detector, "_part", noted)
        some = payments.slice(0, 1001)
        scores = detector.score(some)
        assert max(seen) == -(-1001 // threads)
        monkeypatch.setattr(detector, "_threads", 1)
        np.testing.assert_allclose(scores.column("margin"), detector.score(some).column("margin"), rtol=0, atol=1e-14)
        one_by_one = pa.concat_tables(detector.score(some.slice(row, 1)) for row in range(990, 1001))
        last = scores.slice(990)
        assert last.column("transaction_id").equals(one_by_one.column("transaction_id"))
        assert last.column("decision").equals(one_by_one.column("decision"))
        assert named(last) == named(one_by_one)
        for name in ("anomaly_signal", "margin", "novelty"):
            np.testing.assert_allclose(last.column(name), one_by_one.column(name), rtol=0, atol=1e-6)

    def test_novelty_is_the_rank_of_the_encoder_s_distance(self, detector: Detector, payments: pa.Table) -> None:
        release = detector.release
        expected = release.calibration.novelty(
            release.encoder.strangeness.distance(release.encoder.forest_input(payments))
        )
        np.testing.assert_array_equal(detector.score(payments).column("novelty").to_numpy(), expected)
        assert len(np.unique(expected)) > 10

    def test_alerts_have_reasons_that_add_up_to_their_margin(self, detector: Detector, payments: pa.Table) -> None:
        scores = detector.score(payments).to_pylist()
        review = detector.release.thresholds.review
        assert 10 < sum(row["anomaly_signal"] >= review for row in scores) < len(scores)
        for row in scores:
            if row["anomaly_signal"] < review:
                assert row["reasons"] is row["usual_margin"] is None
                continue
            contributions = [reason["contribution"] for reason in row["reasons"]]
            assert sum(contributions, row["usual_margin"]) == pytest.approx(row["margin"], abs=1e-6)
            assert contributions == sorted(contributions, reverse=True)
            assert all(reason["words"] for reason in row["reasons"])

    def test_what_a_reason_names_moves_the_signal(self, detector: Detector, payments: pa.Table) -> None:
        """With usual values in the columns of its first reason, an alert's signal falls; of its last, hardly ever."""
        reasoner = detector._reasoner
        scores = detector.score(payments)
        alerts = payments.filter(pc.greater_equal(scores["anomaly_signal"], detector.release.thresholds.review))
        before = detector.score(alerts)
        first, last = (
            pa.concat_tables(
                reasoner.without(alerts.slice(row, 1), reasons[place]["topic"])
                for row, reasons in enumerate(before["reasons"].to_pylist())
            )
            for place in (0, -1)
        )
        fell, rose = (
            np.asarray(before["margin"]) - np.asarray(detector.score(changed)["margin"]) for changed in (first, last)
        )
        assert (fell > 0).mean() > 0.9
        assert fell.mean() > 3 * max(rose.mean(), 0)

    def test_a_store_with_another_recorded_checksum_is_refused(self, candidate: Candidate, embedder: Any) -> None:
        class Store:
            recorded = candidate.release.reference_checksum

            def checksum(self, _: str) -> str:
                return self.recorded

            def read_base(self, _: str) -> pa.Table:
                return candidate.references

        store: Any = Store()
        assert Detector.load(candidate.release, store, embedder).references.equals(candidate.references)
        store.recorded = "0" * 64
        with pytest.raises(ReleaseMismatchError, match="has checksum 000000000000"):
            Detector.load(candidate.release, store, embedder)

    def test_another_text_encoder_is_refused(self, candidate: Candidate, embedder: Any) -> None:
        class Other:
            name, weights_hash, embed = "other", "1" * 64, embedder.embed

        with pytest.raises(ReleaseMismatchError, match=r"encoded with hash .* configured text model is other"):
            Detector(candidate.release, candidate.references, Other())


class TestDetect:
    def test_evidence_is_kept_as_it_was_scored(self, tables: FolderTables, detector: Detector) -> None:
        run = detect(tables, detector, period=LAST_WEEK, compute=Compute(batch_rows=64))
        scores, kept = (published(tables, table, run) for table in (SCORE_TABLE, SCORED_EVIDENCE))
        assert scores.schema.equals(SCORES)
        assert kept.schema.equals(scored_schema(detector.release))
        assert kept.num_rows == scores.num_rows > 150
        for name in ("transaction_id", "event_time", "account_id"):
            assert kept.column(name).equals(scores.column(name))
        again = detector.score(kept).column("anomaly_signal").to_numpy()
        np.testing.assert_allclose(again, scores.column("anomaly_signal").to_numpy(), atol=1e-6)
        assert np.ptp(again) > 0.3

    def test_scores_are_published_last(
        self, tables: FolderTables, detector: Detector, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        publish, order = tables.publish, []
        monkeypatch.setattr(
            tables, "publish", lambda table, run, **check: (order.append(table), publish(table, run, **check))
        )
        run = detect(tables, detector, period=LAST_WEEK)
        assert order == [SCORED_EVIDENCE, SCORE_TABLE]
        assert tables.runs(SCORE_TABLE) == tables.runs(SCORED_EVIDENCE) == [run]
        assert run == f"{detector.release_id}-1970-03-25T000000_0000-end"

    def test_run_and_part_can_be_named(self, tables: FolderTables, detector: Detector) -> None:
        assert detect(tables, detector, period=LAST_WEEK, run="mine", part="part-00003") == "mine"
        for table in (SCORE_TABLE, SCORED_EVIDENCE):
            assert [path.name for path in tables.files(table, "mine")] == ["part-00003.parquet"]

    def test_no_payments_give_tables_without_rows(self, tables: FolderTables, detector: Detector) -> None:
        nobody = Period(since=LAST_WEEK.since + timedelta(days=1000))
        run = detect(tables, detector, period=nobody)
        assert published(tables, SCORE_TABLE, run).schema.equals(SCORES)
        assert published(tables, SCORED_EVIDENCE, run).schema.equals(scored_schema(detector.release))
        assert published(tables, SCORE_TABLE, run).num_rows == 0

    def test_no_evidence_at_all_is_an_error(self, tmp_path: Path, detector: Detector) -> None:
        with pytest.raises(NotFoundError, match="no evidence"):
            detect(FolderTables(tmp_path), detector)


class TestOtherMappings:
    """Evidence that another mapping made."""

    def test_it_is_scored_where_it_has_what_is_needed(
        self, lake: Lake, payments: pa.Table, detector: Detector, tmp_path: Path
    ) -> None:
        run = detect(lake(tmp_path / "own", payments), detector, period=LAST_WEEK)
        own = published(FolderTables(tmp_path / "own"), SCORE_TABLE, run)
        more = payments.append_column("their_own", pa.array(range(payments.num_rows)))
        n0 = pc.cast(payments.column("n0"), pa.float32())  # whatever type its numbers have
        more = more.set_column(more.column_names.index("n0"), "n0", n0).select(sorted(more.column_names))
        other = lake(tmp_path / "other", more)
        scores = published(other, SCORE_TABLE, detect(other, detector, period=LAST_WEEK))
        np.testing.assert_allclose(
            scores.column("anomaly_signal").to_numpy(), own.column("anomaly_signal").to_numpy(), atol=1e-4
        )

    def test_all_that_is_missing_is_named_before_anything_is_written(
        self, lake: Lake, payments: pa.Table, detector: Detector, tmp_path: Path
    ) -> None:
        tables = lake(tmp_path, payments.drop_columns(["n1", "category", "hour_cos"]))
        with pytest.raises(
            MissingEvidenceError, match=r"made-up\) needs .* not there: n1, hour_cos, category;"
        ) as told:
            detect(tables, detector)
        assert detector.release_id in str(told.value)
        assert not (tmp_path / SCORE_TABLE).exists()

    def test_a_file_that_lacks_a_column_is_seen_among_others(
        self, lake: Lake, payments: pa.Table, detector: Detector, tmp_path: Path
    ) -> None:
        tables = lake(tmp_path, payments)
        pq.write_table(payments.drop_columns(["n2"]), tables.stage("evidence", "second") / "part-0.parquet")
        tables.publish("evidence", "second")
        with pytest.raises(MissingEvidenceError, match="not there: n2;"):
            detect(tables, detector)

    def test_text_for_a_number_is_an_error_that_shows_no_value(
        self, lake: Lake, payments: pa.Table, detector: Detector, tmp_path: Path
    ) -> None:
        secret = payments.set_column(payments.column_names.index("n1"), "n1", pa.array(["Ms Smith"] * 3000))
        with pytest.raises(ReleaseMismatchError, match="reads n1 as a number, here it is text") as told:
            detect(lake(tmp_path, secret), detector)
        assert "Smith" not in str(told.value)
        assert told.value.__cause__ is None

    def test_a_release_of_another_name_scores_the_same(
        self, candidate: Candidate, detector: Detector, payments: pa.Table, embedder: Any
    ) -> None:
        renamed = Detector(replace(candidate.release, mapping="another"), candidate.references, embedder)
        some = payments.slice(2950)
        assert renamed.release_id != detector.release_id
        assert renamed.score(some).column("anomaly_signal").equals(detector.score(some).column("anomaly_signal"))
