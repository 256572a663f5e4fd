"""Plots: SVG that says which releases it shows, the same bytes for the same evaluation, small."""

import hashlib
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pyarrow as pa
import pytest

from counterfoil.adapters.plots_matplotlib import draw
from counterfoil.domain.candidate import PAIRED_SCORES, CandidateEvaluation, compare_with_champion

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


def test_another_process_draws_the_same_bytes(drawn: dict[str, bytes]) -> None:
    program = (
        f"import sys, hashlib; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from test_plots_matplotlib import draw, evaluated, scored\n"
        "for name, svg in sorted(draw(evaluated(scored())).items()): print(name, hashlib.sha256(svg).hexdigest())"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120)
    expected = [f"{name} {hashlib.sha256(svg).hexdigest()}" for name, svg in sorted(drawn.items())]
    assert done.stdout.splitlines() == expected


@pytest.mark.parametrize("scores", [scored(200, 0.0), scored(200, 1.1), PAIRED_SCORES.empty_table()])
def test_what_is_not_defined_is_left_out(scores: pa.Table) -> None:
    assert draw(evaluated(scores)).keys() == NAMES


def test_the_curve_ends_at_full_recall_with_the_share_of_frauds() -> None:
    from counterfoil.adapters.plots_matplotlib import _curve

    scores = scored()
    label = scores.column("label").to_numpy()
    recall, precision = _curve(label, scores.column("candidate").to_numpy())
    assert recall[-1] == 1
    assert len(recall) <= 200
    assert (np.diff(recall) > 0).all()
    assert (precision >= label.mean()).all()
    assert precision[0] > 0.9
