"""Refuse an encoder that cannot tell payments apart.

The published system put the year, the hour and the label's own time into its vector as they were: every
cosine was above 0.999, and nothing could be told from anything.
"""

from dataclasses import dataclass

import numpy as np

from counterfoil.domain.encoding.encoder import BLOCK_WEIGHTS, Blocks, Mixture, join
from counterfoil.errors import CollapsedEncoderError

PAIRS = 20_000
ALIKE = 0.99
"""Refused when this is exceeded by the cosine that nine of ten random pairs exceed."""
DROWNING = 0.98
"""Refused when one evidence block has more than this share of the evidence's variance."""


@dataclass(frozen=True)
class Spread:
    """How far apart random pairs are, and what each block has in that."""

    pair_cosine_p10: float
    pair_cosine_median: float
    block_shares: dict[str, float]


def spread(blocks: Blocks, mixture: Mixture, seed: int) -> Spread:
    """Measure random pairs of rows and the blocks' shares of the variance within evidence."""
    rows = len(next(iter(blocks.evidence.values())))
    pairs = np.random.default_rng(seed).integers(0, rows, size=(2, PAIRS))
    pairs = pairs[:, pairs[0] != pairs[1]]
    vectors = join(blocks, mixture)
    cosines = np.einsum("ij,ij->i", vectors[pairs[0]], vectors[pairs[1]])
    variance = {
        name: float((part.var(axis=0, dtype=np.float64) * BLOCK_WEIGHTS[name] ** 2).sum())
        for name, part in blocks.evidence.items()
    }
    # Numbers and time share one set of weights: that time says little of fraud is no fault of the encoder.
    variance["numeric"] += variance.pop("cyclic")
    total = sum(variance.values()) or 1.0
    p10, median = np.quantile(cosines, [0.1, 0.5])
    return Spread(float(p10), float(median), {name: v / total for name, v in variance.items()})


def refuse_collapse(found: Spread) -> None:
    """Raise CollapsedEncoderError, with the figures, if vectors are nearly all alike or one block drowns the others."""
    if found.pair_cosine_p10 > ALIKE:
        raise CollapsedEncoderError(
            f"the encoder has collapsed: nine of ten random pairs of payments have a cosine above"
            f" {found.pair_cosine_p10:.4f} (median {found.pair_cosine_median:.4f}, the most allowed is {ALIKE});"
            " look for evidence with a huge constant part, such as a year or an identifier"
        )
    drowning = max(found.block_shares, key=lambda name: found.block_shares[name])
    others = [share for name, share in found.block_shares.items() if name != drowning and share > 0]
    if others and found.block_shares[drowning] > DROWNING:
        shares = ", ".join(f"{name} {share:.4f}" for name, share in found.block_shares.items())
        raise CollapsedEncoderError(
            f"the block '{drowning}' drowns the others: shares of variance are {shares}"
            f" (the most allowed is {DROWNING}); lower its weight or remove it"
        )
