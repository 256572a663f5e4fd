"""What a change of the overlay would do to payments scored before, how far it reaches, and the prior that then fits.

People confirm what they were shown, and what they say of it tells how often the release is right. So the calibration's
intercept is fitted again on the payments scored last: of those that were judged the label counts, of all others what
the release alone says. One number is fitted, the slope stays. That a payment is nearly a copy of a confirmed one says
nothing of the others, and so is left out of it.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from counterfoil.domain.arrays import Doubles, Flags, Floats
from counterfoil.domain.policy.decide import decide
from counterfoil.domain.policy.thresholds import Thresholds
from counterfoil.domain.schemas import FRAUD
from counterfoil.domain.scoring.overlay import NEAR
from counterfoil.domain.scoring.signal import Calibration, SignalKind
from counterfoil.domain.scoring.window import Payments

FEWEST = 200
"""Of fewer payments the level says too little: the intercept stays the release's."""
FARTHEST = 3.0
"""The intercept never leaves the release's by more log-odds: a factor of 20."""
ALIKE = 5
"""So many payments that look like a fraud may have been allowed before it is told: frauds come in series."""
CLOSER = 8.0
"""So many times closer than ordinary payments must be what a confirmed payment reaches (1 - cosine). Chosen in the
first of three weeks of the Handbook: at half their distance 29 of 44 copies were good payments, at a quarter three of
ten, at an eighth none of two."""


def fitted_intercept(calibration: Calibration, alone: Doubles, labels: Mapping[str, int], ids: Sequence[str]) -> float:
    """The intercept with which the signal of a window adds up to what is known of it.

    `alone` are the margins with the base alone; `labels` are what people said.
    """
    known = [(row, labels[name]) for row, name in enumerate(ids) if name in labels]
    if calibration.kind is not SignalKind.CALIBRATED or len(alone) < FEWEST or not known:
        return calibration.intercept
    expected = calibration.probability(alone)
    for row, label in known:
        expected[row] = float(label == FRAUD)
    low, high = calibration.intercept - FARTHEST, calibration.intercept + FARTHEST
    for _ in range(40):
        middle = (low + high) / 2
        total = (1.0 / (1.0 + np.exp(-(calibration.slope * alone + middle)))).sum()
        low, high = (low, middle) if total > expected.sum() else (middle, high)
    return round((low + high) / 2, 6)


def decisions(margins: Doubles, calibration: Calibration, intercept: float, thresholds: Thresholds) -> np.ndarray:
    """The decisions on calibrated payments with these margins, (rows,), as strings."""
    signal = 1.0 / (1.0 + np.exp(-(calibration.slope * margins + intercept)))
    return np.array(decide(signal, thresholds).to_pylist(), dtype=object)


def most_allowed(share: float, rows: int, few: int) -> int:
    """How many decisions of so many payments one change may move: a share of them, and `few` in any case."""
    return max(few, int(share * rows))


def differing(before: np.ndarray, after: np.ndarray, ids: Sequence[str], subject: str) -> Flags:
    """Where decisions differ; the payment that is spoken of does not count."""
    flags: Flags = before != after
    return flags & np.array([name != subject for name in ids], np.bool_)


def reach_of(payments: Payments, subject: str, vector: Floats, label: int, labels: Mapping[str, int]) -> float:
    """From which cosine on a payment is nearly a copy of the payment `subject`, which is confirmed now.

    A fraud that looks ordinary must not speak for what is ordinary. So what it reaches is closer to it than the
    payments scored lately are: all but `ALIKE` of those that nobody knows as frauds, or for a good payment all that
    are known as frauds. `labels` are what people said, `vector` is the payment's own as it was scored.
    """
    known = np.array([labels.get(name) == FRAUD for name in payments.ids], np.bool_)
    others = ~known if label == FRAUD else known
    if subject in payments.place:
        others[payments.place[subject]] = False
    cosines, spared = np.sort(payments.vectors[others] @ vector)[::-1], ALIKE if label == FRAUD else 0
    if len(cosines) <= spared:
        return NEAR
    return round(max(NEAR, 1.0 - (1.0 - min(float(cosines[spared]), 1.0)) / CLOSER), 9)
