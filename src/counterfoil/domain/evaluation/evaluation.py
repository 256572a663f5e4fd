"""What a set of scores is worth: ranking, daily alerts, cards and calibration, with intervals by account."""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from counterfoil.domain.arrays import Doubles, Integers
from counterfoil.domain.evaluation.alert_budget import LookedAt
from counterfoil.domain.evaluation.card_precision import CardsLookedAt, card_days
from counterfoil.domain.evaluation.intervals import FEWEST_ACCOUNTS, Intervals, Measure, account_numbers, bootstrap
from counterfoil.domain.evaluation.metrics import ALERTS_PER_DAY
from counterfoil.domain.evaluation.ranking import Ranking, area_under_curve, average_precision, recall_at_fpr
from counterfoil.domain.evaluation.reliability import (
    ReliabilityBin,
    SquaredErrors,
    brier,
    expected_calibration_error,
    reliability_bins,
)
from counterfoil.domain.evaluation.scored import Scored
from counterfoil.errors import UsageError

FALSE_POSITIVE_RATE = 0.01


@dataclass(frozen=True)
class Evaluation:
    """Figures of one scored table.

    `metrics` has the keys auc, average_precision, recall_at_1pct_fpr, alert_recall, alert_precision,
    card_precision, brier, brier_skill and calibration_error; None where a figure is not defined: for want of
    frauds or good payments, or for the last three because scores outside [0, 1] are no probabilities.
    `fraud_accounts` of the accounts have a fraud. `intervals` holds 95 % bounds for those metrics that have them, and
    nothing for fewer than `FEWEST_ACCOUNTS` of these accounts; the calibration error has none, since resampling
    biases it upwards. `card_precision_by_day` is keyed by ISO date (UTC).
    """

    rows: int
    frauds: int
    accounts: int
    alerts_per_day: int
    top_k: int
    metrics: dict[str, float | None]
    intervals: dict[str, tuple[float, float]]
    draws: int
    skipped_draws: int
    calibration_bins: tuple[ReliabilityBin, ...]
    card_precision_by_day: dict[str, float]
    fraud_accounts: int = 0

    def as_dict(self) -> dict[str, Any]:
        """The same as plain dicts, lists and numbers, fit for JSON."""
        plain = asdict(self)
        plain["intervals"] = {name: list(bounds) for name, bounds in self.intervals.items()}
        plain["calibration_bins"] = list(plain["calibration_bins"])
        return plain


def evaluate(
    scored: Scored, *, alerts_per_day: int = ALERTS_PER_DAY, top_k: int = 100, draws: int = 500, seed: int = 0
) -> Evaluation:
    """Evaluate the scores of payments. Without accounts each row is its own card. Days are UTC dates.

    `draws` is the number of bootstrap draws (0: no intervals). Raises UsageError for budgets below 1.
    """
    measures = Measures.of(scored, alerts_per_day=alerts_per_day, top_k=top_k)
    return measures.evaluation(measures.bootstrapped(measures.figures, draws=draws, seed=seed))


@dataclass(frozen=True)
class Measures:
    """The rows of one scored table, sorted once for each kind of figure.

    A bootstrap draw only changes how often an account counts.
    """

    label: NDArray[np.int8]
    score: Doubles
    account: Integers  # numbers from 0
    accounts: int
    ranking: Ranking
    alerts: LookedAt
    days: tuple[str, ...]  # ISO dates with rows
    cards: CardsLookedAt
    errors: SquaredErrors | None  # None: the scores are no probabilities
    alerts_per_day: int
    top_k: int

    @classmethod
    def of(cls, scored: Scored, *, alerts_per_day: int, top_k: int) -> "Measures":
        """Make ready what `evaluate` takes. Raises UsageError as it does."""
        if min(alerts_per_day, top_k) < 1:
            raise UsageError(f"alerts_per_day and top_k must be at least 1, not {min(alerts_per_day, top_k)}")
        label, score = np.asarray(scored.label), np.asarray(scored.score, dtype=np.float64)
        numbers, day = account_numbers(scored.account, label.size), scored.event_time.astype("datetime64[D]")
        accounts = int(numbers.max()) + 1 if numbers.size else 0
        by_day = card_days(label, score, numbers, day)
        probable = bool(np.all((score >= 0) & (score <= 1)))
        return cls(
            label=label,
            score=score,
            account=numbers,
            accounts=accounts,
            ranking=Ranking.of(label, score),
            alerts=LookedAt.of(label, score, numbers, accounts, day, alerts_per_day),
            days=tuple(str(entry.day) for entry in by_day),
            cards=CardsLookedAt.of(by_day, accounts, top_k),
            errors=SquaredErrors.of(label, score, numbers, accounts) if probable else None,
            alerts_per_day=alerts_per_day,
            top_k=top_k,
        )

    def bootstrapped(self, measure: Measure, *, draws: int, seed: int) -> Intervals:
        """Intervals of what `measure` gives for draws of these accounts; none where too few of them have frauds."""
        if draws and int(self.label.sum()) < self.label.size and self.fraud_accounts >= FEWEST_ACCOUNTS:
            return bootstrap(measure, self.label, self.account, draws=draws, seed=seed)
        return Intervals({}, draws, 0)

    def evaluation(self, intervals: Intervals) -> Evaluation:
        """The figures of the table as it is, with these intervals."""
        bins = reliability_bins(self.label, self.score) if self.errors else ()
        metrics = {name: defined(values[0]) for name, values in self.figures(self.once()).items()}
        return Evaluation(
            rows=int(self.label.size),
            frauds=int(self.label.sum()),
            accounts=self.accounts,
            alerts_per_day=self.alerts_per_day,
            top_k=self.top_k,
            metrics=metrics | {"calibration_error": defined(expected_calibration_error(bins))},
            intervals=intervals.bounds,
            draws=intervals.draws,
            skipped_draws=intervals.skipped,
            calibration_bins=bins,
            card_precision_by_day=self.card_precision_by_day(),
            fraud_accounts=self.fraud_accounts,
        )

    @property
    def fraud_accounts(self) -> int:
        """How many accounts have a fraud."""
        return int(np.unique(self.account[self.label == 1]).size)

    def once(self) -> Integers:
        """Copies (1, accounts) of the table as it is."""
        return np.ones((1, self.accounts), dtype=np.int64)

    def figures(self, copies: Integers) -> dict[str, Doubles]:
        """Metrics but for the calibration error, each (draws,), for `copies` (draws, accounts)."""
        ranked = np.array([self._by_rank(drawn) for drawn in copies]).reshape(-1, 3)
        found = {
            name: ranked[:, place] for place, name in enumerate(("auc", "average_precision", "recall_at_1pct_fpr"))
        }
        found["alert_recall"], found["alert_precision"] = self.alerts.recall(copies), self.alerts.precision(copies)
        found["card_precision"] = self.cards.precision(copies)
        unknown = np.full(copies.shape[0], np.nan)
        found["brier"], found["brier_skill"] = brier(self.errors, copies) if self.errors else (unknown, unknown)
        return found

    def _by_rank(self, drawn: Integers) -> tuple[float, float, float]:
        curve = self.ranking.curve(drawn.astype(np.float64)[self.account])
        return area_under_curve(curve), average_precision(curve), recall_at_fpr(curve, FALSE_POSITIVE_RATE)

    def card_precision_by_day(self) -> dict[str, float]:
        """ISO date -> card precision of that day."""
        return dict(zip(self.days, self.cards.by_day.tolist(), strict=True))


def defined(value: float) -> float | None:
    """The figure, or None where it is NaN: JSON knows no NaN."""
    return None if math.isnan(value) else float(value)
