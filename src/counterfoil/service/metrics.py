"""Counters for Prometheus. No label has a value of a payment."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from counterfoil.service import logs
from counterfoil.steps.scoring.drift_now import DriftNow
from counterfoil.steps.scoring.parity_now import Compared
from counterfoil.steps.scoring.score_one import Counts

BUCKETS = (0.002, 0.005, 0.008, 0.015, 0.03, 0.06, 0.12, 0.25, 0.5, 1, 2.5, 5)


class Metrics:
    """The figures of one process."""

    def __init__(self, counts: Counts) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "counterfoil_requests", "Requests by route and status", ("route", "status"), registry=self._registry
        )
        self.seconds = Histogram(
            "counterfoil_request_seconds", "Time of requests", ("route",), buckets=BUCKETS, registry=self._registry
        )
        self.scores = Counter("counterfoil_scores", "Scores by decision", ("decision",), registry=self._registry)
        self.shadow_scores = Counter(
            "counterfoil_shadow_scores", "Scores of the challenger, on which nothing acts, by decision", ("decision",),
            registry=self._registry,
        )  # fmt: skip
        self.feedback = Counter("counterfoil_feedback", "Feedback by verdict", ("verdict",), registry=self._registry)
        self.put_off = Counter(
            "counterfoil_put_off", "Rounds of work in the background that failed and are tried again", ("work",),
            registry=self._registry,
        )  # fmt: skip
        self._signal = Gauge("counterfoil_mean_signal", "Mean signal of the last payments", registry=self._registry)
        self._drift = Gauge(
            "counterfoil_drift", "How far the last payments are from the release's training, beyond chance (PSI)",
            ("column",), registry=self._registry,
        )  # fmt: skip
        self._parity = Counter(
            "counterfoil_parity_payments", "Scored payments that were folded again by the batch's fold",
            registry=self._registry,
        )  # fmt: skip
        self._overtaken = Counter(
            "counterfoil_parity_overtaken", "Those of them that could not see an earlier payment, which came late",
            registry=self._registry,
        )  # fmt: skip
        self._apart = Counter(
            "counterfoil_parity_differences", "Features and signals that differ though nothing came late", ("column",),
            registry=self._registry,
        )  # fmt: skip
        lost = Gauge("counterfoil_log_lines_lost", "Log lines that could not be written", registry=self._registry)
        lost.set_function(logs.lost_lines)
        for name, words in (
            ("without_history", "Requests that were scored without history"),
            ("profile_failures", "Writings to profiles that were put off"),
        ):
            gauge = Gauge(f"counterfoil_{name}", words, registry=self._registry)
            gauge.set_function(lambda name=name: getattr(counts, name))  # type: ignore[misc]

    def drifted(self, drift: DriftNow) -> None:
        """Keep how the last payments look."""
        self._signal.set(drift.mean_signal)
        self._drift.clear()  # another release may have other columns
        for column, index in drift.index.items():
            self._drift.labels(column).set(index)

    def compared(self, found: Compared) -> None:
        """Count what was scored and folded again."""
        self._parity.inc(found.payments)
        self._overtaken.inc(found.overtaken)
        for column in found.apart:
            self._apart.labels(column).inc()

    def text(self) -> bytes:
        """All figures in Prometheus' format."""
        return generate_latest(self._registry)
