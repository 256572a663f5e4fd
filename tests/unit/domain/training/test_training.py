"""Training: validation honours the labels' delay, references are all frauds and distinct good payments."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from counterfoil.domain.encoding.odds import MACHINES
from counterfoil.domain.policy.thresholds import Thresholds
from counterfoil.domain.release.references import reference_schema, vectors_of
from counterfoil.domain.release.release import Release, to_files
from counterfoil.domain.scoring.compare import References
from counterfoil.domain.scoring.scores import score_table
from counterfoil.domain.scoring.signal import SignalKind
from counterfoil.domain.training.training import Fitted
from counterfoil.errors import TrainingError

DAY_US = 86_400_000_000
Maker = Callable[..., tuple[pa.Table, np.ndarray]]
Fit = Callable[..., Fitted]


def relabelled(table: pa.Table, labels: np.ndarray) -> pa.Table:
    return table.set_column(table.column_names.index("label"), "label", pa.array(labels.astype(np.int8)))


def scores_of(found: Fitted, table: pa.Table, embed: Any) -> pa.Table:
    references = References(vectors_of(found.references), found.references.column("label").to_numpy())
    compared = references.compare(found.encoder.encode(table, embed), found.neighbours)
    return score_table(
        table, compared, found.encoder.strangeness.distance(found.encoder.forest_input(table)), found.references,
        found.calibration, found.thresholds, "r",
    )  # fmt: skip


def microseconds(table: pa.Table, name: str) -> np.ndarray:
    return table.column(name).cast(pa.int64()).to_numpy()


class TestFit:
    def test_the_same_rows_give_the_same_release(
        self, fit: Fit, fitted: Fitted, evidence: Maker, release_of: Callable[[Fitted], Release]
    ) -> None:
        again = fit(evidence()[0])
        assert again.references.equals(fitted.references)
        assert to_files(release_of(again)) == to_files(release_of(fitted))

    def test_it_finds_the_frauds_of_other_rows(self, fitted: Fitted, evidence: Maker, embedder: Any) -> None:
        table, labels = evidence(seed=1)
        signal = scores_of(fitted, table, embedder.embed).column("anomaly_signal").to_numpy()
        assert fitted.calibration.kind is SignalKind.CALIBRATED
        assert signal[labels == 1].mean() > 0.3 > 0.1 > signal[labels == 0].mean()
        assert signal.mean() == pytest.approx(labels.mean(), rel=0.35)

    def test_what_was_chosen_is_of_the_choices_and_was_measured(self, fitted: Fitted) -> None:
        assert fitted.encoder.mixture.evidence in (0.2, 0.4)
        assert fitted.encoder.mixture.odds in (0.0, 0.25, 0.5, 0.75)
        assert fitted.encoder.mixture.machines in MACHINES
        assert fitted.neighbours in (3, 5)
        assert 0.3 < fitted.validation["average_precision"] <= 1
        assert fitted.ablation.keys() == {"votes", "odds", "numeric", "cyclic", "category", "text"}
        assert fitted.left_out == {}

    def test_few_frauds_to_calibrate_on_are_told(self, fitted: Fitted) -> None:
        [note] = fitted.notes
        assert re.fullmatch(r"calibrated on \d\d frauds only: read the signal as a rank, not as a probability", note)

    def test_fewer_good_payments_in_validation_stand_for_all(
        self, fit: Fit, fitted: Fitted, evidence: Maker, embedder: Any
    ) -> None:
        table, labels = evidence()
        few = fit(table, validation_good=12)
        fresh, _ = evidence(seed=1)
        usual, thinned = (
            scores_of(f, fresh, embedder.embed).column("anomaly_signal").to_numpy().mean() for f in (fitted, few)
        )
        # Taken as they are, 12 good payments beside all frauds would make fraud as common as not.
        assert [usual, thinned] == pytest.approx([labels.mean()] * 2, rel=0.5)

    @pytest.mark.slow
    def test_the_alert_budget_is_a_share_of_all_payments_not_of_the_sampled(
        self, fit: Fit, evidence: Maker, embedder: Any
    ) -> None:
        table, _ = evidence(rows=1200)
        fresh, _ = evidence(rows=1200, seed=1)
        for options in ({}, {"validation_good": 40}):
            found = fit(table, alert_budget=0.2, **options)
            signal = scores_of(found, fresh, embedder.embed).column("anomaly_signal").to_numpy()
            assert found.thresholds.review is not None
            # A fifth of the sampled ones would be frauds only.
            assert (signal >= found.thresholds.review).mean() == pytest.approx(0.2, abs=0.06), options

    def test_useless_columns_are_named(self, fit: Fit, evidence: Maker) -> None:
        table, _ = evidence()
        same = table.set_column(table.column_names.index("n2"), "n2", table.column("n1"))
        found = fit(same)
        assert found.left_out == {"n2": "repeats n1"}
        assert found.encoder.schema.numeric == ("amount", "n0", "n1")

    def test_one_payment_teaches_nothing(self, fit: Fit, evidence: Maker) -> None:
        with pytest.raises(TrainingError, match="1 payments with known labels"):
            fit(evidence()[0].slice(0, 1))


class TestReferences:
    def test_all_frauds_are_kept(self, fitted: Fitted, evidence: Maker) -> None:
        table, labels = evidence()
        ids = np.array(table.column("transaction_id").to_pylist())
        kept = fitted.references.to_pydict()
        assert {i for i, label in zip(kept["reference_id"], kept["label"], strict=True) if label} == {*ids[labels == 1]}
        assert fitted.references.schema.equals(reference_schema(fitted.encoder.dimensions))

    def test_a_reference_is_the_vector_of_its_payment_and_label(
        self, fitted: Fitted, evidence: Maker, embedder: Any
    ) -> None:
        table, labels = evidence()
        rows = {i: n for n, i in enumerate(table.column("transaction_id").to_pylist())}
        order = [rows[i] for i in fitted.references.column("reference_id").to_pylist()]
        expected = fitted.encoder.encode(table.take(order), embedder.embed, labels[order])
        np.testing.assert_allclose(vectors_of(fitted.references), expected, atol=1e-6)
        for name in ("event_time", "known_at", "category", "label"):
            assert fitted.references.column(name).to_pylist() == table.column(name).take(order).to_pylist()

    def test_good_payments_that_are_alike_are_kept_once_and_frauds_all(self, fit: Fit, evidence: Maker) -> None:
        table, labels = evidence(rows=300)
        copies = table.set_column(0, "transaction_id", pa.array([f"copy{n}" for n in range(300)]))
        found = fit(pa.concat_tables([table, copies]))
        kept = found.references.column("label").to_numpy()
        vectors = vectors_of(found.references)
        assert (kept == 1).sum() == 2 * (labels == 1).sum()
        assert (kept == 0).sum() == (labels == 0).sum()
        cosines = vectors[kept == 0] @ vectors[kept == 0].T
        assert (np.abs(cosines - 1) < 1e-6).sum() == (kept == 0).sum()

    def test_there_are_no_more_good_references_than_asked_for(self, fit: Fit, evidence: Maker) -> None:
        table, labels = evidence()
        kept = fit(table, good_references=(50,)).references.column("label").to_numpy()
        assert ((kept == 0).sum(), (kept == 1).sum()) == (50, (labels == 1).sum())


class TestFewFrauds:
    def test_without_frauds_the_signal_is_the_rank_of_novelty(self, fit: Fit, evidence: Maker, embedder: Any) -> None:
        found = fit(evidence(rate=0.0)[0])
        assert found.calibration.kind is SignalKind.NOVELTY
        assert found.notes == ("no validation block holds both labels: the signal ranks novelty",)
        assert found.thresholds == Thresholds()
        assert found.encoder.votes is None
        usual, _ = evidence(seed=1, rate=0.0)
        scores = scores_of(found, usual, embedder.embed)
        signal = scores.column("anomaly_signal").to_numpy()
        assert ((signal >= 0) & (signal <= 1)).all()
        assert scores.column("fraud_similarity").null_count == 600
        # A rank among unseen good payments: they themselves are spread evenly over it.
        assert signal.mean() == pytest.approx(0.5, abs=0.15)
        wild = usual.set_column(usual.column_names.index("n1"), "n1", pa.array(np.full(600, 50.0)))
        assert scores_of(found, wild, embedder.embed).column("anomaly_signal").to_numpy().mean() > signal.mean() + 0.2

    def test_copies_do_not_make_usual_payments_look_new(self, fit: Fit, evidence: Maker, embedder: Any) -> None:
        table, _ = evidence(rate=0.0)
        copy = table.slice(0, 1).set_column(0, "transaction_id", pa.array(["copy"]))
        usual, _ = evidence(seed=1, rate=0.0)
        once, twice = (
            scores_of(fit(t), usual, embedder.embed).column("anomaly_signal").to_numpy().mean()
            for t in (table, pa.concat_tables([table, copy]))
        )
        assert once == pytest.approx(twice, abs=0.05)

    @pytest.mark.parametrize("frauds", [1, 9])
    def test_few_frauds_make_no_votes_but_are_precedents(
        self, fit: Fit, evidence: Maker, embedder: Any, frauds: int
    ) -> None:
        table, labels = evidence()
        few = labels.copy()
        few[np.flatnonzero(labels == 1)[frauds:]] = 0
        found = fit(relabelled(table, few))
        assert found.encoder.votes is None
        assert found.references.column("label").to_numpy().sum() == frauds
        scores = scores_of(found, evidence(seed=1)[0], embedder.embed)
        signal = scores.column("anomaly_signal").to_numpy()
        assert ((signal >= 0) & (signal <= 1)).all()
        cited = scores.column("precedents").to_pylist()
        assert all(p[0]["label"] == 1 for p in cited)
