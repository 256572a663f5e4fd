"""What training may choose, and from what."""

from dataclasses import dataclass

from counterfoil.domain.encoding.odds import BAGGED, ROUNDS, VARIED
from counterfoil.domain.encoding.votes import TREES
from counterfoil.domain.policy.thresholds import ALERT_BUDGET


@dataclass(frozen=True)
class TrainingOptions:
    """What may be chosen, and from what; the first of each is taken where too little can be judged.

    The defaults serve every mapping. `machines`, `shares` and `odds` make the mixtures (`encoding.encoder.Mixture`).
    The first gives forests and odds the same weight: where blocks cannot tell which of two ways is better, their mean
    errs less than the one that happened to lead (Smith and Wallis 2009).
    `workers` is how many machines are made at once; the release does not depend on it.
    """

    good_references: tuple[int, ...] = (1_000, 2_000, 5_000, 10_000)
    validation_good: int = 20_000
    judged_good: int = 2_000
    machines: tuple[str, ...] = (VARIED, BAGGED)
    shares: tuple[float, ...] = (0.2, 0.4)
    odds: tuple[float, ...] = (0.5, 0.25, 0.0, 0.75)
    neighbours: tuple[int, ...] = (20,)
    fold_starts: tuple[float, ...] = (0.6, 0.8, 1.0)
    trees: int = TREES
    rounds: int = ROUNDS
    alert_budget: float = ALERT_BUDGET
    seed: int = 0
    device: str = "cpu"
    workers: int = 1
