"""Counters for Prometheus. No label has a value of a payment."""

import os

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from counterfoil.service import logs
from counterfoil.steps.scoring.drift_now import DriftNow
from counterfoil.steps.scoring.parity_now import Compared
from counterfoil.steps.scoring.score_one import Counts

BUCKETS = (0.002, 0.005, 0.008, 0.015, 0.03, 0.06, 0.12, 0.25, 0.5, 1, 2.5, 5)

SHARED = "PROMETHEUS_MULTIPROC_DIR"
"""The folder of the figures of processes that share an address; prometheus_client looks for it when it is imported."""


class Metrics:
    """The figures of one process, or of all that share its address: whichever is asked tells those of all."""

    def __init__(self, counts: Counts) -> None:
        self._registry = CollectorRegistry()
        self._folder = os.environ.get(SHARED)
        self._happened = counts
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
        self._signal = Gauge(
            "counterfoil_mean_signal", "Mean signal of the last payments", registry=self._registry,
            multiprocess_mode="mostrecent",
        )  # fmt: skip
        self._drift = Gauge(
            "counterfoil_drift", "How far the last payments are from the release's training, beyond chance (PSI)",
            ("column",), registry=self._registry, multiprocess_mode="mostrecent",
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
        self._counted = {
            name: Gauge(f"counterfoil_{name}", words, registry=self._registry, multiprocess_mode="sum")
            for name, words in (
                ("log_lines_lost", "Log lines that could not be written"),
                ("without_history", "Requests that were scored without history"),
                ("profile_failures", "Writings to profiles that were put off"),
            )
        }

    def observe(self, route: str, status: int, seconds: float) -> None:
        """Count a request and its time."""
        self.requests.labels(route, str(status)).inc()
        self.seconds.labels(route).observe(seconds)
        self._tell_counts()

    def _tell_counts(self) -> None:
        self._counted["log_lines_lost"].set(logs.lost_lines())
        self._counted["without_history"].set(self._happened.without_history)
        self._counted["profile_failures"].set(self._happened.profile_failures)

    def drifted(self, drift: DriftNow) -> None:
        """Keep how the last payments look."""
        self._signal.set(drift.mean_signal)
        if self._folder is None:  # in a folder that processes share nothing can be cleared
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
        self._tell_counts()
        if self._folder is None:
            return generate_latest(self._registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry, self._folder)  # type: ignore[no-untyped-call]
        return generate_latest(registry)
