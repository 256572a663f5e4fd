"""Plots: SVG that says which releases it shows, the same bytes for the same evaluation, small."""

import hashlib
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pyarrow as pa
import pytest

from counterfoil.adapters.report.plots import draw, draw_thresholds
from counterfoil.domain.evaluation.candidate import PAIRED_SCORES, CandidateEvaluation, compare_with_champion
from counterfoil.domain.evaluation.threshold_table import ThresholdTable, threshold_table
from counterfoil.domain.policy.thresholds import Thresholds

NAMES = {"precision_recall.svg", "reliability.svg"}


def scored(rows: int = 4000, rate: float = 0.05) -> pa.Table:
    rng = np.random.default_rng(3)
    label = (rng.random(rows) < rate).astype(np.int8)
    columns = {
        "transaction_id": [f"t{n}" for n in range(rows)],
        "account_id": [f"a{n % 50}" for n in range(rows)],
        "event_time": pa.array(np.arange(rows) * 10**9),
        "label": pa.array(label),
        "candidate": np.clip(0.1 * rng.random(rows) + label * rng.random(rows), 0, 1),
        "champion": np.clip(0.3 * rng.random(rows) + label * rng.random(rows), 0, 1),
    }
    return pa.table(columns).cast(PAIRED_SCORES)


def evaluated(scores: pa.Table, champion: str | None = "rold") -> CandidateEvaluation:
    return compare_with_champion(scores, "rnew", champion, (None, None), draws=0)


@pytest.fixture(scope="module")
def drawn() -> dict[str, bytes]:
    return draw(evaluated(scored()))


def texts(svg: bytes) -> str:
    return " ".join(ElementTree.fromstring(svg).itertext())


@pytest.mark.slow
def test_both_releases_are_named(drawn: dict[str, bytes]) -> None:
    assert drawn.keys() == NAMES
    for svg in drawn.values():
        assert "candidate rnew" in texts(svg)
        assert "champion rold" in texts(svg)
    precision = evaluated(scored()).figures.candidate.evaluation.metrics["average_precision"]
    assert f"AP {precision:.3f}" in texts(drawn["precision_recall.svg"])


def test_without_a_champion_the_candidate_is_alone() -> None:
    for svg in draw(evaluated(scored(), None)).values():
        assert "candidate rnew" in texts(svg)
        assert "champion" not in texts(svg)


def test_they_are_small_and_have_no_date(drawn: dict[str, bytes]) -> None:
    for svg in drawn.values():
        assert len(svg) < 40_000
        assert b"dc:date" not in svg


@pytest.mark.slow
def test_another_process_draws_the_same_bytes(drawn: dict[str, bytes]) -> None:
    program = (
        f"import sys, hashlib; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from test_plots import draw, evaluated, scored\n"
        "for name, svg in sorted(draw(evaluated(scored())).items()): print(name, hashlib.sha256(svg).hexdigest())"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120)
    expected = [f"{name} {hashlib.sha256(svg).hexdigest()}" for name, svg in sorted(drawn.items())]
    assert done.stdout.splitlines() == expected


@pytest.mark.parametrize("scores", [scored(200, 0.0), scored(200, 1.1), PAIRED_SCORES.empty_table()])
def test_what_is_not_defined_is_left_out(scores: pa.Table) -> None:
    assert draw(evaluated(scores)).keys() == NAMES


def test_the_curve_ends_at_full_recall_with_the_share_of_frauds() -> None:
    from counterfoil.adapters.report.plots import _curve

    scores = scored()
    label = scores.column("label").to_numpy()
    recall, precision = _curve(label, scores.column("candidate").to_numpy())
    assert recall[-1] == 1
    assert len(recall) <= 200
    assert (np.diff(recall) > 0).all()
    assert (precision >= label.mean()).all()
    assert precision[0] > 0.9


def thresholds_of(rate: float = 0.05, amounts: bool = True, own: Thresholds = Thresholds(0.6, 0.9)) -> ThresholdTable:
    scores = scored(rate=rate)
    amount = np.arange(4000) % 97.0 if amounts else np.full(4000, np.nan)
    times = np.datetime64("2024-03-01", "us") + np.arange(4000) * np.timedelta64(20, "m")
    label, signal = (scores.column(name).to_numpy() for name in ("label", "candidate"))
    return threshold_table(
        signal, label, amount, times, currency=pa.array(["EUR"] * 4000), thresholds=own, alerts_per_day=(1, 20)
    )


@pytest.mark.slow
def test_thresholds_are_drawn_with_their_marks() -> None:
    svg = draw_thresholds(thresholds_of())
    assert svg == draw_thresholds(thresholds_of())
    assert len(svg) < 100_000
    best = thresholds_of().best
    assert best is not None
    for text in ("recall", "recall by amount", "precision", "alerts a day", "money saved in 56 days (EUR)",
                 "review (from 0.6)", "block (from 0.9)", f"best (from {best.threshold:.4g})"):  # fmt: skip
        assert text in list(ElementTree.fromstring(svg).itertext())


def test_the_lines_of_thresholds_are_the_figures_of_the_curve() -> None:
    from counterfoil.adapters.report.plots import _thresholds

    table = thresholds_of()
    shares, money = _thresholds(table).axes
    lines = {line.get_label(): line.get_xydata() for line in shares.get_lines()}
    curve, (saved, *_) = table.curve, (line.get_xydata() for line in money.get_lines())
    for drawn, values in (
        (lines["recall"], curve.recall), (lines["recall by amount"], curve.recall_by_amount),
        (lines["precision"], curve.precision), (saved, curve.saved(table.costs)),
    ):  # fmt: skip
        places = np.searchsorted(curve.alerts_per_day, drawn[:, 0])
        np.testing.assert_array_equal(drawn[:, 1], values[places])
        assert drawn[0, 0] == curve.alerts_per_day[1]
        assert 19.9 < drawn[-1, 0] <= 20
    assert saved[:, 1].max() == curve.saved(table.costs).max()
    assert table.review is not None
    assert lines["review (from 0.6)"][0, 0] == table.review.alerts_per_day


@pytest.mark.parametrize("table", [thresholds_of(0.0, own=Thresholds()), thresholds_of(amounts=False)])
def test_thresholds_without_frauds_or_amounts_leave_out_what_is_not_defined(table: ThresholdTable) -> None:
    names = list(ElementTree.fromstring(draw_thresholds(table)).itertext())
    assert ("recall" in names) is (table.frauds > 0)
    assert "recall by amount" not in names
    assert not any(name.startswith("best") for name in names)


def test_thresholds_of_one_tie_that_is_too_large_are_an_empty_picture() -> None:
    times = np.full(9, np.datetime64("2024-03-01", "us"))
    table = threshold_table(np.full(9, 0.5), np.zeros(9, np.int8), np.ones(9), times, alerts_per_day=(1,))
    assert "precision" not in texts(draw_thresholds(table))
