"""How strange a payment's evidence is among good payments: no label of a fraud is needed.

Each column is read as its surprise: minus the log of the share of good payments that are as far out, with the sign
of the side. It is blind to the column's scale, as ECOD (Li et al. 2022) is, but does not end with the furthest known
value. A payment is strange by the length of its surprises, and by their length once the columns' correlation
is taken out (Mahalanobis): one finds single wild values, the other wild combinations of usual ones.
"""

from dataclasses import dataclass

import numpy as np

from counterfoil.domain.arrays import Doubles, Floats

_OUTER = 0.5 ** np.arange(1, 19)
SHARES = np.concatenate([_OUTER[::-1], [0.75, 0.9], 1 - _OUTER[1:]])
"""The quantiles at which surprise is known exactly; it is interpolated between them."""
LAST_NATS = 3.0
"""Beyond the outermost quantile the unit of length is what these last nats of surprise took, on average."""
RIDGE = 0.01
"""Added to the surprises' covariance, as a share of its mean variance, so that repeated columns do no harm."""


@dataclass(frozen=True)
class Strangeness:
    """Surprise by column, and the surprises' centre and whitening.

    `values` and `surprises` are (columns, quantiles), ascending; `reach` (columns, 2) is the unit of length below the
    first and above the last; `centre` is (columns,) and `whitening` (columns, columns).
    """

    values: Doubles
    surprises: Doubles
    reach: Doubles
    centre: Doubles
    whitening: Doubles

    @classmethod
    def fit(cls, good: Floats) -> "Strangeness":
        """Fit on the evidence of good payments, (rows, columns); at least one row.

        Without columns nothing is strange.
        """
        if not good.shape[1]:
            nothing = np.zeros((0, 0))
            return cls(nothing, nothing, np.zeros((0, 2)), np.zeros(0), nothing)
        curves = [_curve(np.sort(column.astype(np.float64))) for column in good.T]
        width = max(len(values) for values, _ in curves)
        values, surprises = (
            np.array([np.pad(curve[side], (0, width - len(curve[side])), mode="edge") for curve in curves])
            for side in (0, 1)
        )
        reach = np.array([[_reach(-v[::-1], -s[::-1]), _reach(v, s)] for v, s in curves])
        columns = len(curves)
        unfinished = cls(values, surprises, reach, np.zeros(columns), np.eye(columns))
        found = unfinished.surprise(good)
        centre = found.mean(axis=0)
        return cls(values, surprises, reach, centre, _whitening(found - centre))

    def surprise(self, evidence: Floats) -> Doubles:
        """Signed surprises in nats, (rows, columns): 0 in the middle, never falling as the value rises."""
        from counterfoil.domain.encoding.walk import curves

        values = np.ascontiguousarray(evidence, np.float64)
        found = np.empty(values.shape)
        if not len(self.values):
            return found
        curves(values, self.values, self.surprises, found)
        found += np.log1p(np.maximum(values - self.values[:, -1], 0) / self.reach[:, 1])
        found -= np.log1p(np.maximum(self.values[:, 0] - values, 0) / self.reach[:, 0])
        return found

    def distance(self, evidence: Floats) -> Doubles:
        """How strange each row is, (rows,): the geometric mean of both lengths of its surprises; 0 is least."""
        surprise = self.surprise(evidence)
        lengths = (np.linalg.norm(side, axis=1) for side in (surprise, (surprise - self.centre) @ self.whitening))
        found: Doubles = np.sqrt(np.multiply(*lengths))
        return found


def _curve(column: Doubles) -> tuple[Doubles, Doubles]:
    """Distinct quantiles of a sorted column, and their signed surprises by the counts of both sides."""
    rows = len(column)
    shares = SHARES[np.minimum(SHARES, 1 - SHARES) * rows >= 1]
    values = np.unique(np.quantile(column, shares if len(shares) else [0.5], method="nearest"))
    not_below = (rows - np.searchsorted(column, values, side="left")) / rows
    not_above = np.searchsorted(column, values, side="right") / rows
    return values, np.maximum(-np.log(2 * not_below), 0) - np.maximum(-np.log(2 * not_above), 0)


def _reach(values: Doubles, surprises: Doubles) -> float:
    """Length of a nat near the upper end; 1 where there is nothing to measure it by."""
    if len(values) < 2:
        return 1.0
    start = min(int(np.searchsorted(surprises, surprises[-1] - LAST_NATS)), len(values) - 2)
    nats = surprises[-1] - surprises[start]
    return float((values[-1] - values[start]) / nats) if nats > 0 else float(values[-1] - values[start])


def _whitening(centred: Doubles) -> Doubles:
    covariance = centred.T @ centred / len(centred)
    ridge = max(RIDGE * float(np.trace(covariance)) / len(covariance), 1e-6)
    variance, axes = np.linalg.eigh(covariance + ridge * np.eye(len(covariance)))
    whitening: Doubles = axes / np.sqrt(variance)
    return whitening
