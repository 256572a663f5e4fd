"""Plots of a candidate's evaluation, and of thresholds, as SVG: the same figures give the same bytes."""

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from counterfoil.domain.arrays import Doubles, Integers
from counterfoil.domain.evaluation.candidate import CandidateEvaluation, ReleaseFigures
from counterfoil.domain.evaluation.ranking import Ranking
from counterfoil.domain.evaluation.threshold_table import ThresholdTable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_POINTS = 200
"""Points of a curve: more are not seen and only make the file large."""
_STYLE: dict[str, dict[str, Any]] = {
    "candidate": {"color": "#1f77b4"},
    "champion": {"color": "#7f7f7f", "linestyle": "--"},
}
_MARKS: dict[str, dict[str, Any]] = {
    "review": {"color": "#7f7f7f", "linestyle": "-."},
    "block": {"color": "#d62728", "linestyle": "--"},
    "best": {"color": "#9467bd", "linestyle": ":"},
}
# Text stays text, and ids come from a fixed salt instead of a random one.
_SETTINGS: dict[Any, Any] = {"svg.hashsalt": "counterfoil", "svg.fonttype": "none", "font.family": "sans-serif"}


def draw(evaluation: CandidateEvaluation) -> dict[str, bytes]:
    """Draw precision over recall and the reliability of the signal; SVG files by their name.

    Where there are no frauds or no good payments, or the signal is no probability, a curve is left out.
    """
    import matplotlib as mpl

    with mpl.rc_context(_SETTINGS):
        return {
            "precision_recall.svg": _as_svg(_precision_recall(evaluation)),
            "reliability.svg": _as_svg(_reliability(evaluation)),
        }


def draw_thresholds(table: ThresholdTable) -> bytes:
    """Draw recall, precision and the money saved over alerts a day, with review, block and the best point marked.

    Ends at the largest number of alerts that the table has a point for. Figures that are not defined are left out.
    """
    import matplotlib as mpl

    with mpl.rc_context(_SETTINGS):
        return _as_svg(_thresholds(table))


def _releases(evaluation: CandidateEvaluation) -> list[tuple[str, ReleaseFigures]]:
    figures = evaluation.figures
    both = [("candidate", figures.candidate), ("champion", figures.champion)]
    return [(role, release) for role, release in both if release is not None]


def _precision_recall(evaluation: CandidateEvaluation) -> "Figure":
    figure, axes = _square("recall", "precision")
    label = evaluation.scores.column("label").to_numpy().astype(np.int8)
    for role, release in _releases(evaluation):
        recall, precision = _curve(label, evaluation.scores.column(role).to_numpy())
        value = release.evaluation.metrics["average_precision"]
        name = f"{role} {release.release_id}" + ("" if value is None else f", AP {value:.3f}")
        axes.plot(recall, precision, label=name, drawstyle="steps-pre", **_STYLE[role])
    axes.legend(loc="best", fontsize="small")
    return figure


def _curve(label: np.ndarray, signal: Doubles) -> tuple[Doubles, Doubles]:
    """Recall and precision at some of the thresholds, evenly over the recall; empty where not defined."""
    curve = Ranking.of(label, signal).curve()
    if curve.one_sided:
        return np.empty(0), np.empty(0)
    frauds, flagged = curve.frauds[1:], (curve.frauds + curve.goods)[1:]
    recall = frauds / frauds[-1]
    places = np.unique(np.searchsorted(recall, np.linspace(recall[0], 1.0, _POINTS)))
    return recall[places], frauds[places] / flagged[places]


def _reliability(evaluation: CandidateEvaluation) -> "Figure":
    figure, axes = _square("mean signal", "share of frauds")
    axes.plot([0, 1], [0, 1], color="#cccccc", linewidth=1, label="as it should be")
    # Most payments are far below 1 %: a linear axis would show one point.
    for axis in (axes.set_xscale, axes.set_yscale):
        axis("symlog", linthresh=1e-3)
    for role, release in _releases(evaluation):
        bins = release.evaluation.calibration_bins
        means, rates = [entry.mean_predicted for entry in bins], [entry.observed_rate for entry in bins]
        axes.plot(means, rates, marker="o", markersize=4, label=f"{role} {release.release_id}", **_STYLE[role])
    axes.legend(loc="best", fontsize="small")
    return figure


def _thresholds(table: ThresholdTable) -> "Figure":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 6), layout="tight")
    shares, money = figure.subplots(2, 1, sharex=True)
    places, curve = _places(table), table.curve
    alerts = curve.alerts_per_day[places]
    for name, values in (
        ("recall", curve.recall), ("recall by amount", curve.recall_by_amount), ("precision", curve.precision),
    ):  # fmt: skip
        if not np.isnan(values[places]).all():
            shares.plot(alerts, values[places], label=name, drawstyle="steps-post")
    shares.set(ylim=(0, 1.02), ylabel="share")
    if table.money_known:
        money.plot(alerts, curve.saved(table.costs)[places], color="black", drawstyle="steps-post")
    money.axhline(0, color="#cccccc", linewidth=1)
    unit = f" ({table.currency})" if table.currency else ""
    money.set(xlabel="alerts a day", ylabel=f"money saved in {table.days:,} days{unit}")
    for axes in (shares, money):
        axes.grid(alpha=0.3)
        _mark(axes, table)
    if shares.get_lines():
        shares.legend(loc="best", fontsize="small")
        shares.set_xscale("log")
    return figure


def _places(table: ThresholdTable) -> Integers:
    """Places of the curve evenly over the logarithm of the alerts, from the first alert on, and the best of all."""
    alerts = table.curve.alerts_per_day
    points = [point for point in (table.review, table.block, table.best) if point is not None]
    most = max([*(budget for budget, _ in table.by_budget), *(point.alerts_per_day for point in points)])
    last = int(np.searchsorted(alerts, most, side="right")) - 1
    if last < 1:
        return np.empty(0, dtype=np.int64)
    wanted = np.geomspace(alerts[1], alerts[last], _POINTS)
    ends = [last, *(table.curve.within(point.alerts_per_day) for point in points)]
    return np.unique(np.clip([*np.searchsorted(alerts, wanted), *ends], 1, last))


def _mark(axes: "Axes", table: ThresholdTable) -> None:
    for name, style in _MARKS.items():
        point = getattr(table, name)
        if point is not None and point.alerts_per_day > 0:
            axes.axvline(point.alerts_per_day, label=f"{name} (from {point.threshold:.4g})", linewidth=1, **style)


def _square(x: str, y: str) -> tuple["Figure", "Axes"]:
    from matplotlib.figure import Figure  # without pyplot there is no window and nothing global

    figure = Figure(figsize=(5, 4.5), layout="tight")
    axes = figure.add_subplot(xlabel=x, ylabel=y, xlim=(0, 1.02), ylim=(0, 1.02))
    axes.grid(alpha=0.3)
    return figure, axes


def _as_svg(figure: "Figure") -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()
