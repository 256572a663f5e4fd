"""Draw the README's picture from the figures of backtests: average precision beside peers, and reliability.

Usage: draw_backtests.py FIGURES.json... OUT.svg, with the figures that `quality.py --json` writes.
"""

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

TITLES = {
    "transactions_2019": "card payments 2019",
    "handbook": "Handbook week",
    "ulb": "European cards",
    "registrations": "registrations",
}
COLOURS = {"logistic regression": "#9a9a9a", "random forest": "#7b4f9d", "XGBoost": "#c07c2a", "LightGBM": "#2a7f62"}
MARKERS = "os^D"
OURS = "#1f4e8c"


def main(sources: list[Path], target: Path) -> None:
    """Read the files of figures and write the picture."""
    found = {name: case for source in sources for name, case in json.loads(source.read_text())["cases"].items()}
    figures = {name: found[name] for name in TITLES if name in found}
    mpl.rcParams.update(
        {"svg.hashsalt": "counterfoil", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 9}
    )
    picture = Figure(figsize=(9, 3.4), layout="constrained")
    left, right = picture.subplots(1, 2)
    draw_precision(left, figures)
    draw_reliability(right, figures)
    target.parent.mkdir(parents=True, exist_ok=True)
    picture.savefig(target, metadata={"Date": None} if target.suffix == ".svg" else None, dpi=120)


def draw_precision(axes: Axes, figures: dict[str, Any]) -> None:
    """Ours with its interval, and each peer as a dot."""
    for place, case in enumerate(figures.values()):
        ours = case["ours"]["test"]
        low, high = ours["intervals"]["average_precision"]
        value = ours["metrics"]["average_precision"]
        axes.errorbar(
            value, place, xerr=[[value - low], [high - value]], fmt="s", color=OURS, capsize=4, ms=7,
            label="Counterfoil (95 %)" if place == 0 else None,
        )  # fmt: skip
        for line, (peer, colour) in enumerate(COLOURS.items(), start=2):
            precision = case["peers"].get(peer, {}).get("test", {}).get("metrics", {}).get("average_precision")
            axes.plot(precision or np.nan, place - 0.1 * line, "o", color=colour, label=peer if place == 0 else None)
    axes.set(yticks=range(len(figures)), yticklabels=[TITLES[name] for name in figures], xlim=(0.6, 1))
    axes.set_xlabel("average precision")
    axes.set_ylim(-0.6, len(figures) - 0.5)
    axes.grid(axis="x", alpha=0.3)
    axes.legend(fontsize=7, loc="lower center", bbox_to_anchor=(0.45, 1.0), ncols=4, frameon=False, columnspacing=0.8)


def draw_reliability(axes: Axes, figures: dict[str, Any]) -> None:
    """Mean signal against the observed share of fraud, in bins of equal size; bins without a fraud are left out."""
    axes.plot([1e-6, 1], [1e-6, 1], "--", color="#888888", lw=1)
    for (name, case), marker in zip(figures.items(), MARKERS, strict=False):
        bins = [b for b in case["ours"]["test"]["calibration_bins"] if b["observed_rate"] > 0]
        axes.plot(
            [b["mean_predicted"] for b in bins],
            [b["observed_rate"] for b in bins],
            marker,
            label=TITLES[name],
            ms=5,
            alpha=0.8,
        )
    axes.set(xscale="log", yscale="log", xlim=(1e-6, 1.3), ylim=(1e-5, 1.3))
    axes.set(xlabel="mean anomaly signal of a tenth of the payments", ylabel="share of fraud among them")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7)


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:-1]], Path(sys.argv[-1]))
