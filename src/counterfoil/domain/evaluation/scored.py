"""Payments beside their scores and labels: what every figure of an evaluation is made of."""

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from counterfoil.domain.arrays import Doubles, Labels
from counterfoil.errors import UsageError


@dataclass(frozen=True, eq=False)
class Scored:
    """Payments whose label is known, 1 fraud or 0 good, each with its score (higher = riskier); arrays are (rows,).

    `event_time` is UTC. Without `account` each row is an account of its own. Raises UsageError for arrays of different
    length, other labels, and scores that are NaN or infinite.
    """

    label: Labels
    score: Doubles
    account: NDArray[np.object_] | NDArray[np.str_] | None
    event_time: NDArray[np.datetime64]

    def __post_init__(self) -> None:
        label, account = self.label, self.account
        lengths = {label.size, self.score.size, self.event_time.size, label.size if account is None else account.size}
        if len(lengths) > 1:
            raise UsageError(f"label, score, account and event_time differ in length: {sorted(lengths)} rows")
        if not np.isin(label, (0, 1)).all():
            raise UsageError("label may only be 0 or 1: drop rows of unknown label before evaluating")
        if not np.isfinite(self.score).all():
            raise UsageError(f"{int((~np.isfinite(self.score)).sum())} scores are NaN or infinite")

    @classmethod
    def of(cls, table: pa.Table, score: str = "anomaly_signal") -> "Scored":
        """The rows of a table with the columns `score`, label, account_id and event_time; no label is null."""
        return cls(
            table.column("label").to_numpy().astype(np.int8),
            table.column(score).to_numpy(),
            np.asarray(table.column("account_id").to_pylist(), dtype=object),
            table.column("event_time").cast(pa.timestamp("us")).to_numpy(),
        )

    def by(self, score: Doubles) -> "Scored":
        """The same payments with another score."""
        return replace(self, score=score)
