"""The score table: a row a payment, each with its precedents and what it can be replayed from."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from counterfoil.domain.policy.decide import decide
from counterfoil.domain.policy.thresholds import Thresholds
from counterfoil.domain.release.references import in_canonical_order, vectors_of
from counterfoil.domain.schemas import SCORES, TIMESTAMP
from counterfoil.domain.scoring.compare import References
from counterfoil.domain.scoring.scores import score_table
from counterfoil.domain.scoring.signal import Calibration, SignalKind, margin

K = 4
ROWS = 25
Maker = Callable[..., pa.Table]

CALIBRATED = Calibration(SignalKind.CALIBRATED, 1.0, -2.0, np.linspace(0, 1, 101))
THRESHOLDS = Thresholds(review=0.3, block=0.7)
NOVELTY = Calibration(SignalKind.NOVELTY, 0.0, 0.0, np.linspace(0, 1, 101))


@pytest.fixture(scope="module")
def references(reference_table: Maker) -> pa.Table:
    return in_canonical_order(reference_table(200, 6))


def evidence() -> pa.Table:
    return pa.table(
        {
            "transaction_id": [f"q{n}" for n in range(ROWS)],
            "event_time": pa.array(range(ROWS), pa.int64()).cast(TIMESTAMP),
            "account_id": [None if n == 3 else f"a{n}" for n in range(ROWS)],
        }
    )


DISTANCE = np.linspace(0, 9, ROWS)


def queries() -> np.ndarray:
    rows = np.random.default_rng(5).normal(size=(ROWS, 6)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def scored(references: pa.Table, calibration: Calibration = CALIBRATED, k: int = K) -> pa.Table:
    labels = references.column("label").to_numpy()
    compared = References(vectors_of(references), labels).compare(queries(), k)
    return score_table(evidence(), compared, DISTANCE, references, calibration, THRESHOLDS, "r1")


def of_label(references: pa.Table, label: int) -> pa.Table:
    return references.filter(pa.array(references.column("label").to_numpy() == label))


def test_each_payment_has_a_row_in_its_place(references: pa.Table) -> None:
    scores = scored(references)
    assert scores.schema.equals(SCORES)
    scores.validate(full=True)
    for name in ("transaction_id", "event_time", "account_id"):
        assert scores.column(name).to_pylist() == evidence().column(name).to_pylist()
    assert set(scores.column("release_id").to_pylist()) == {"r1"}
    assert set(scores.column("overlay_seq").to_pylist()) == {0}
    assert set(scores.column("signal_kind").to_pylist()) == {"calibrated"}


def test_the_signal_is_the_calibrated_margin_of_the_similarities(references: pa.Table) -> None:
    scores = scored(references)
    sides = (scores.column(f"{side}_similarity").to_numpy() for side in ("fraud", "good"))
    expected = CALIBRATED.probability(margin(*sides))
    np.testing.assert_allclose(scores.column("anomaly_signal").to_numpy(), expected, rtol=1e-12)


def test_the_decision_is_by_the_thresholds(references: pa.Table) -> None:
    labels = references.column("label").to_numpy()
    compared = References(vectors_of(references), labels).compare(queries(), K)
    signal = scored(references).column("anomaly_signal").to_numpy()
    thresholds = Thresholds(*np.quantile(signal, [0.5, 0.9]))
    scores = score_table(evidence(), compared, DISTANCE, references, CALIBRATED, thresholds, "r1")
    assert scores.column("decision").to_pylist() == decide(signal, thresholds).to_pylist()
    assert set(scores.column("decision").to_pylist()) == {"allow", "review", "block"}


def test_precedents_are_references_frauds_first_and_most_similar_first(references: pa.Table) -> None:
    known = {row["reference_id"]: row for row in references.to_pylist()}
    for query, row in zip(queries(), scored(references).to_pylist(), strict=True):
        cited: list[dict[str, Any]] = row["precedents"]
        assert [p["label"] for p in cited] == [1] * K + [0] * K
        for side, mean in ((cited[:K], row["fraud_similarity"]), (cited[K:], row["good_similarity"])):
            similar = [p["similarity"] for p in side]
            assert similar == sorted(similar, reverse=True)
            assert mean == pytest.approx(np.mean(similar), abs=1e-6)
        for precedent in cited:
            reference = known[precedent["reference_id"]]
            assert (precedent["label"], precedent["event_time"]) == (reference["label"], reference["event_time"])
            assert precedent["similarity"] == pytest.approx(float(np.dot(reference["vector"], query)), abs=1e-5)
        assert len({p["reference_id"] for p in cited}) == 2 * K


@pytest.mark.parametrize(("label", "empty"), [(0, "fraud"), (1, "good")])
def test_an_empty_side_has_no_similarity_and_no_precedents(references: pa.Table, label: int, empty: str) -> None:
    scores = scored(of_label(references, label), NOVELTY)
    assert scores.column(f"{empty}_similarity").null_count == ROWS
    other = "good" if empty == "fraud" else "fraud"
    assert scores.column(f"{other}_similarity").null_count == 0
    assert {p["label"] for cited in scores.column("precedents").to_pylist() for p in cited} == {label}
    assert scores.column("anomaly_signal").to_pylist() == scores.column("novelty").to_pylist()


def test_fewer_references_than_asked_for_are_all_named(references: pa.Table) -> None:
    few = pa.concat_tables([of_label(references, 1).slice(0, 2), of_label(references, 0).slice(0, 3)])
    for cited in scored(few).column("precedents").to_pylist():
        assert [p["label"] for p in cited] == [1, 1, 0, 0, 0]


def test_no_payments_make_an_empty_table(references: pa.Table) -> None:
    compared = References(vectors_of(references), references.column("label").to_numpy()).compare(queries()[:0], K)
    scores = score_table(evidence().slice(0, 0), compared, DISTANCE[:0], references, CALIBRATED, THRESHOLDS, "r1")
    assert (scores.num_rows, scores.schema) == (0, SCORES)
