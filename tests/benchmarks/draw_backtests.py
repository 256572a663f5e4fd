"""Draw the README's picture from the figures of backtests: average precision beside peers, and reliability.

Usage: draw_backtests.py FOLDER OUT.svg, where FOLDER holds transactions_2019.json, handbook.json and ulb.json as
`counterfoil backtest --json` writes them.
"""

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# As `quality.py` measured them on the same rows and evidence; see the README.
PEERS = {
    "transactions_2019": {"isolation forest": 0.026, "LightGBM": 0.927, "XGBoost": 0.957},
    "handbook": {"isolation forest": 0.298, "LightGBM": 0.711, "XGBoost": 0.698},
    "ulb": {"isolation forest": 0.460, "LightGBM": 0.924, "XGBoost": 0.925},
}
TITLES = {"transactions_2019": "card payments 2019", "handbook": "Handbook week", "ulb": "European cards"}
COLOURS = {"isolation forest": "#9a9a9a", "XGBoost": "#c07c2a", "LightGBM": "#2a7f62"}
OURS = "#1f4e8c"


def main(folder: Path, target: Path) -> None:
    """Read the three files of figures and write the picture."""
    figures = {name: json.loads((folder / f"{name}.json").read_text())["test"] for name in PEERS}
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
    for place, (name, peers) in enumerate(PEERS.items()):
        low, high = figures[name]["intervals"]["average_precision"]
        value = figures[name]["metrics"]["average_precision"]
        axes.errorbar(
            value, place, xerr=[[value - low], [high - value]], fmt="s", color=OURS, capsize=4, ms=7,
            label="Counterfoil (95 %)" if place == 0 else None,
        )  # fmt: skip
        for peer, precision in peers.items():
            axes.plot(precision, place - 0.22, "o", color=COLOURS[peer], label=peer if place == 0 else None)
    axes.set(yticks=range(len(PEERS)), yticklabels=list(TITLES.values()), xlim=(0, 1), xlabel="average precision")
    axes.set_ylim(-0.6, len(PEERS) - 0.5)
    axes.grid(axis="x", alpha=0.3)
    axes.legend(fontsize=7, loc="lower center", bbox_to_anchor=(0.45, 1.0), ncols=4, frameon=False, columnspacing=0.8)


def draw_reliability(axes: Axes, figures: dict[str, Any]) -> None:
    """Mean signal against the observed share of fraud, in bins of equal size; bins without a fraud are left out."""
    axes.plot([1e-6, 1], [1e-6, 1], "--", color="#888888", lw=1)
    for name, marker in zip(PEERS, "os^", strict=True):
        bins = [b for b in figures[name]["calibration_bins"] if b["observed_rate"] > 0]
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
    main(Path(sys.argv[1]), Path(sys.argv[2]))
