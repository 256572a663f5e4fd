"""References that may be mislabelled: the audit that a person goes through, the most suspect first."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import numpy as np

from counterfoil.domain.release.references import vectors_of
from counterfoil.domain.schemas import FRAUD
from counterfoil.domain.scoring.signal import SignalKind
from counterfoil.domain.scoring.suspects import margins_of_others
from counterfoil.errors import UsageError
from counterfoil.steps.scoring.scorer import Detector


@dataclass(frozen=True)
class Suspect:
    """A reference, its label, and the probability of fraud that the others give it."""

    reference_id: str
    label: int
    signal: float
    event_time: datetime
    amount: Decimal | None
    currency: str | None

    @property
    def doubt(self) -> float:
        """How sure the others are of the other label, in [0, 1]."""
        return 1.0 - self.signal if self.label == FRAUD else self.signal


@dataclass(frozen=True)
class Audit:
    """The most suspect of `references`, and how many of them the others would label otherwise."""

    references: int
    contradicted: int
    suspects: tuple[Suspect, ...]


def audit(detector: Detector, most: int) -> Audit:
    """Judge each reference of a release's base by all others of it, and list the `most` suspect ones.

    Raises UsageError for a release that knows no frauds: nothing contradicts a label there.
    """
    release = detector.release
    if release.calibration.kind is not SignalKind.CALIBRATED:
        raise UsageError(f"release {detector.release_id} knows no frauds: no reference contradicts another")
    kept = detector.references.slice(0, release.reference_rows)
    labels = kept["label"].to_numpy()
    margins = margins_of_others(vectors_of(kept), labels, release.neighbours, detector.base)
    signal = release.calibration.probability(margins)
    doubt = np.where(labels == FRAUD, 1.0 - signal, signal)
    chosen = np.argsort(-doubt, kind="stable")[:most]
    rows = kept.take(chosen).select(["reference_id", "label", "event_time", "amount", "currency"]).to_pylist()
    suspects = tuple(Suspect(signal=float(signal[place]), **row) for place, row in zip(chosen, rows, strict=True))
    return Audit(len(labels), int((doubt > 0.5).sum()), suspects)
