"""The metrics of an evaluation, each declared once: its key, the words people read, and which way is better."""

from collections.abc import Mapping
from dataclasses import dataclass

ALERTS_PER_DAY = 100
"""How many alerts people are assumed to look at in a day, where nobody says how many."""


@dataclass(frozen=True)
class Metric:
    """A figure of an evaluation. `label` may name {alerts} a day and {cards} looked at."""

    key: str
    label: str
    higher_is_better: bool = True
    decimals: int = 4

    def words(self, *, alerts: int, cards: int) -> str:
        """The label for an alert budget of so many `alerts` a day and so many `cards` looked at."""
        return self.label.format(alerts=alerts, cards=cards)

    def text(self, value: float | None) -> str:
        """A value as people read it.

        >>> METRICS["auc"].text(0.98765), METRICS["auc"].text(None)
        ('0.9877', 'not defined')
        """
        return "not defined" if value is None else f"{value:.{self.decimals}f}"


METRICS: Mapping[str, Metric] = {
    metric.key: metric
    for metric in (
        Metric("auc", "AUC"),
        Metric("average_precision", "average precision"),
        Metric("recall_at_1pct_fpr", "recall at 1 % FPR"),
        Metric("alert_recall", "recall at {alerts} alerts a day"),
        Metric("alert_precision", "precision at {alerts} alerts a day"),
        Metric("card_precision", "card precision@{cards}"),
        Metric("brier_skill", "Brier skill"),
        Metric("calibration_error", "calibration error", higher_is_better=False),
    )
}
"""In the order in which they are shown."""
