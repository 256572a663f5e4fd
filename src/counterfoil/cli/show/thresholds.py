"""Thresholds on the terminal: a line for each place where one could review or block."""

from typing import TYPE_CHECKING

from rich.table import Column, Table

from counterfoil.cli.show.terminal import out

if TYPE_CHECKING:
    from counterfoil.domain.evaluation.threshold_table import OperatingPoint, ThresholdTable


# In two or three lines each: the table is to fit into 80 columns.
_HEADINGS = (
    "signal\nfrom", "alerts\na day", "busiest\nday", "recall", "recall\nby\namount", "precision",
    "false\nalarms\na fraud",
)  # fmt: skip


def show_thresholds(table: "ThresholdTable", run: str) -> None:
    """The operating points: one for each number of alerts a day, the release's own, the one that saves the most."""
    money = f"saved\n{table.currency}" if table.currency else "saved"
    columns = [Column(name, justify="right", no_wrap=True) for name in ("alerts\nat most", *_HEADINGS, money)]
    shown = Table(*columns, title=f"thresholds of {run}", title_justify="left", padding=(0, 0), pad_edge=False)
    for budget, point in table.by_budget:
        shown.add_row(f"{budget:,}", *_figures(point))
    shown.add_section()
    for name, chosen in (("review", table.review), ("block", table.block), ("best", table.best)):
        if chosen is not None:
            shown.add_row(name, *_figures(chosen))
    out.print(shown)
    for line in (*_summary(table), *table.notes):
        out.print(line, soft_wrap=True)


def _figures(point: "OperatingPoint") -> list[str]:
    return [
        _number(point.threshold, "{:.4f}" if (point.threshold or 1) >= 0.01 else "{:.3g}") or "none",
        f"{point.alerts_per_day:,.1f}",
        f"{point.busiest_day:,.0f}",
        *(_number(share, "{:.3f}") for share in (point.recall, point.recall_by_amount, point.precision)),
        _number(point.false_alarms_per_fraud, "{:,.2f}"),
        _number(point.money_saved, "{:,.0f}"),
    ]


def _number(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)


def _summary(table: "ThresholdTable") -> list[str]:
    costs = table.costs
    lines = [
        f"{table.payments:,} payments, {table.frauds:,} frauds, {table.days:,} days; an alert costs "
        f"{costs.cost_per_alert:,.2f}, a false alarm {costs.cost_per_false_alarm:,.2f} more, and "
        f"{costs.recovered:.0%} of what is caught is recovered"
    ]
    missing = [name for name, point in (("review", table.review), ("block", table.block)) if point is None]
    if missing:
        lines.append(f"the release has no threshold to {' or '.join(missing)}")
    if table.best is None and table.money_known:
        lines.append("at these costs every threshold loses money: there is no best one")
    return lines
