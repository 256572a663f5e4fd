"""The metrics of an evaluation: their keys and the words people read."""

from collections.abc import Mapping

METRICS: Mapping[str, str] = {
    "auc": "AUC",
    "average_precision": "average precision",
    "recall_at_1pct_fpr": "recall at 1 % FPR",
    "alert_recall": "recall at {alerts} alerts a day",
    "alert_precision": "precision at {alerts} alerts a day",
    "card_precision": "card precision@{cards}",
    "brier_skill": "Brier skill",
    "calibration_error": "calibration error",
}
