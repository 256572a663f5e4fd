"""Figures as log lines that CloudWatch makes metrics of (Embedded Metric Format). No line has a value of a payment."""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from counterfoil.domain.policy.decide import Decision
from counterfoil.steps.scoring.drift_now import DriftNow

UNITS = {
    "Requests": "Count", "Errors": "Count", "Scores": "Count", "Alerts": "Count", "LatencyP50": "Milliseconds",
    "LatencyP99": "Milliseconds", "MeanSignal": "None", "AlertedShare": "None", "LargestDrift": "None",
}  # fmt: skip
"""The metrics and their units, as CloudWatch names these."""
MOST_HELD = 100_000
"""Latencies of so many requests are held at most between two lines."""


class EmbeddedMetrics:
    """Gathers what happened and tells it as one line. Threads may share it.

    `tell` is given the line's fields. Figures are of the time since the line before; of no request there is no latency.
    """

    def __init__(
        self, namespace: str, tell: Callable[[Mapping[str, Any]], object], clock: Callable[[], float] = time.time
    ) -> None:
        self._namespace = namespace
        self._tell = tell
        self._clock = clock
        self._guard = threading.Lock()
        self._begin()

    def _begin(self) -> None:
        self._seconds: list[float] = []
        self._counts = dict.fromkeys(("Requests", "Errors", "Scores", "Alerts"), 0)

    def request(self, status: int, seconds: float) -> None:
        """Count a request and its time; 5xx is an error."""
        with self._guard:
            self._counts["Requests"] += 1
            self._counts["Errors"] += status >= 500
            if len(self._seconds) < MOST_HELD:
                self._seconds.append(seconds)

    def scored(self, decision: str) -> None:
        """Count a score; what is not allowed becomes an alert."""
        with self._guard:
            self._counts["Scores"] += 1
            self._counts["Alerts"] += decision != Decision.ALLOW

    def flush(self, drift: DriftNow) -> None:
        """Tell what happened since the last time, and how payments look now."""
        with self._guard:
            counts, seconds = self._counts, self._seconds
            self._begin()
        figures: dict[str, float] = dict(counts)
        if seconds:
            levels = np.quantile(np.array(seconds) * 1000, [0.5, 0.99])
            figures |= dict(zip(("LatencyP50", "LatencyP99"), levels.round(2).tolist(), strict=True))
        if drift.payments:
            figures |= {"MeanSignal": drift.mean_signal, "AlertedShare": drift.alerted, "LargestDrift": drift.largest}
        metrics = [{"Name": name, "Unit": UNITS[name]} for name in figures]
        directive = {"Namespace": self._namespace, "Dimensions": [["Service"]], "Metrics": metrics}
        about = {"Timestamp": int(1000 * self._clock()), "CloudWatchMetrics": [directive]}
        self._tell({"_aws": about, "Service": "scoring", **figures})
