"""What a change of the overlay would do to payments that were scored before, and the prior that then fits.

Confirmed frauds draw all margins up, and people confirm what they were shown: neither may move the level of the
signal. So the calibration's intercept is fitted again on the payments scored last: of those that were judged the label
counts, of all others what the release alone says. One number is fitted, the slope stays. That a payment is nearly a
copy of a confirmed one says nothing of the others, and so is left out of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from counterfoil.domain.arrays import Doubles, Flags, Floats
from counterfoil.domain.policy.decide import decide
from counterfoil.domain.policy.thresholds import Thresholds
from counterfoil.domain.schemas import FRAUD, GOOD
from counterfoil.domain.scoring.compare import NOTHING
from counterfoil.domain.scoring.overlaid import NEAR
from counterfoil.domain.scoring.overlay import OverlayReference
from counterfoil.domain.scoring.signal import Calibration, SignalKind, margin

FEWEST = 200
"""Of fewer payments the level says too little: the intercept stays the release's."""
FARTHEST = 3.0
"""The intercept never leaves the release's by more log-odds: a factor of 20."""


@dataclass(frozen=True)
class Window:
    """Payments scored lately: their ids, their vectors as they were asked, and their nearest in the base.

    `fraud` and `good` are the cosines to the k nearest of each side of the base, (rows, k), as `compare.Side` has them.
    """

    ids: Sequence[str]
    vectors: Floats
    fraud: Doubles
    good: Doubles

    def __len__(self) -> int:
        return len(self.ids)

    def margins(self, references: Sequence[OverlayReference], *, copies: bool = True) -> Doubles:
        """The margins with these references beside the base, (rows,); no payment is compared with itself.

        Without `copies` a confirmed payment is one reference of many also where a payment is nearly its copy.
        """
        place = {name: row for row, name in enumerate(self.ids)}
        sides = []
        for label, base in ((FRAUD, self.fraud), (GOOD, self.good)):
            mine = [one for one in references if one.label == label]
            sides.append(self._mean(base, mine, place, copies))
        return margin(*sides)

    def _mean(
        self, base: Doubles, references: Sequence[OverlayReference], place: Mapping[str, int], copies: bool
    ) -> Doubles:
        """The mean cosine to the nearest of a side, or to the confirmed payment that is nearly copied."""
        nearest, copied = base, np.full(len(base), -1.0)
        if references:
            kept = self.vectors @ np.array([one.vector for one in references], np.float32).T
            own = self.vectors @ np.array([one.asked for one in references], np.float32).T
            own[:, ~np.array([one.confirmed and copies for one in references])] = -1.0
            for column, one in enumerate(references):
                if one.reference_id in place:
                    kept[place[one.reference_id], column] = own[place[one.reference_id], column] = NOTHING
            kept = np.where(own >= NEAR, np.maximum(own, kept), kept)
            copied = np.where(own.max(axis=1) >= NEAR, own.max(axis=1), -1.0)
            k = base.shape[1]
            nearest = -np.partition(-np.hstack([base, kept]), k - 1, axis=1)[:, :k]
        found = nearest > NOTHING
        total = np.where(found, nearest, 0).sum(axis=1)
        mean = np.where(found.any(axis=1), total / np.maximum(found.sum(axis=1), 1), -1.0)
        similarity: Doubles = np.minimum(np.maximum(mean, copied), 1.0)
        return similarity


def fitted_intercept(
    calibration: Calibration, alone: Doubles, margins: Doubles, labels: Mapping[str, int], ids: Sequence[str]
) -> float:
    """The intercept with which the signal of a window adds up to what is known of it.

    `alone` are the margins with the base alone, `margins` those with the overlay, but for copies; `labels` are what
    people said.
    """
    if calibration.kind is not SignalKind.CALIBRATED or len(alone) < FEWEST:
        return calibration.intercept
    expected = calibration.probability(alone)
    known = [(row, labels[name]) for row, name in enumerate(ids) if name in labels]
    for row, label in known:
        expected[row] = float(label == FRAUD)
    low, high = calibration.intercept - FARTHEST, calibration.intercept + FARTHEST
    for _ in range(40):
        middle = (low + high) / 2
        total = (1.0 / (1.0 + np.exp(-(calibration.slope * margins + middle)))).sum()
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
