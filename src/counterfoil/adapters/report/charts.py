"""Small charts as SVG that stands inside a page and takes its colours, by day or by night, from the page.

Drawn by matplotlib, which the plots of an evaluation use as well: a chart grammar with its own engine (Vega-Altair
through vl-convert) would add a JavaScript engine of 30 MB to every image for charts that nobody can move. The same
figures give the same bytes.
"""

import io
import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = {
    "#111111": "--ink", "#777777": "--quiet", "#dddddd": "--line", "#1f77b4": "--first", "#d62728": "--second",
    "#9467bd": "--third",
}  # fmt: skip
"""What is drawn in a colour is shown in the page's own: its style sheet names these."""
_INK, _QUIET, _LINE, _FIRST, _SECOND, _THIRD = _COLOURS
_SETTINGS: dict[Any, Any] = {
    "svg.hashsalt": "counterfoil", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 9,
    "text.color": _INK, "axes.labelcolor": _INK, "axes.edgecolor": _QUIET, "xtick.color": _QUIET, "ytick.color": _QUIET,
    "xtick.labelcolor": _INK, "ytick.labelcolor": _INK, "grid.color": _LINE, "axes.spines.top": False,
    "axes.spines.right": False, "legend.frameon": False, "axes.grid": True, "axes.axisbelow": True,
}  # fmt: skip
_ID = re.compile(r'(id="|url\(#|xlink:href="#)')


_DAY = "%-d %b"
"""How a tick names its day; the year stands above the report."""


_MOST_TICKS = 8


def by_day(days: Sequence[date], series: Mapping[str, Sequence[float | None]], unit: str, *, bars: bool = False) -> str:
    """Draw one or two series over days; a day without a value is a gap."""
    import matplotlib as mpl
    from matplotlib.dates import AutoDateLocator, DateFormatter

    with mpl.rc_context(_SETTINGS):
        figure, axes = _axes(unit)
        for (name, values), colour in zip(series.items(), (_FIRST, _SECOND, _THIRD), strict=False):
            heights = np.array([np.nan if value is None else float(value) for value in values])
            if bars:
                axes.bar(np.array(days), heights, color=colour, label=name, width=0.8)
            else:
                axes.plot(np.array(days), heights, color=colour, label=name, marker="o", markersize=2.5, linewidth=1.4)
        if len(days) <= _MOST_TICKS:  # weeks: a tick between two Mondays would have no value above it
            axes.set_xticks(np.array(days))
        else:
            axes.xaxis.set_major_locator(AutoDateLocator(maxticks=_MOST_TICKS))  # type: ignore[no-untyped-call]
        # A tick alone must say its month: 'Apr' between '29' and '05' is read twice.
        axes.xaxis.set_major_formatter(DateFormatter(_DAY))  # type: ignore[no-untyped-call]
        axes.set_ylim(bottom=0)
        _finish(axes, unit, len(series) > 1)
        return _as_svg(figure)


def histogram(edges: Sequence[str], counts: Mapping[str, Sequence[int]], unit: str) -> str:
    """Draw counts by band on a logarithmic axis, one bar for each series."""
    import matplotlib as mpl

    with mpl.rc_context(_SETTINGS):
        figure, axes = _axes(unit)
        places = np.arange(len(edges))
        width = 0.8 / len(counts)
        for number, ((name, heights), colour) in enumerate(zip(counts.items(), (_FIRST, _SECOND), strict=False)):
            axes.bar(places + (number - (len(counts) - 1) / 2) * width, heights, width, color=colour, label=name)
        axes.set_xticks(places, edges, rotation=30, ha="right")
        axes.set_yscale("symlog", linthresh=1)
        axes.set_ylim(bottom=0)
        _finish(axes, unit, True)
        return _as_svg(figure)


def reliability(promised: Sequence[float], came: Sequence[float]) -> str:
    """Draw the share of frauds over the mean signal, beside the line where both are equal."""
    import matplotlib as mpl

    with mpl.rc_context(_SETTINGS):
        figure, axes = _axes("share of frauds")
        axes.plot([0, 1], [0, 1], color=_QUIET, linewidth=1, label="as promised")
        axes.plot(promised, came, color=_FIRST, marker="o", markersize=4, label="as it came")
        # Most payments are far below 1 %: a linear axis would show one point.
        for scale in (axes.set_xscale, axes.set_yscale):
            scale("symlog", linthresh=1e-3)
        axes.set(xlim=(0, 1.02), ylim=(0, 1.02), xlabel="mean signal")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_ticks([0, 0.001, 0.01, 0.1, 1], ["0", "0.1 %", "1 %", "10 %", "100 %"])
        axes.legend(loc="best")
        return _as_svg(figure)


def precision_over_recall(recall: Sequence[float], precision: Sequence[float]) -> str:
    """Draw the precision of all thresholds over their recall."""
    import matplotlib as mpl

    with mpl.rc_context(_SETTINGS):
        figure, axes = _axes("share of alerts that are frauds")
        axes.plot(recall, precision, color=_FIRST, drawstyle="steps-pre", linewidth=1.4)
        axes.set(xlim=(0, 1.02), ylim=(0, 1.02), xlabel="recall: share of frauds that are alerted on")
        return _as_svg(figure)


def _axes(unit: str) -> tuple["Figure", "Axes"]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 2.7), layout="tight")
    figure.patch.set_alpha(0)
    axes = figure.add_subplot(ylabel=unit)
    axes.patch.set_alpha(0)
    return figure, axes


def _finish(axes: "Axes", unit: str, legend: bool) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.grid(axis="x", visible=False)
    if unit.startswith("share"):
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value * 100:g} %"))
    else:
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    if axes.get_yscale() == "linear":
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=unit in ("payments", "alerts", "frauds")))
    if legend:
        axes.legend(loc="best", fontsize=8)


def _as_svg(figure: "Figure") -> str:
    """The drawing as an element for a page: sized by the page, coloured by it, with ids that no other drawing has."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    text = re.sub(r'width="[\d.]+pt" height="[\d.]+pt" ', "", text, count=1)
    for colour, name in _COLOURS.items():
        text = text.replace(colour, f"var({name})")
    text = re.sub(r"font: ([\d.]+)px [^;\"]+", r"font-size: \1px", text)
    return text.strip()


def with_own_ids(svg: str, prefix: str) -> str:
    """The same drawing with `prefix` before each id and reference, so that many can stand in one page."""
    return _ID.sub(rf"\1{prefix}-", svg)
