"""Payments that stop looking as those did that the release was trained on are seen, in figures without their values."""

from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from counterfoil.domain.intake.requests import plain
from counterfoil.ports.service import KeptScore
from counterfoil.service.serving import Serving
from counterfoil.steps.scoring.drift_now import FEWEST, drift_now
from counterfoil.steps.scoring.parity_now import Compared
from counterfoil.steps.scoring.score import as_scored
from counterfoil.steps.scoring.scorer import Detector

pytestmark = pytest.mark.xdist_group("service")


class Last:
    """A log of scores whose last ones are these."""

    def __init__(self, scores: list[KeptScore]) -> None:
        self._scores = scores

    def lately(self, limit: int) -> list[KeptScore]:
        return self._scores[-limit:]


@pytest.fixture(scope="module")
def place(scoring_place: Any) -> Any:
    return scoring_place.open(metrics_namespace="counterfoil-test")


@pytest.fixture(scope="module")
def detector(place: Any) -> Detector:
    return place.champion.current().detector  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def kept(place: Any, detector: Detector) -> list[KeptScore]:
    """A thousand payments that the release was trained on, as if the service had scored them; every tenth reviewed."""
    rows = pa.concat_tables([pq.read_table(path) for path in place.tables.files("evidence")])
    facts = as_scored(rows, detector.release).to_pylist()[-1000:]
    return [
        KeptScore(
            fact["transaction_id"], "c", detector.release_id, "allow" if number % 10 else "review", number % 2 / 10,
            None, None, {}, plain(fact), {},
        )
        for number, fact in enumerate(facts)
    ]  # fmt: skip


def test_payments_like_those_of_the_training_hardly_drift(detector: Detector, kept: list[KeptScore]) -> None:
    found = drift_now(Last(kept), detector)  # type: ignore[arg-type]
    assert (found.payments, found.alerted) == (1000, 0.1)
    assert found.mean_signal == pytest.approx(0.05)
    assert set(found.index) == set(detector.release.encoder.schema.numeric)
    assert found.index["amount"] < 0.1


def test_amounts_that_are_ten_times_as_high_are_a_drift(detector: Detector, kept: list[KeptScore]) -> None:
    moved = [replace(one, evidence={**one.evidence, "amount": 10 * one.evidence["amount"]}) for one in kept]
    found, before = drift_now(Last(moved), detector), drift_now(Last(kept), detector)  # type: ignore[arg-type]
    assert found.index["amount"] > 0.25
    assert found.largest >= found.index["amount"]
    others = found.index.keys() - {"amount"}
    assert {name: found.index[name] for name in others} == {name: before.index[name] for name in others}


def test_few_payments_say_nothing_of_columns(detector: Detector, kept: list[KeptScore]) -> None:
    assert drift_now(Last(kept[: FEWEST - 1]), detector).index == {}  # type: ignore[arg-type]
    assert drift_now(Last([]), detector).payments == 0  # type: ignore[arg-type]
    of_another = [replace(one, release_id="another") for one in kept]
    assert drift_now(Last(of_another), detector).payments == 0  # type: ignore[arg-type]


def test_the_service_tells_both_ways(place: Any, kept: list[KeptScore], monkeypatch: pytest.MonkeyPatch) -> None:
    serving = Serving(place)
    monkeypatch.setattr(place.scores, "lately", Last(kept).lately)
    told: list[Any] = []
    assert serving.embedded is not None
    monkeypatch.setattr(serving.embedded, "_tell", told.append)
    serving.observe("/v1/score", 200, 0.004)
    serving.look_for_drift()
    assert b'counterfoil_drift{column="amount"}' in serving.metrics.text()
    assert b"counterfoil_mean_signal 0.05" in serving.metrics.text()
    assert (told[0]["Requests"], told[0]["LatencyP50"], told[0]["AlertedShare"]) == (1, 4.0, 0.1)
    serving.close()


def test_the_service_counts_what_differs_from_the_batch(place: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    serving = Serving(place)
    monkeypatch.setattr(serving._parity, "look", lambda _: Compared(5, 1, ("amount", "amount")))
    serving.look_for_parity()
    text = serving.metrics.text()
    assert b"counterfoil_parity_payments_total 5.0" in text
    assert b"counterfoil_parity_overtaken_total 1.0" in text
    assert b'counterfoil_parity_differences_total{column="amount"} 2.0' in text
    serving.close()
