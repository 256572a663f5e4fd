"""A candidate is held against the champion on labelled payments that neither has learned from."""

import json
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
from counterfoil.domain.evaluation.candidate import PAIRED_SCORES
from counterfoil.domain.evaluation.gate import judge_candidate
from counterfoil.domain.intake.mapping import SourceMapping
from counterfoil.domain.periods import Period
from counterfoil.errors import EvaluationWindowError, MissingEvidenceError
from counterfoil.steps.insights.candidate import CandidateEvaluation, evaluate_candidate
from counterfoil.steps.releases.registration import Candidate
from counterfoil.steps.scoring.score import detect
from counterfoil.steps.scoring.scorer import Detector
from counterfoil.steps.train import TrainingRequest, fit_candidate

Lake = Callable[[Path, pa.Table], FolderTables]

CUT = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=60)
THIRD_MONTH = Period(since=CUT)
DRAWS = 60


@pytest.fixture(scope="module")
def tables(lake: Lake, payments: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> FolderTables:
    return lake(tmp_path_factory.mktemp("lake"), payments)


@pytest.fixture(scope="module")
def detector(candidate: Candidate, embedder: Any) -> Detector:
    return Detector(candidate.release, candidate.references, embedder)


@pytest.fixture(scope="module")
def ignorant(
    lake: Lake, payments: pa.Table, mapping: SourceMapping, request_until_cut: TrainingRequest, embedder: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> Detector:  # fmt: skip
    """A champion whose labels were dealt out by chance."""
    labels = np.random.default_rng(0).permutation(payments.column("label").to_numpy())
    other = payments.set_column(payments.column_names.index("label"), "label", pa.array(labels))
    found = fit_candidate(lake(tmp_path_factory.mktemp("other"), other), embedder, mapping, request_until_cut)
    return Detector(found.release, found.references, embedder)


@pytest.fixture(scope="module")
def compared(tables: FolderTables, detector: Detector, ignorant: Detector) -> CandidateEvaluation:
    return evaluate_candidate(tables, detector, ignorant, THIRD_MONTH, draws=DRAWS)


class TestScores:
    @pytest.mark.slow
    def test_each_labelled_payment_of_the_window_has_the_signals_of_detect(
        self, compared: CandidateEvaluation, payments: pa.Table, lake: Lake, detector: Detector, ignorant: Detector,
        tmp_path: Path,
    ) -> None:  # fmt: skip
        scores = compared.scores
        assert scores.schema.equals(PAIRED_SCORES)
        begin = pa.scalar(CUT, scores.schema.field("event_time").type)
        inside = payments.filter(pc.greater_equal(payments.column("event_time"), begin))
        for name in ("transaction_id", "account_id", "label"):
            assert scores.column(name).to_pylist() == inside.column(name).to_pylist()
        own = lake(tmp_path, payments)
        for column, release in (("candidate", detector), ("champion", ignorant)):
            detected = own.files("scores", detect(own, release, period=THIRD_MONTH))
            expected = pq.read_table(detected[0]).column("anomaly_signal").to_numpy()
            np.testing.assert_allclose(scores.column(column).to_numpy(), expected, atol=1e-9)

    def test_payments_without_a_label_do_not_count(
        self, payments: pa.Table, lake: Lake, detector: Detector, tmp_path: Path
    ) -> None:
        labels = payments.column("label").to_pylist()
        labels[-50:] = [None] * 50
        some = payments.set_column(payments.column_names.index("label"), "label", pa.array(labels, pa.int8()))
        found = evaluate_candidate(lake(tmp_path, some), detector, None, THIRD_MONTH, draws=0)
        inside = int((payments.column("event_time").cast(pa.int64()).to_numpy() >= CUT.timestamp() * 1e6).sum())
        assert found.scores.num_rows == found.figures.candidate.evaluation.rows == inside - 50
        assert not set(found.scores.column("transaction_id").to_pylist()) & set(
            payments.column("transaction_id").to_pylist()[-50:]
        )


class TestFigures:
    def test_a_better_candidate_leads_for_certain_and_passes(self, compared: CandidateEvaluation) -> None:
        for name in ("average_precision", "auc"):
            lead = compared.figures.differences[name]
            assert 0 < lead.low < lead.value < lead.high, name
        assert judge_candidate(compared.figures).passed

    def test_a_worse_candidate_fails(self, tables: FolderTables, detector: Detector, ignorant: Detector) -> None:
        found = evaluate_candidate(tables, ignorant, detector, THIRD_MONTH, draws=DRAWS)
        verdict = judge_candidate(found.figures)
        assert not verdict.passed
        assert detector.release_id in verdict.summary

    def test_a_release_against_itself_differs_by_nothing(self, tables: FolderTables, detector: Detector) -> None:
        found = evaluate_candidate(tables, detector, detector, THIRD_MONTH, draws=DRAWS)
        assert found.scores.column("candidate").equals(found.scores.column("champion"))
        for lead in found.figures.differences.values():
            assert (lead.value, lead.low, lead.high) == (0, 0, 0)

    def test_without_a_champion_there_are_no_differences(self, tables: FolderTables, detector: Detector) -> None:
        found = evaluate_candidate(tables, detector, None, THIRD_MONTH, draws=DRAWS)
        assert (found.figures.champion, found.figures.differences) == (None, {})
        assert found.scores.column("champion").null_count == found.scores.num_rows

    def test_they_come_back_from_json(self, compared: CandidateEvaluation) -> None:
        text = json.dumps(compared.as_dict(), allow_nan=False)
        back = CandidateEvaluation.from_dict(json.loads(text), compared.scores)
        assert back.figures == compared.figures
        assert back.figures.since == CUT.isoformat()
        assert json.dumps(back.as_dict()) == text

    def test_metrics_are_flat_numbers_with_their_intervals(self, compared: CandidateEvaluation) -> None:
        metrics = compared.as_dict()["candidate_metrics"]
        evaluation = compared.figures.candidate.evaluation
        assert metrics["average_precision"] == evaluation.metrics["average_precision"]
        assert (metrics["auc_low"], metrics["auc_high"]) == evaluation.intervals["auc"]
        assert metrics["lead_auc"] == compared.figures.differences["auc"].value
        assert all(type(value) is float for value in metrics.values())

    def test_an_empty_window_is_judged_not_crashed_on(self, tables: FolderTables, detector: Detector) -> None:
        later = Period(since=CUT + timedelta(days=999))
        for champion in (None, detector):
            found = evaluate_candidate(tables, detector, champion, later)
            assert found.scores.num_rows == found.figures.candidate.evaluation.rows == 0
            json.dumps(found.as_dict(), allow_nan=False)
        verdict = judge_candidate(evaluate_candidate(tables, detector, None, later).figures)
        assert not verdict.passed
        assert "0 frauds among 0 labelled payments" in verdict.summary


class TestWindow:
    def test_it_may_begin_when_the_labels_end(self, tables: FolderTables, detector: Detector) -> None:
        assert detector.release.learned_until == CUT
        evaluate_candidate(tables, detector, None, Period(since=CUT), draws=0)

    @pytest.mark.parametrize("since", [CUT - timedelta(microseconds=1), None])
    def test_it_may_not_begin_earlier(self, tables: FolderTables, detector: Detector, since: datetime | None) -> None:
        with pytest.raises(EvaluationWindowError) as told:
            evaluate_candidate(tables, detector, None, Period(since, CUT + timedelta(days=9)))
        message = str(told.value)
        assert f"release {detector.release_id} learned" in message
        assert f"until {CUT}" in message
        assert f"from {since or 'the beginning'} to {CUT + timedelta(days=9)}" in message

    def test_the_champion_is_asked_as_well(
        self, tables: FolderTables, detector: Detector, candidate: Candidate, embedder: Any
    ) -> None:
        late = (CUT + timedelta(days=3)).isoformat()
        newer = replace(candidate.release, labels_known_until=late)
        champion = Detector(newer, candidate.references, embedder)
        with pytest.raises(EvaluationWindowError, match=f"release {champion.release_id} learned"):
            evaluate_candidate(tables, detector, champion, THIRD_MONTH)

    @pytest.mark.slow
    def test_no_label_that_was_found_out_after_it_began_has_reached_training(
        self, tables: FolderTables, mapping: SourceMapping, request_until_cut: TrainingRequest, embedder: Any
    ) -> None:
        """Training payments end with the cut, but without a limit their labels come in for another week."""
        request = replace(request_until_cut, known_until=None)
        found = fit_candidate(tables, embedder, mapping, request)
        late = Detector(found.release, found.references, embedder)
        with pytest.raises(EvaluationWindowError, match="1970-03-08"):
            evaluate_candidate(tables, late, None, THIRD_MONTH)
        known = found.references.column("known_at").cast(pa.int64()).to_numpy()
        begin = found.release.learned_until
        assert begin is not None
        assert CUT.timestamp() * 1e6 < known.max() <= begin.timestamp() * 1e6
        evaluate_candidate(tables, late, None, Period(since=begin), draws=0)

    @pytest.mark.slow
    def test_what_happens_in_it_changes_no_candidate(
        self, payments: pa.Table, lake: Lake, candidate: Candidate, mapping: SourceMapping,
        request_until_cut: TrainingRequest, embedder: Any, tmp_path: Path,
    ) -> None:  # fmt: skip
        known = payments.column("known_at").cast(pa.int64()).to_numpy()
        labels = payments.column("label").to_numpy()
        turned = np.where(known > CUT.timestamp() * 1e6, 1 - labels, labels).astype(np.int8)
        assert (turned != labels).sum() > 1000
        other = payments.set_column(payments.column_names.index("label"), "label", pa.array(turned))
        found = fit_candidate(lake(tmp_path, other), embedder, mapping, request_until_cut)
        assert found.release.release_id == candidate.release.release_id


def test_what_the_champion_cannot_read_is_named(
    lake: Lake, payments: pa.Table, detector: Detector, candidate: Candidate, embedder: Any, tmp_path: Path
) -> None:
    encoder = candidate.release.encoder
    schema = replace(encoder.schema, categorical=(*encoder.schema.categorical, "no_such_column"))
    richer = replace(candidate.release, encoder=replace(encoder, schema=schema))
    champion = Detector(richer, candidate.references, embedder)
    with pytest.raises(MissingEvidenceError, match=f"release {champion.release_id} .* no_such_column"):
        evaluate_candidate(lake(tmp_path, payments), detector, champion, THIRD_MONTH)
