"""From similarities to numbers people act on: margin, calibrated signal, novelty."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from counterfoil.domain.arrays import Doubles, Labels

FLOOR = 5e-4
"""Added to both distances of the margin, so that an exact copy of a reference is not infinitely certain."""
PERCENTILES = 100


class SignalKind(StrEnum):
    """What `anomaly_signal` means."""

    CALIBRATED = "calibrated"  # a probability of fraud
    NOVELTY = "novelty"  # no frauds are known yet: the rank of the payment's novelty


def margin(fraud_similarity: Doubles, good_similarity: Doubles) -> Doubles:
    """Two-sided margin: log of the cosine distance to good payments over that to frauds; higher is riskier."""
    to_good = 1.0 - good_similarity.astype(np.float64) + FLOOR
    to_fraud = 1.0 - fraud_similarity.astype(np.float64) + FLOOR
    return np.asarray(np.log(np.maximum(to_good, FLOOR) / np.maximum(to_fraud, FLOOR)))


@dataclass(frozen=True)
class Calibration:
    """Margin to probability by a logistic curve (Platt 1999), and strangeness to novelty by rank.

    `novelty_quantiles` are the 0th to 99th percentiles of the strangeness of unseen good payments.
    """

    kind: SignalKind
    slope: float
    intercept: float
    novelty_quantiles: Doubles

    def probability(self, margins: Doubles) -> Doubles:
        """Probability of fraud, strictly increasing in the margin."""
        return 1.0 / (1.0 + np.exp(-(self.slope * margins + self.intercept)))

    def novelty(self, distance: Doubles) -> Doubles:
        """Share of unseen good payments that are less strange.

        Above the last percentile it goes on rising towards 1, as if the tail were exponential: the strangest
        payments keep their order.
        """
        # Ties among quantiles would let interp jump: it needs an increasing axis.
        axis = self.novelty_quantiles + np.arange(len(self.novelty_quantiles)) * 1e-12
        ranks = np.arange(len(axis)) / PERCENTILES
        beyond = np.maximum(distance - axis[-1], 0.0) / max(axis[-1] - axis[len(axis) // 2], 1e-12)
        return np.asarray(1.0 - (1.0 - np.interp(distance, axis, ranks)) * np.exp(-beyond))

    def signal(self, margins: Doubles, novelty: Doubles) -> Doubles:
        """The anomaly signal in [0, 1] of this calibration's kind."""
        return self.probability(margins) if self.kind is SignalKind.CALIBRATED else novelty


def fit_calibration(margins: Doubles, labels: Labels, weights: Doubles, distance: Doubles) -> Calibration:
    """Fit on out-of-sample payments; `weights` undo the sampling of good payments, so that prevalence is true.

    Without a fraud (or without a good payment) among them the calibration is of kind novelty.
    """
    good = distance[labels == 0] if (labels == 0).any() else distance
    ranks = np.arange(PERCENTILES) / PERCENTILES
    quantiles = np.quantile(good, ranks) if len(good) else np.zeros(PERCENTILES)
    if not 0 < int((labels == 1).sum()) < len(labels):
        return Calibration(SignalKind.NOVELTY, 0.0, 0.0, quantiles)
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=1e3, tol=1e-8, max_iter=1000)
    model.fit(margins[:, None], labels == 1, sample_weight=weights)
    # A negative slope would turn the ranking around: then the margin says nothing, and neither may the signal.
    slope = max(float(model.coef_[0, 0]), 1e-3)
    return Calibration(SignalKind.CALIBRATED, slope, float(model.intercept_[0]), quantiles)
