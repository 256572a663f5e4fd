"""The key figures of a period beside the period before it, each with an interval over draws of accounts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from counterfoil.domain.arrays import Doubles
from counterfoil.domain.evaluation.intervals import LEVEL, drawn_accounts

ACCOUNT_SUMS = (
    "payments", "volume", "labelled", "frauds", "loss", "scored", "alerts", "alerts_labelled", "alert_frauds",
    "scored_frauds", "alert_signal",
)  # fmt: skip
"""What is summed for each account: columns of the arrays below, in this order. `alert_signal` sums alerts' signals."""

FEWEST_ACCOUNTS = 10
"""Draws of fewer accounts than these say nothing of how far a figure could be off."""

DRAWS = 300


@dataclass(frozen=True)
class KeyFigure:
    """A figure of the period and of the one before, with 95 % intervals; None where it is not defined.

    `change` is the difference of the two as a share of the former, or in points for a figure that is a share.
    """

    key: str
    value: float | None
    interval: tuple[float, float] | None
    before: float | None
    change: float | None
    change_interval: tuple[float, float] | None


Formula = Callable[[Mapping[str, Doubles]], Doubles]

SHARES: Mapping[str, tuple[str, str]] = MappingProxyType({
    "fraud_rate": ("frauds", "labelled"),
    "alert_share": ("alerts", "scored"),
    "alert_precision": ("alert_frauds", "alerts_labelled"),
    "alert_recall": ("alert_frauds", "scored_frauds"),
    "expected_precision": ("alert_signal", "alerts"),
})  # fmt: skip
"""Figures that are one sum over another."""
SUMS = ("payments", "volume", "frauds", "loss", "alerts")


def key_figures(now: Doubles, before: Doubles, *, draws: int = DRAWS, seed: int = 0) -> dict[str, KeyFigure]:
    """Figures by key from sums by account, each (accounts, ACCOUNT_SUMS), of the same accounts in the same order.

    An account is drawn with its payments of both periods, so that the interval of a change is that of one population.
    """
    accounts = now.shape[0]
    whole = np.ones((1, accounts))
    present, former = _figures(whole @ now), _figures(whole @ before)
    drawn: dict[str, list[Doubles]] = {}
    changed: dict[str, list[Doubles]] = {}
    if accounts >= FEWEST_ACCOUNTS:
        for copies in drawn_accounts(accounts, draws, np.random.default_rng(seed)):
            weights = copies.astype(np.float64)
            here, there = _figures(weights @ now), _figures(weights @ before)
            for key, values in here.items():
                drawn.setdefault(key, []).append(values)
                changed.setdefault(key, []).append(_change(key, values, there[key]))
    return {
        key: KeyFigure(
            key, _defined(values[0]), _bounds(drawn.get(key)), _defined(former[key][0]),
            _defined(_change(key, values, former[key])[0]), _bounds(changed.get(key)),
        )
        for key, values in present.items()
    }  # fmt: skip


def _figures(sums: Doubles) -> dict[str, Doubles]:
    """Figures, each (draws,), of sums (draws, ACCOUNT_SUMS); NaN where there is nothing to divide by."""
    named = dict(zip(ACCOUNT_SUMS, sums.T, strict=True))
    found = {key: named[key] for key in SUMS}
    return found | {key: _ratio(named[above], named[below]) for key, (above, below) in SHARES.items()}


def _change(key: str, now: Doubles, before: Doubles) -> Doubles:
    return now - before if key in SHARES else _ratio(now - before, before)


def _ratio(above: Doubles, below: Doubles) -> Doubles:
    return np.asarray(np.divide(above, below, out=np.full(below.shape, np.nan), where=below > 0))


def _bounds(parts: list[Doubles] | None) -> tuple[float, float] | None:
    if not parts:
        return None
    drawn = np.concatenate(parts)
    if np.isnan(drawn).mean() > 1 - LEVEL:  # hardly ever defined: what is left is a choice of the lucky draws
        return None
    low, high = np.nanpercentile(drawn, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    return float(low), float(high)


def _defined(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
